/** What holds for every run of retention rules, on repositories, rules and pulls made at random. A failure names the seed that shows it. */
import t from 'tap'
import type { Digest } from '../../src/oci/digest.js'
import type { Tag } from '../../src/oci/name.js'
import { Protection } from '../../src/protection/protection.js'
import { PullTimes } from '../../src/pull-times/pull-times.js'
import { Retention } from '../../src/retention/retention.js'
import type { RuleSettings } from '../../src/retention/rules.js'
import type { RepositoryState } from '../../src/storage/state.js'
import { Chance } from '../support/random.js'
import { randomCase } from './random-repository.js'
import { APP, steps } from './repository.js'

const CASES = 2500
const DAY = 86_400_000
const NOW = 1000 * DAY
const GLOBS = [['**'], ['v*'], ['latest', 'sha256-*'], ['*1*', 'v2'], ['*.sig']]

interface Case {
  readonly seed: number
  readonly state: RepositoryState
  readonly rules: readonly RuleSettings[]
  readonly isProtected: (tag: Tag) => boolean
  readonly decide: (with_?: { readonly rules?: readonly RuleSettings[], readonly state?: RepositoryState, readonly now?: number }) => ReturnType<Retention['plan']>
  readonly gone: ReadonlySet<Tag>
  readonly pulls: PullTimes
}

function makeCase (seed: number): Case {
  const { state: base, options } = randomCase(seed)
  const chance = new Chance(seed + 1_000_000)
  const at = (): number => NOW - chance.upTo(20) * 10 * DAY
  const state: RepositoryState = {
    ...base,
    tags: new Map([...base.tags].map(([name, found]) => [name, { ...found, modifiedAt: found.modifiedAt === undefined ? undefined : at() }])),
    revisions: new Map([...base.revisions].map(([digest, found]) => [digest, { ...found, modifiedAt: at() }]))
  }
  const pulls = new PullTimes(at())
  for (const tag of chance.some([...state.tags.keys()], 0.3)) pulls.pulled(APP, { tag }, undefined, at())
  for (const digest of chance.some([...state.revisions.keys()], 0.2)) pulls.pulled(APP, { digest }, digest, at())
  const rules = Array.from({ length: 1 + chance.upTo(3) }, (_, number) => randomRule(chance, number))
  const protection = new Protection(chance.happens(0.4) ? [{ name: 'protected', repositories: ['**'], users: [], overwrite: false, ...(chance.happens(0.1) ? {} : { tags: chance.one(GLOBS) }) }] : [])
  const decide: Case['decide'] = (other = {}) => new Retention(other.rules ?? rules, { protection, pulls }).plan(other.state ?? state, options, other.now ?? NOW)
  const { planned } = decide()
  const gone = new Set(planned.outcome === 'planned' ? planned.plan.tags.map(({ tag }) => tag) : [])
  return { seed, state, rules, isProtected: tag => protection.deleting({ repository: APP, tags: [{ tag }] }, undefined) !== undefined, decide, gone, pulls }
}

function randomRule (chance: Chance, number: number): RuleSettings {
  const days = (): number => chance.upTo(15) * 10
  return {
    name: `rule ${number}`,
    repositories: ['**'],
    tags: chance.one(GLOBS),
    ...(chance.happens(0.4) ? { keepNewest: 1 + chance.upTo(4) } : {}),
    ...(chance.happens(0.2) ? { keepTags: chance.one(GLOBS) } : {}),
    ...(chance.happens(0.6) ? { deleteOlderThanDays: days() } : {}),
    ...(chance.happens(0.4) ? { deleteNotPulledForDays: days() } : {}),
    ...(chance.happens(0.4) ? { deleteUntaggedAfterDays: days() } : {})
  }
}

const cases = Array.from({ length: CASES }, (_, at) => makeCase(at + 1))

function holds (what: string, violations: (one: Case) => Iterable<string>): void {
  t.test(what, t => {
    let failed = 0
    for (const one of cases) for (const violation of violations(one)) if (++failed <= 10) t.fail(`seed ${one.seed}: ${violation}`, { rules: one.rules })
    t.equal(failed, 0, `${cases.length} runs`)
    t.end()
  })
}

/** Written anew, for globs as they are used here. */
const fits = (globs: readonly string[], name: string): boolean => globs.some(one => new RegExp(`^${one.replaceAll('.', '\\.').replaceAll(/\*+/g, '.*')}$`).test(name))
const isAttached = (state: RepositoryState, name: string): boolean => {
  const [, algorithm, hex] = /^(sha\d+)-([0-9a-f]{64})(?:\.sig|\.att|\.sbom|)$/.exec(name) ?? []
  return [...state.revisions.keys()].some(digest => digest.startsWith(`${algorithm}:${hex}`))
}
const own = ({ state }: Case): Tag[] => [...state.tags].filter(([name, { current, modifiedAt }]) => current !== undefined && modifiedAt !== undefined && !isAttached(state, name)).map(([name]) => name)

t.test('the cases are of all kinds', t => {
  t.ok(cases.filter(({ gone }) => gone.size > 0).length > CASES / 5)
  t.ok(cases.filter(one => own(one).some(one.isProtected)).length > CASES / 10)
  t.ok(cases.filter(one => one.decide().untagged.length > 0).length > CASES / 20)
  t.ok(cases.filter(one => one.decide().tags.some(({ reason }) => reason.startsWith('attached to'))).length > CASES / 20)
  t.end()
})

holds('what is protected is never deleted', function * ({ gone, isProtected }) {
  for (const tag of gone) if (isProtected(tag)) yield `${tag} goes`
})

holds('what any rule keeps stays', function * (one) {
  for (const { tags, keepTags = [] } of one.rules) {
    for (const tag of own(one)) if (fits(tags, tag) && fits(keepTags, tag) && one.gone.has(tag)) yield `${tag} goes`
  }
})

holds('of what a rule is about, the newest stay: as many as it says, or all that there are', function * (one) {
  for (const { tags, keepNewest } of one.rules) {
    if (keepNewest === undefined) continue
    const about = own(one).filter(tag => fits(tags, tag))
    const left = about.filter(tag => !one.gone.has(tag))
    if (left.length < Math.min(keepNewest, about.length)) yield `${left.length} of ${about.length} are left, not ${keepNewest}`
    const pushed = (tag: Tag): number => one.state.tags.get(tag)!.modifiedAt!
    for (const tag of about) if (one.gone.has(tag) && left.filter(other => pushed(other) >= pushed(tag)).length < keepNewest) yield `${tag} goes, which is among the newest`
  }
})

holds('nothing goes that is young enough for every rule about it', function * (one) {
  for (const tag of own(one)) {
    if (!one.gone.has(tag)) continue
    const age = (NOW - one.state.tags.get(tag)!.modifiedAt!) / DAY
    const idle = Math.min(age, (NOW - (one.pulls.lastPull(APP, tag) ?? one.pulls.since)) / DAY)
    const due = one.rules.some(({ tags, deleteOlderThanDays: older, deleteNotPulledForDays: unpulled }) => fits(tags, tag) && (older !== undefined || unpulled !== undefined) && (older === undefined || age > older) && (unpulled === undefined || age > unpulled))
    if (!due) yield `${tag} goes, ${age} days old and not pulled for ${idle}`
  }
})

holds('what is said is what goes', function * (one) {
  const { planned, tags, untagged } = one.decide()
  const said = tags.filter(({ action }) => action === 'delete').map(({ tag }) => tag).sort()
  if (said.join() !== [...one.gone].sort().join()) yield `${said.join()} is said, and ${[...one.gone].join()} goes`
  if (tags.length !== one.state.tags.size) yield 'not every tag is named'
  for (const { digest } of untagged) if (planned.outcome !== 'planned' || !planned.plan.manifests.includes(digest)) yield `${digest} is said to go`
})

holds('what a tag that stays points to stays, with all that it lists', function * (one) {
  const { planned } = one.decide()
  if (planned.outcome !== 'planned') return
  const gone = new Set<Digest>(planned.plan.manifests)
  const reach = function * (digest: Digest, seen = new Set<Digest>()): Generator<Digest> {
    const revision = one.state.revisions.get(digest)
    if (revision === undefined || seen.has(digest)) return
    seen.add(digest)
    yield digest
    if (revision.readable) for (const child of revision.references.manifests) yield * reach(child, seen)
  }
  for (const [tag, { current }] of one.state.tags) {
    if (current !== undefined && !one.gone.has(tag)) for (const digest of reach(current)) if (gone.has(digest)) yield `${tag} stays, and ${digest} goes`
  }
})

holds('monotone: what is added to what rules keep never makes more go, and time never makes less go', function * (one) {
  const tagsGone = (made: ReturnType<Retention['plan']>): Tag[] => made.planned.outcome === 'planned' ? made.planned.plan.tags.map(({ tag }) => tag) : []
  const more = tagsGone(one.decide({ rules: [...one.rules, { name: 'keeps', repositories: ['**'], tags: ['v*'], keepTags: ['**'], keepNewest: 2 }] }))
  for (const tag of more) if (!one.gone.has(tag)) yield `${tag} goes where more is kept`
  const later = new Set(tagsGone(one.decide({ now: NOW + 30 * DAY })))
  for (const tag of own(one)) if (one.gone.has(tag) && !later.has(tag)) yield `${tag} does not go any more a month later`
})

holds('the rules decide on the same the same way, and steps of nothing are no plan', function * (one) {
  const [first, second] = [one.decide(), one.decide()]
  if (JSON.stringify(first) !== JSON.stringify(second)) yield 'two answers'
  if (first.planned.outcome === 'denied') yield 'it is denied'
  if (first.planned.outcome === 'planned' && one.gone.size === 0 && steps(first.planned.plan).manifests.length === 0 && first.planned.plan.warnings.length === 0) yield 'a plan of nothing'
})
