/** What is left to do of a plan that was interrupted, or that something was pushed over; untagged and garbage. */
import t from 'tap'
import type { Plan, PlanOptions } from '../../src/deletion/plan.js'
import { plan } from '../../src/deletion/planner.js'
import { planLeftovers, planRest } from '../../src/deletion/resume.js'
import { hexOf } from '../../src/oci/digest.js'
import type { RepositoryState } from '../../src/storage/state.js'
import { APP, LATER, SINCE, WRITTEN_AT, after, d, keep, layer, leasing, nameOf, planOf, purge, sketch, steps, tag } from './repository.js'

const byTag = (name: string) => ({ type: 'tag', repository: APP, tag: tag(name) }) as const
const byBlob = (name: string) => ({ type: 'blob', repository: APP, digest: d(name) }) as const
const whole = { type: 'repository', repository: APP } as const
const untagged = { type: 'untagged', repository: APP } as const
const garbage = { type: 'garbage', repository: APP } as const

const image = { blobs: ['config', 'one'] }
const other = { blobs: ['config2', 'two'] }
const both = sketch({ tags: { v1: 'image', v2: 'other' }, manifests: { image, other } })
const nothing = { tags: [], manifests: [], history: [], layers: [], empties: false }

const rest = (state: RepositoryState, made: Plan, options: PlanOptions = purge): ReturnType<typeof steps> => steps(planRest(state, made, SINCE, options))

/** The parts of a plan that were carried out before the interruption. */
const part = (made: Plan, done: Partial<Plan>): Plan => ({ ...made, tags: [], manifests: [], history: [], layers: [], empties: false, ...done })

t.test('after the whole plan nothing is left', t => {
  const made = planOf(plan(both, byTag('v1'), purge))
  t.same(rest(after(both, made), made), nothing)
  t.end()
})

t.test('interrupted after each step, the rest is the rest', t => {
  const made = planOf(plan(both, byTag('v1'), purge))
  const remaining = (done: Partial<Plan>): ReturnType<typeof steps> => rest(after(both, part(made, done)), made)
  t.same(remaining({}), { tags: ['v1'], manifests: ['image'], history: [], layers: ['config', 'one'], empties: false })
  t.same(remaining({ tags: made.tags }), { tags: [], manifests: ['image'], history: [], layers: ['config', 'one'], empties: false })
  t.same(remaining({ tags: made.tags, manifests: made.manifests }), { tags: [], manifests: [], history: [], layers: ['config', 'one'], empties: false })
  t.same(remaining({ tags: made.tags, manifests: made.manifests, layers: made.layers.slice(1) }), { tags: [], manifests: [], history: [], layers: [nameOf(made.layers[0]!)], empties: false })
  t.end()
})

t.test('interrupted in the middle of a repository, it ends empty', t => {
  const made = planOf(plan(both, whole, purge))
  for (const done of [{ tags: made.tags }, { tags: made.tags, manifests: made.manifests.slice(1) }, { tags: made.tags, manifests: made.manifests }, { tags: made.tags, manifests: made.manifests, layers: made.layers }]) {
    const state = after(both, part(made, done))
    t.equal(rest(state, made).empties, true)
  }
  t.end()
})

t.test('a tag that points elsewhere by now stays', t => {
  const made = planOf(plan(both, byTag('v1'), purge))
  const moved = sketch({ tags: { v1: ['image', 'new'], v2: 'other' }, manifests: { image, other, new: { blobs: ['config', 'three'] } } })
  t.same(rest(moved, made), { tags: [], manifests: ['image'], history: ['v1@image'], layers: ['one'], empties: false })
  t.end()
})

t.test('a manifest that another tag reaches by now stays', t => {
  const made = planOf(plan(both, byTag('v1'), purge))
  const retagged = sketch({ tags: { v2: 'other', v3: 'image' }, manifests: { image, other } })
  t.same(rest(retagged, made), nothing)
  t.end()
})

t.test('a layer that a new manifest uses by now stays', t => {
  const made = planOf(plan(both, byTag('v1'), purge))
  const state = sketch({ tags: { v2: 'other', v3: 'new' }, manifests: { other, new: { blobs: ['one'] } }, extraLayers: [layer('config')] })
  t.same(rest(state, made).layers, ['config'])
  t.end()
})

t.test('a layer that was uploaded again and is leased stays', t => {
  const made = planOf(plan(both, byTag('v1'), purge))
  const state = sketch({ tags: { v2: 'other' }, manifests: { other }, extraLayers: [layer('config'), layer('one')] })
  t.same(rest(state, made, leasing(d('one'))).layers, ['config'])
  t.end()
})

t.test('a tag that was cut in half is finished: its link is gone, its history is not', t => {
  const made = planOf(plan(both, byTag('v1'), purge))
  const cut = sketch({ tags: { v1: { cut: ['image'] }, v2: 'other' }, manifests: { image, other } })
  t.same(rest(cut, made), { tags: ['v1'], manifests: ['image'], history: [], layers: ['config', 'one'], empties: false })
  t.end()
})

t.test('what was pushed again under the same tag stays, with the same digest', t => {
  const made = planOf(plan(both, byTag('v1'), purge))
  const again = sketch({ tags: { v1: 'image', v2: 'other' }, manifests: { image, other }, later: ['v1', 'image'] })
  t.same(rest(again, made), nothing)
  t.same(steps(planLeftovers(again, made, SINCE, purge)), nothing)
  t.end()
})

t.test('only the manifest was pushed again, by digest: an index may follow', t => {
  const made = planOf(plan(both, byTag('v1'), purge))
  const again = sketch({ tags: { v2: 'other' }, manifests: { image, other }, later: ['image'] })
  t.same(rest(again, made), nothing)
  t.end()
})

t.test('only the tag was unlinked and pushed again: its old manifest goes, unless it is the one', t => {
  const made = planOf(plan(both, byTag('v1'), purge))
  const moved = sketch({ tags: { v1: 'new', v2: 'other' }, manifests: { image, other, new: { blobs: ['3'] } }, later: ['v1', 'new'] })
  t.same(rest(moved, made).manifests, ['image'])
  t.end()
})

t.test('leftovers: never a tag or a manifest, whatever the plan said', t => {
  const made = planOf(plan(both, whole, purge))
  t.same(steps(planLeftovers(both, made, SINCE, purge)), nothing)
  t.end()
})

t.test('leftovers: a layer that was leased at the time, and the repository that it kept', t => {
  const state = sketch({ tags: { v1: 'image' }, manifests: { image } })
  const made = planOf(plan(state, byTag('v1'), leasing(d('one'))))
  const left = after(state, made)
  t.same(steps(planLeftovers(left, made, SINCE, leasing(d('one')))), nothing)
  t.same(steps(planLeftovers(left, made, SINCE, purge)), { tags: [], manifests: [], history: [], layers: ['one'], empties: true })
  const again = { ...left, layers: new Map([[d('one'), layer('one', LATER)]]) }
  t.same(steps(planLeftovers(again, made, SINCE, purge)), nothing, 'its link was written again')
  t.end()
})

t.test('leftovers: nothing of a repository that is gone', t => {
  const state = sketch({ tags: { v1: 'image' }, manifests: { image } })
  const made = planOf(plan(state, byTag('v1'), purge))
  t.same(steps(planLeftovers(after(state, made), made, SINCE, purge)), nothing)
  t.same(rest(after(state, made), made), nothing)
  t.end()
})

t.test('a tag that never had a readable link is finished', t => {
  const broken = sketch({ tags: { v1: null, v2: 'other' }, manifests: { other } })
  const made = planOf(plan(broken, byTag('v1'), purge))
  t.same(rest(broken, made).tags, ['v1'])
  t.end()
})

t.test('the rest of a blob deletion', t => {
  const state = sketch({ tags: { v1: 'image' }, manifests: { image }, extraLayers: [layer('loose'), layer('young')] })
  const made = planOf(plan(state, byBlob('loose'), purge))
  t.same(rest(state, made).layers, ['loose'])
  t.same(rest(after(state, made), made), nothing)
  t.end()
})

t.test('the rest touches nothing that the plan did not name', t => {
  const made = planOf(plan(both, byTag('v1'), purge))
  const grown = sketch({ tags: { v1: 'image', v2: 'other', v3: 'third' }, manifests: { image, other, third: { blobs: ['3'] }, loose: { blobs: ['4'] } }, extraLayers: [layer('5')] })
  t.same(rest(grown, made), { tags: ['v1'], manifests: ['image'], history: [], layers: ['config', 'one'], empties: false })
  t.end()
})

const select = (state: RepositoryState, options = purge): ReturnType<typeof steps> | string => {
  const planned = plan(state, untagged, options)
  return planned.outcome === 'planned' ? steps(planned.plan) : planned.outcome
}

t.test('untagged: what no tag reaches', t => {
  const of = {
    tags: { v1: 'index', v2: ['old', 'image'] },
    manifests: { index: { manifests: ['child'] }, child: { blobs: ['c'] }, old: { blobs: ['o'] }, image, loose: { blobs: ['l', 'one'] }, looseIndex: { manifests: ['looseChild', 'child'] }, looseChild: { blobs: ['lc'] } }
  }
  t.same(select(sketch(of)), { tags: [], manifests: ['loose', 'looseChild', 'looseIndex', 'old'], history: ['v2@old'], layers: ['l', 'lc', 'o'], empties: false })
  t.end()
})

t.test('untagged: attachments of what stays, stay; of what goes, go', t => {
  const of = { tags: { v1: 'image' }, manifests: { image, sbom: { blobs: ['s'], subject: 'image' }, sigOfSbom: { blobs: ['t'], subject: 'sbom' }, loose: { blobs: ['l'] }, looseSbom: { blobs: ['u'], subject: 'loose' } } }
  t.same((select(sketch(of)) as { manifests: string[] }).manifests, ['loose', 'looseSbom'])
  t.same((select(sketch(of), keep) as { manifests: string[] }).manifests, ['loose', 'looseSbom'])
  t.end()
})

t.test('untagged: an attachment of what stays, stays, also when an untagged index lists it', t => {
  const of = { tags: { v1: 'image' }, manifests: { image, looseIndex: { manifests: ['sbom', 'child'] }, child: { blobs: ['c'] }, sbom: { blobs: ['s'], subject: 'image' } } }
  t.same(select(sketch(of)), { tags: [], manifests: ['child', 'looseIndex'], history: [], layers: ['c'], empties: false })
  t.end()
})

t.test('untagged: the signature of an untagged image goes with its tag, at the first time', t => {
  const of = { tags: { v1: 'other', [`sha256-${hexOf(d('image'))}.sig`]: 'signature' }, manifests: { image, other, signature: { blobs: ['s'] } } }
  t.same((select(sketch(of)) as { manifests: string[] }).manifests, ['image', 'signature'])
  t.same((select(sketch(of), keep) as { manifests: string[] }).manifests, ['image'])
  t.end()
})

t.test('the rest removes no manifest that the plan had left', t => {
  const of = { tags: { v1: 'image' }, manifests: { image, looseIndex: { manifests: ['sbom', 'child'] }, child: { blobs: ['c'] }, sbom: { blobs: ['s'], subject: 'image' } } }
  const made = planOf(plan(sketch(of), untagged, purge))
  t.same(rest(sketch(of), made).manifests, steps(made).manifests)
  const index = sketch({ tags: { v1: 'index', arm: 'arm64' }, manifests: { index: { manifests: ['amd64', 'arm64'] }, amd64: { blobs: ['1'] }, arm64: { blobs: ['2'] }, new: { blobs: ['3'] } } })
  const tagged = planOf(plan(index, byTag('v1'), purge))
  const moved = { ...index, tags: new Map([...index.tags, [tag('arm'), { current: d('new'), modifiedAt: LATER, history: [d('arm64'), d('new')] }] as const]) }
  t.same(rest(moved, tagged).manifests, ['amd64', 'index'], 'what another tag let go since is not this deletion\'s business')
  t.end()
})

t.test('untagged: what a push relies on stays, with its children', t => {
  const of = { tags: { v1: 'image' }, manifests: { image, pushed: { manifests: ['child'] }, child: { blobs: ['c'] } } }
  t.equal(select(sketch(of), leasing(d('pushed'))), 'unknown')
  t.end()
})

t.test('untagged: an unreadable manifest stays, and keeps the rest', t => {
  const of = { tags: { v1: 'image' }, manifests: { image, broken: null, loose: { blobs: ['l'] } } }
  t.equal(select(sketch(of)), 'unknown')
  t.end()
})

t.test('untagged: a repository without any tag goes whole', t => {
  t.equal((select(sketch({ manifests: { image, other } })) as { empties: boolean }).empties, true)
  t.end()
})

t.test('garbage: links that nothing uses and that are old enough, and empty repositories', t => {
  const options = { ...purge, idleBefore: WRITTEN_AT, staleBefore: WRITTEN_AT }
  const state = sketch({ tags: { v1: 'image' }, manifests: { image, loose: other }, extraLayers: [layer('old', WRITTEN_AT - 1), layer('young', WRITTEN_AT + 1)] })
  t.same(steps(planOf(plan(state, garbage, options))), { tags: [], manifests: [], history: [], layers: ['old'], empties: false })
  t.same(plan(sketch({ tags: { v1: 'image' }, manifests: { image } }), garbage, options), { outcome: 'unknown' })
  t.equal(planOf(plan(sketch({}), garbage, options)).empties, true)
  t.equal(planOf(plan(sketch({ extraLayers: [layer('old', 0)] }), garbage, options)).empties, true)
  t.equal(plan(sketch({ uploads: 1 }), garbage, options).outcome, 'unknown')
  t.equal(planOf(plan(sketch({ uploads: 1 }), garbage, { ...options, uploading: () => false })).empties, true)
  t.equal(plan(sketch({ extraLayers: [layer('old', 0)] }), garbage, { ...leasing(d('old')), idleBefore: WRITTEN_AT, staleBefore: WRITTEN_AT }).outcome, 'unknown')
  t.end()
})
