/** What holds for every plan, on repositories made at random. A failure names the seed that shows it. */
import t from 'tap'
import type { Plan, PlanOptions } from '../../src/deletion/plan.js'
import { plan } from '../../src/deletion/planner.js'
import { planLeftovers, planRest } from '../../src/deletion/resume.js'
import type { Digest } from '../../src/oci/digest.js'
import type { RepositoryState } from '../../src/storage/state.js'
import { Chance } from '../support/random.js'
import { SINCE, after, nameOf, steps } from './repository.js'
import { randomCase, type RandomCase } from './random-repository.js'

const CASES = 6000
const NOTHING = { tags: [], manifests: [], history: [], layers: [], empties: false }

interface Planned extends RandomCase { readonly seed: number, readonly made: Plan, readonly left: RepositoryState }

const cases: Planned[] = []
const outcomes = { planned: 0, unknown: 0, denied: 0 }
for (let seed = 1; seed <= CASES; seed++) {
  const one = randomCase(seed)
  const planned = plan(one.state, one.target, one.options)
  outcomes[planned.outcome]++
  if (planned.outcome === 'planned') cases.push({ ...one, seed, made: planned.plan, left: after(one.state, planned.plan) })
}

/** Everything that these manifests list, at any depth, as far as it is linked: written anew, so as not to repeat a mistake. */
function reach (state: RepositoryState, from: Iterable<Digest>, reached = new Set<Digest>()): Set<Digest> {
  for (const digest of from) {
    const revision = state.revisions.get(digest)
    if (reached.has(digest) || revision === undefined) continue
    reached.add(digest)
    if (revision.readable) reach(state, revision.references.manifests, reached)
  }
  return reached
}

const tagRoots = (state: RepositoryState): Digest[] => [...state.tags.values()].flatMap(({ current, history }) => current === undefined ? history : [current])
const explicit = ({ target }: Planned): Digest | undefined => target.type === 'manifest' ? target.digest : undefined

/** Checks one property on every plan; the first ten failures are shown. */
function holds (what: string, violations: (one: Planned) => Iterable<string>): void {
  t.test(what, t => {
    let failed = 0
    for (const one of cases) {
      for (const violation of violations(one)) {
        if (++failed <= 10) t.fail(`seed ${one.seed}: ${violation}`, { target: one.target, plan: steps(one.made) })
      }
    }
    t.equal(failed, 0, `${cases.length} plans`)
    t.end()
  })
}

t.test('the cases are worth something', t => {
  for (const [outcome, count] of Object.entries(outcomes)) t.ok(count > CASES / 100, `${count} are ${outcome}`)
  for (const [what, counts] of [
    ['remove manifests', ({ made }: Planned) => made.manifests.length > 0],
    ['remove several manifests', ({ made }: Planned) => made.manifests.length > 3],
    ['remove layers', ({ made }: Planned) => made.layers.length > 0],
    ['leave layers', ({ left }: Planned) => left.layers.size > 0],
    ['leave indexes', ({ left }: Planned) => [...left.revisions.values()].some(revision => revision.readable && revision.references.manifests.some(child => left.revisions.has(child)))],
    ['keep something', ({ made }: Planned) => made.kept.length > 0],
    ['empty the repository', ({ made }: Planned) => made.empties],
    ['warn', ({ made }: Planned) => made.warnings.length > 0],
    ['take attached tags along', ({ made, target }: Planned) => target.type === 'tag' && made.tags.length > 1],
    ['meet leases', ({ state, leased }: Planned) => [...state.layers.keys(), ...state.revisions.keys()].some(digest => leased.has(digest))]
  ] as const) {
    const count = cases.filter(counts).length
    t.ok(count > CASES / 100, `${count} ${what}`)
  }
  t.end()
})

holds('a tag that stays still finds its manifest', function * ({ state, left }) {
  for (const digest of reach(state, tagRoots(left))) if (!left.revisions.has(digest)) yield `a tag reaches ${nameOf(digest)}`
})

holds('an index that stays still finds what it lists', function * ({ state, left }) {
  for (const digest of reach(state, left.revisions.keys())) if (!left.revisions.has(digest)) yield `an index lists ${nameOf(digest)}`
})

holds('a manifest that stays still finds its layers, by whatever name', function * ({ state, left }) {
  for (const [digest, revision] of left.revisions) {
    if (!revision.readable) continue
    for (const used of [...revision.references.blobs, ...revision.references.manifests]) {
      const target = state.layers.get(used)?.target
      for (const name of target === undefined ? [used] : [used, target]) if (state.layers.has(name) && !left.layers.has(name)) yield `${nameOf(digest)} uses ${nameOf(name)}`
    }
  }
})

holds('what a push relies on stays', function * (one) {
  for (const digest of one.made.layers) if (one.leased.has(digest)) yield `layer ${nameOf(digest)} was leased`
  if (one.target.type === 'repository') return
  for (const digest of one.made.manifests) if (one.leased.has(digest) && digest !== explicit(one)) yield `manifest ${nameOf(digest)} was leased`
})

holds('what stays and cannot be read keeps every layer', function * ({ made, left, target }) {
  if (target.type === 'repository' || ![...left.revisions.values()].some(revision => !revision.readable)) return
  if (made.layers.length > 0) yield 'layers go'
  if (made.manifests.length > 0) yield 'manifests go'
})

holds('only what exists is removed, and nothing twice', function * ({ state, made }) {
  for (const digest of made.manifests) if (!state.revisions.has(digest)) yield `manifest ${nameOf(digest)}`
  for (const digest of made.layers) if (!state.layers.has(digest)) yield `layer ${nameOf(digest)}`
  for (const { tag } of made.tags) if (!state.tags.has(tag)) yield `tag ${tag}`
  for (const { tag, digest } of made.history) if (state.tags.get(tag)?.history.includes(digest) !== true || made.tags.some(gone => gone.tag === tag)) yield `history ${tag} ${nameOf(digest)}`
  for (const list of [made.tags.map(({ tag }) => tag), made.manifests, made.layers, made.candidates, made.history.map(({ tag, digest }) => tag + digest)]) if (new Set<string>(list).size !== list.length) yield 'something is named twice'
})

holds('no entry in a history points to a manifest that went', function * ({ made, left }) {
  for (const [tag, { history }] of left.tags) for (const digest of history) if (made.manifests.includes(digest)) yield `${tag} ${nameOf(digest)}`
})

holds('every blob that may be unused is a candidate', function * ({ state, made }) {
  const candidates = new Set(made.candidates)
  for (const digest of made.layers) {
    const stored = state.layers.get(digest)!.target ?? digest
    if (!candidates.has(stored)) yield `layer ${nameOf(digest)}`
  }
  for (const digest of made.manifests) if (!candidates.has(digest)) yield `manifest ${nameOf(digest)}`
})

holds('what goes and what is kept are different things', function * ({ made }) {
  for (const { digest, tags } of made.kept) {
    if (made.manifests.includes(digest)) yield nameOf(digest)
    for (const tag of tags) if (made.tags.some(gone => gone.tag === tag)) yield `${nameOf(digest)} is kept by ${tag}, which goes`
  }
})

holds('a repository is emptied exactly when nothing is left in it', function * ({ state, made, left, target }) {
  if (target.type === 'blob') return
  const empty = left.tags.size === 0 && left.revisions.size === 0 && left.layers.size === 0 && state.uploads.length === 0
  if (made.empties !== empty) yield `empties is ${made.empties}`
})

holds('a tag deletion removes nothing that its tag, or what was attached, did not reach', function * ({ state, made, target, options }) {
  if (target.type !== 'tag') return
  const { history } = state.tags.get(target.tag)!
  const named = new Set([...history, ...reach(state, history)])
  for (let before = -1; options.referrers === 'purge' && before < named.size;) {
    before = named.size
    const attachments = [...state.revisions].filter(([, revision]) => revision.readable && revision.references.subject !== undefined && named.has(revision.references.subject)).map(([digest]) => digest)
    const tagged = [...state.tags].filter(([tag]) => [...named].some(digest => tag.startsWith(digest.replace(':', '-')))).flatMap(([, { history }]) => history)
    for (const digest of tagged) if (!state.revisions.has(digest)) named.add(digest)
    reach(state, [...attachments, ...tagged], named)
  }
  for (const digest of made.manifests) if (!named.has(digest)) yield nameOf(digest)
  if (options.referrers === 'keep' && made.tags.length !== 1) yield 'other tags go'
})

holds('a tag deletion leaves nothing behind that only its tag reached', function * ({ state, made, left, target, leased }) {
  if (target.type !== 'tag' || made.warnings.length > 0) return
  const named = reach(state, state.tags.get(target.tag)!.history)
  const reached = reach(state, [...tagRoots(left), ...[...left.revisions.keys()].filter(digest => !named.has(digest) || leased.has(digest))])
  for (const digest of named) if (left.revisions.has(digest) && !reached.has(digest)) yield nameOf(digest)
})

/** A blob is deleted by one of its names; the collection unlinks the other. */
const hasTwoNames = (left: RepositoryState, made: Plan): boolean => [...left.layers.values()].some(({ target }) => target !== undefined && made.candidates.includes(target))

holds('once it has been carried out, nothing is left to do', function * ({ made, left, target, options: given }) {
  // Old links that nothing uses go along with any deletion but that of a blob, which names one link only.
  const options = target.type === 'blob' ? { ...given, idleBefore: 0, staleBefore: 0 } : given
  if (target.type === 'blob' && hasTwoNames(left, made)) return
  for (const [what, rest] of [['rest', planRest(left, made, SINCE, options)], ['leftovers', planLeftovers(left, made, SINCE, options)]] as const) {
    if (JSON.stringify(steps(rest)) !== JSON.stringify(NOTHING)) yield `${what}: ${JSON.stringify(steps(rest))}`
  }
})

holds('the same deletion once more removes nothing', function * ({ left, target, options }) {
  const again = plan(left, target, options)
  if (again.outcome !== 'planned') return
  // A tag that may point to it keeps it: its link is damaged.
  if (target.type === 'manifest' && [...left.tags.values()].some(({ current, history }) => current === undefined && history.includes(target.digest))) return
  const { tags, manifests, layers } = steps(again.plan)
  if (target.type === 'tag' || target.type === 'manifest' || target.type === 'tags') yield `it is ${again.outcome}`
  if (tags.length + manifests.length + layers.length > 0) yield JSON.stringify(steps(again.plan))
})

holds('interrupted anywhere and taken up again, it ends as if it had never been interrupted', function * ({ seed, state, made, left, target, leased, options: given }) {
  // What the caller named goes although a push relies on it; who takes it up again is more careful.
  if ([...state.revisions.keys()].some(digest => leased.has(digest))) return
  const options = target.type === 'blob' ? { ...given, idleBefore: 0, staleBefore: 0 } : given
  if (target.type === 'blob' && hasTwoNames(left, made)) return
  const done = interrupted(made, new Chance(seed))
  const half = after(state, done)
  const ended = after(half, planRest(half, made, SINCE, options))
  const show = (of: RepositoryState): string => JSON.stringify([[...of.tags.keys()].sort(), [...of.revisions.keys()].sort(), [...of.layers.keys()].sort(), of.exists])
  if (show(ended) !== show(left)) yield `after ${JSON.stringify(steps(done))}`
})

/** The part of a plan that was carried out: its steps are taken in order. */
function interrupted (made: Plan, chance: Chance): Plan {
  const total = made.tags.length + made.manifests.length + made.history.length + made.layers.length
  let budget = chance.upTo(total + 1)
  const take = <T>(list: readonly T[]): T[] => {
    const taken = list.slice(0, budget)
    budget -= taken.length
    return taken
  }
  return { ...made, tags: take(made.tags), manifests: take(made.manifests), history: take(made.history), layers: take(made.layers), empties: false }
}

holds('a plan does not depend on the order in which the repository was read', function * ({ state, made, target, options }) {
  const reversed = <K, V>(map: ReadonlyMap<K, V>): Map<K, V> => new Map([...map].reverse())
  const other = plan({ ...state, tags: reversed(state.tags), revisions: reversed(state.revisions), layers: reversed(state.layers) }, target, options as PlanOptions)
  if (other.outcome !== 'planned' || JSON.stringify(steps(other.plan)) !== JSON.stringify(steps(made))) yield other.outcome === 'planned' ? JSON.stringify(steps(other.plan)) : other.outcome
})
