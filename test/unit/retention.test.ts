/** What the rules of retention say of tags and of manifests without one, and which rule decides. */
import t from 'tap'
import type { PlanOptions } from '../../src/deletion/plan.js'
import type { Tag } from '../../src/oci/name.js'
import { Protection, type RuleSettings as ProtectionRule } from '../../src/protection/protection.js'
import { PullTimes } from '../../src/pull-times/pull-times.js'
import { Retention } from '../../src/retention/retention.js'
import type { RuleSettings } from '../../src/retention/rules.js'
import type { RepositoryState } from '../../src/storage/state.js'
import { APP, d, keep, leasing, nameOf, planOf, purge, repository, sketch, steps, tag, type Sketch } from './repository.js'

const DAY = 86_400_000
const NOW = 1000 * DAY

const rule = (parts: Partial<RuleSettings> = {}): RuleSettings => ({ name: 'rule', repositories: ['**'], tags: ['**'], ...parts })
const protect = (parts: Partial<ProtectionRule> = {}): ProtectionRule => ({ name: 'protected', repositories: ['**'], users: [], overwrite: false, ...parts })

/** Tags and manifests that were pushed so many days ago. */
function aged (of: Sketch, days: Readonly<Record<string, number>>): RepositoryState {
  const state = sketch(of)
  const at = (name: string): number => NOW - (days[name] ?? 0) * DAY
  return {
    ...state,
    tags: new Map([...state.tags].map(([name, found]) => [name, { ...found, modifiedAt: found.modifiedAt === undefined ? undefined : at(name) }])),
    revisions: new Map([...state.revisions].map(([digest, found]) => [digest, { ...found, modifiedAt: at(nameOf(digest)) }]))
  }
}

interface Given {
  readonly rules: readonly RuleSettings[]
  readonly protection?: readonly ProtectionRule[]
  readonly pulls?: PullTimes
  readonly options?: PlanOptions
}

function decide (state: RepositoryState, { rules, protection = [], pulls = new PullTimes(0), options = purge }: Given) {
  const retention = new Retention(rules, { protection: new Protection(protection), pulls })
  const decided = retention.plan(state, options, NOW)
  const gone = decided.planned.outcome === 'planned' ? steps(planOf(decided.planned)) : undefined
  return {
    ...decided,
    gone,
    tagsGone: gone?.tags ?? [],
    manifestsGone: gone?.manifests ?? [],
    of: (name: string) => { const { action, rule, reason } = decided.tags.find(({ tag }) => tag === name)!; return `${action} by ${rule}: ${reason}` }
  }
}

const images = (...names: string[]): Sketch => ({ tags: Object.fromEntries(names.map(name => [name, `image ${name}`])), manifests: Object.fromEntries(names.map(name => [`image ${name}`, { blobs: [`layer ${name}`] }])) })
const ALL = { a: 5, b: 10, c: 31, d: 40.5, e: 100 }
const five = (): RepositoryState => aged(images(...Object.keys(ALL)), ALL)

t.test('older than: counted from the push, with the rule and the reason', t => {
  const made = decide(five(), { rules: [rule({ name: 'nightly', deleteOlderThanDays: 30 })] })
  t.same(made.gone, { tags: ['c', 'd', 'e'], manifests: ['image c', 'image d', 'image e'], history: [], layers: ['layer c', 'layer d', 'layer e'], empties: false })
  t.equal(made.of('d'), 'delete by nightly: pushed 40 days ago, more than 30')
  t.equal(made.of('a'), 'keep by undefined: no rule lets it go yet')
  t.same(made.tags.map(({ tag }) => tag), ['a', 'b', 'c', 'd', 'e'])
  t.equal(made.tags[0]!.digest, d('image a'))
  t.end()
})

t.test('exactly so old is not older', t => {
  t.same(decide(aged(images('a'), { a: 30 }), { rules: [rule({ deleteOlderThanDays: 30 })] }).gone, undefined)
  t.same(decide(aged(images('a'), { a: 0 }), { rules: [rule({ deleteOlderThanDays: 0 })] }).gone, undefined)
  t.end()
})

t.test('the newest stay, whatever their age; so do those that match', t => {
  const made = decide(five(), { rules: [rule({ keepNewest: 2, keepTags: ['e*'], deleteOlderThanDays: 0 })] })
  t.same(made.tagsGone, ['c', 'd'])
  t.equal(made.of('b'), 'keep by rule: among the newest 2')
  t.equal(made.of('e'), 'keep by rule: matches keepTags e*')
  t.end()
})

t.test('the newest are counted in what the rule is about, and by the push, not by the name', t => {
  const made = decide(five(), { rules: [rule({ tags: ['[c-e]'], keepNewest: 1, deleteOlderThanDays: 0 })] })
  t.same(made.tagsGone, ['d', 'e'])
  t.equal(made.of('a'), 'keep by undefined: no rule is about it')
  t.same(decide(aged(images('v10', 'v9'), { v10: 1, v9: 2 }), { rules: [rule({ keepNewest: 1, deleteOlderThanDays: 0 })] }).tagsGone, ['v9'])
  t.end()
})

t.test('what one rule keeps stays, whatever another says; of those that delete, the first is named', t => {
  const made = decide(five(), { rules: [rule({ name: 'first', tags: ['c', 'd'], deleteOlderThanDays: 30 }), rule({ name: 'second', deleteOlderThanDays: 7 }), rule({ name: 'keeps', tags: ['d'], keepTags: ['**'] })] })
  t.same(made.tagsGone, ['b', 'c', 'e'])
  t.match(made.of('c'), /^delete by first/)
  t.match(made.of('b'), /^delete by second/)
  t.match(made.of('d'), /^keep by keeps/)
  t.end()
})

t.test('rules are about the repositories that they name', t => {
  t.equal(decide(five(), { rules: [rule({ repositories: ['other', 'team'], deleteOlderThanDays: 0 })] }).gone, undefined)
  const retention = new Retention([rule({ repositories: ['team/*'] })], { protection: new Protection([]), pulls: new PullTimes(0) })
  t.same([retention.concerns(APP), retention.concerns(repository('team/app/x')), retention.concerns(repository('other'))], [true, false, false])
  t.end()
})

t.test('not pulled: by name or by digest, or pushed', t => {
  const pulls = new PullTimes(0)
  const ago = (days: number): number => NOW - days * DAY
  const rules = [rule({ deleteNotPulledForDays: 30 })]
  const of = { tags: { name: 'one', other: 'one', digest: 'two', child: 'index', pushed: 'three' }, manifests: { one: {}, two: {}, index: { manifests: ['kid'] }, kid: {}, three: {} } }
  const state = aged(of, { name: 100, other: 100, digest: 100, child: 100, pushed: 29 })
  t.same(decide(state, { rules, pulls }).tagsGone, ['child', 'digest', 'name', 'other'])
  pulls.pulled(APP, { tag: tag('name') }, d('one'), ago(29))
  pulls.pulled(APP, { digest: d('two') }, d('two'), ago(29))
  pulls.pulled(APP, { digest: d('kid') }, d('kid'), ago(29))
  const made = decide(state, { rules, pulls })
  t.same(made.tagsGone, ['other'], 'another tag of the same manifest is judged apart')
  t.same(made.manifestsGone, [])
  t.match(made.of('other'), /not pulled for 100 days, more than 30/)
  t.end()
})

t.test('what was never seen to be pulled counts from when there was somebody to see it', t => {
  const state = aged(images('a', 'b'), { a: 100, b: 100 })
  const rules = [rule({ deleteNotPulledForDays: 30 })]
  const since = (days: number): PullTimes => new PullTimes(NOW - days * DAY)
  t.equal(decide(state, { rules, pulls: since(30) }).gone, undefined)
  t.same(decide(state, { rules, pulls: since(31) }).tagsGone, ['a', 'b'])
  const pulls = since(31)
  pulls.pulled(APP, { tag: tag('a') }, undefined, NOW - 30 * DAY)
  t.same(decide(state, { rules, pulls }).tagsGone, ['b'])
  t.end()
})

t.test('a rule with both ages lets go where both hold', t => {
  const pulls = new PullTimes(0)
  pulls.pulled(APP, { tag: tag('e') }, undefined, NOW - DAY)
  const made = decide(five(), { rules: [rule({ deleteOlderThanDays: 30, deleteNotPulledForDays: 35 })], pulls })
  t.same(made.tagsGone, ['d'])
  t.match(made.of('d'), /pushed 40 days ago, more than 30; not pulled for 40 days, more than 35/)
  t.end()
})

t.test('what was put back counts as pushed then, also among the newest', t => {
  const pulls = new PullTimes(0)
  pulls.restored(APP, [tag('e')], NOW - DAY)
  t.same(decide(five(), { rules: [rule({ deleteOlderThanDays: 30 })], pulls }).tagsGone, ['c', 'd'])
  t.same(decide(five(), { rules: [rule({ deleteNotPulledForDays: 30 })], pulls }).tagsGone, ['c', 'd'])
  const made = decide(five(), { rules: [rule({ keepNewest: 2, deleteOlderThanDays: 0 })], pulls })
  t.equal(made.of('e'), 'keep by rule: among the newest 2')
  t.same(made.tagsGone, ['b', 'c', 'd'])
  t.end()
})

t.test('protected tags stay, and repositories that are protected as a whole', t => {
  const rules = [rule({ deleteOlderThanDays: 0, deleteUntaggedAfterDays: 0 })]
  const made = decide(five(), { rules, protection: [protect({ name: 'releases', tags: ['[ab]'], users: ['alice'] })] })
  t.same(made.tagsGone, ['c', 'd', 'e'])
  t.equal(made.of('a'), 'keep by releases: protected (protection.rules)')
  const loose = aged({ ...images('a'), manifests: { 'image a': {}, loose: {} } }, { a: 9, loose: 9 })
  t.same(decide(loose, { rules }).manifestsGone, ['image a', 'loose'])
  t.same(decide(loose, { rules, protection: [protect()] }).gone, undefined)
  t.end()
})

t.test('what is attached stays and goes with what it is attached to', t => {
  const signature = `sha256-${d('image a').slice(7)}.sig`
  const stray = `sha256-${'0'.repeat(64)}.sig`
  const of: Sketch = { tags: { a: 'image a', b: 'image b', [signature]: 'signature', [stray]: 'stray' }, manifests: { 'image a': {}, 'image b': {}, signature: {}, stray: {} } }
  const ages = { a: 10, b: 5, [signature]: 100, [stray]: 100, signature: 100 }
  const old = [rule({ keepNewest: 2, deleteOlderThanDays: 7 })]
  const kept = decide(aged(of, ages), { rules: old })
  t.same(kept.tagsGone, [stray], 'one that is attached to nothing is a tag like others, and the newest are not counted with signatures')
  t.match(kept.of(signature), /^keep by undefined: attached to sha256:\w+: it stays and goes with that/)
  const made = decide(aged(of, ages), { rules: [rule({ tags: ['a'], deleteOlderThanDays: 7 })] })
  t.same(made.tagsGone, ['a', signature])
  t.match(made.of(signature), /^delete by undefined: attached to sha256:\w+, which goes/)
  t.same(decide(aged(of, ages), { rules: [rule({ tags: ['a'], deleteOlderThanDays: 7 })], options: keep }).tagsGone, ['a'])
  const spared = decide(aged(of, ages), { rules: [rule({ deleteOlderThanDays: 7 })], protection: [protect({ tags: ['*.sig'] })] })
  t.equal(spared.gone, undefined, 'what a protected tag is attached to stays')
  t.match(spared.of('a'), /^keep by protected: what is attached to it is protected: sha256-/)
  t.end()
})

t.test('a link that cannot be read keeps its tag', t => {
  const state = aged({ tags: { a: null, b: { cut: ['x'] }, c: 'image' }, manifests: { image: {} } }, { a: 100, c: 100 })
  const made = decide(state, { rules: [rule({ deleteOlderThanDays: 0 })] })
  t.same(made.tagsGone, ['c'])
  t.equal(made.of('a'), 'keep by undefined: its link cannot be read')
  t.end()
})

t.test('without a tag: old ones go, with what only they list; young and pulled ones stay', t => {
  const of: Sketch = {
    tags: { v1: ['old', 'now'] },
    manifests: { old: { blobs: ['x'] }, now: {}, index: { manifests: ['kid', 'fresh kid'] }, kid: {}, 'fresh kid': {}, fresh: {}, pulled: {}, signature: { subject: 'index' }, attached: { subject: 'now' }, pushing: {} }
  }
  const ages = { v1: 100, old: 100, now: 100, index: 100, kid: 100, fresh: 5, 'fresh kid': 5, pulled: 100, signature: 1, attached: 100, pushing: 100 }
  const pulls = new PullTimes(0)
  pulls.pulled(APP, { digest: d('pulled') }, d('pulled'), NOW - DAY)
  const made = decide(aged(of, ages), { rules: [rule({ deleteUntaggedAfterDays: 7 })], pulls, options: leasing(d('pushing')) })
  t.same(made.gone, { tags: [], manifests: ['index', 'kid', 'old', 'signature'], history: ['v1@old'], layers: ['x'], empties: false })
  t.same(made.untagged.map(({ digest, rule }) => `${nameOf(digest)} by ${rule}`).sort(), ['index by rule', 'kid by rule', 'old by rule'])
  t.match(made.untagged[0]!.reason, /without a tag, pushed and pulled 100 days ago or longer, more than 7/)
  t.equal(decide(aged(of, ages), { rules: [rule({ deleteOlderThanDays: 1000 })], pulls }).gone, undefined, 'nobody asked for it')
  const young = decide(aged(of, ages), { rules: [rule({ deleteUntaggedAfterDays: 7 })], pulls: new PullTimes(NOW - 6 * DAY) })
  t.equal(young.gone, undefined, 'what was pulled before anybody looked is not known')
  t.end()
})

t.test('a tag and what is without one, in one plan', t => {
  const of: Sketch = { tags: { v1: 'image', v2: 'index' }, manifests: { image: {}, loose: { manifests: ['image'] }, index: { manifests: ['kid'] }, kid: {} } }
  const made = decide(aged(of, { v1: 50, v2: 50, image: 50, loose: 50, index: 50, kid: 50 }), { rules: [rule({ deleteOlderThanDays: 30, deleteUntaggedAfterDays: 30, keepTags: ['v2'] })] })
  t.same(made.gone, { tags: ['v1'], manifests: ['image', 'loose'], history: [], layers: [], empties: false })
  t.end()
})

t.test('what cannot be read keeps what it may need', t => {
  const state = aged({ tags: { v1: 'image' }, manifests: { image: {}, broken: null, loose: {} } }, { v1: 50, image: 50, broken: 50, loose: 50 })
  const made = decide(state, { rules: [rule({ deleteOlderThanDays: 30, deleteUntaggedAfterDays: 30 })] })
  t.same(made.gone, { tags: ['v1'], manifests: [], history: [], layers: [], empties: false })
  t.same(made.untagged, [], 'only what goes is named')
  t.end()
})

t.test('a tag by a name that is nothing special', t => {
  const names = ['.dot', '-dash', '_under'].map(name => name as Tag)
  const state = aged(images('_under', 'a'), { _under: 50, a: 50 })
  t.same(decide(state, { rules: [rule({ tags: names, deleteOlderThanDays: 30 })] }).tagsGone, ['_under'])
  t.end()
})
