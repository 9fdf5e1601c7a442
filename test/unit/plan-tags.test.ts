/** What goes with a tag or a digest, and what stays: shared digests, history, indexes. */
import t from 'tap'
import { plan } from '../../src/deletion/planner.js'
import { APP, d, keep, keptOf, leasing, nameOf, planOf, purge, sketch, steps, tag } from './repository.js'

const byTag = (name: string) => ({ type: 'tag', repository: APP, tag: tag(name) }) as const
const byDigest = (name: string) => ({ type: 'manifest', repository: APP, digest: d(name) }) as const
const allTags = { type: 'tags', repository: APP } as const
const whole = { type: 'repository', repository: APP } as const

const image = { blobs: ['config', 'one'] }

t.test('one image, one tag: everything goes, and the repository with it', t => {
  const made = planOf(plan(sketch({ tags: { v1: 'image' }, manifests: { image } }), byTag('v1'), purge))
  t.same(steps(made), { tags: ['v1'], manifests: ['image'], history: [], layers: ['config', 'one'], empties: true })
  t.same(made.tags, [{ tag: 'v1', digest: d('image') }])
  t.same(made.candidates.map(nameOf).sort(), ['config', 'image', 'one'])
  t.same(made.warnings, [])
  t.end()
})

t.test('what does not exist is unknown', t => {
  const state = sketch({ tags: { v1: 'image' }, manifests: { image } })
  t.same(plan(state, byTag('v2'), purge), { outcome: 'unknown' })
  t.same(plan(state, byDigest('other'), purge), { outcome: 'unknown' })
  t.same(plan(sketch({ manifests: { image } }), allTags, purge), { outcome: 'unknown' })
  t.same(plan(sketch({ bare: true }), whole, purge), { outcome: 'unknown' })
  t.end()
})

t.test('the digest of a layer or a config is no manifest', t => {
  const state = sketch({ tags: { v1: 'image' }, manifests: { image } })
  t.same(plan(state, byDigest('one'), purge), { outcome: 'unknown' })
  t.same(plan(state, byDigest('config'), purge), { outcome: 'unknown' })
  t.end()
})

t.test('two tags on one digest: the first deletion only unties', t => {
  const state = sketch({ tags: { v1: 'image', v2: 'image' }, manifests: { image } })
  const made = planOf(plan(state, byTag('v1'), purge))
  t.same(steps(made), { tags: ['v1'], manifests: [], history: [], layers: [], empties: false })
  t.same(keptOf(made), { image: ['v2'] })
  t.same(made.candidates, [])
  t.end()
})

t.test('by digest every tag of it goes, and no other', t => {
  const state = sketch({ tags: { v1: 'image', v2: 'image', v3: 'other' }, manifests: { image, other: { blobs: ['config', 'two'] } } })
  const made = planOf(plan(state, byDigest('image'), purge))
  t.same(steps(made), { tags: ['v1', 'v2'], manifests: ['image'], history: [], layers: ['one'], empties: false })
  t.end()
})

t.test('layers that another image of the repository uses stay', t => {
  const state = sketch({ tags: { v1: 'image', v2: 'other' }, manifests: { image, other: { blobs: ['config2', 'one', 'two'] } } })
  t.same(steps(planOf(plan(state, byTag('v1'), purge))).layers, ['config'])
  t.same(steps(planOf(plan(state, byTag('v2'), purge))).layers, ['config2', 'two'])
  t.end()
})

t.test('an image that nothing tags keeps its layers from a deletion of another', t => {
  const state = sketch({ tags: { v1: 'image' }, manifests: { image, untagged: { blobs: ['one'] } } })
  t.same(steps(planOf(plan(state, byTag('v1'), purge))), { tags: ['v1'], manifests: ['image'], history: [], layers: ['config'], empties: false })
  t.end()
})

t.test('history: what the tag ever pointed to goes, unless something else holds it', t => {
  const state = sketch({
    tags: { v1: ['first', 'second', 'third'], stable: 'second', moved: ['first', 'third', 'last'] },
    manifests: { first: { blobs: ['a', 'base'] }, second: { blobs: ['b', 'base'] }, third: { blobs: ['c', 'base'] }, last: { blobs: ['d', 'base'] } }
  })
  const made = planOf(plan(state, byTag('v1'), purge))
  t.same(steps(made), { tags: ['v1'], manifests: ['first', 'third'], history: ['moved@first', 'moved@third'], layers: ['a', 'c'], empties: false })
  t.same(keptOf(made), { second: ['stable'] })
  t.end()
})

t.test('history entries of revisions that are long gone do no harm', t => {
  const state = sketch({ tags: { v1: ['lost', 'image'] }, manifests: { image } })
  const made = planOf(plan(state, byTag('v1'), purge))
  t.same(steps(made), { tags: ['v1'], manifests: ['image'], history: [], layers: ['config', 'one'], empties: true })
  t.end()
})

t.test('a digest deletion takes the history of the tags that go with it, and no entry of a tag that stays on its own digest', t => {
  const state = sketch({ tags: { v1: ['old', 'image'], v2: ['image', 'new'] }, manifests: { old: { blobs: ['a'] }, image, new: { blobs: ['b'] } } })
  t.same(steps(planOf(plan(state, byDigest('image'), purge))), { tags: ['v1'], manifests: ['image', 'old'], history: ['v2@image'], layers: ['a', 'config', 'one'], empties: false })
  t.end()
})

const multi = {
  index: { manifests: ['amd64', 'arm64', 'attestation'] },
  amd64: { blobs: ['c1', 'l1', 'base'] },
  arm64: { blobs: ['c2', 'l2', 'base'] },
  attestation: { blobs: ['c3', 'l3'] }
}

t.test('an index takes its children along', t => {
  const made = planOf(plan(sketch({ tags: { v1: 'index' }, manifests: multi }), byTag('v1'), purge))
  t.same(steps(made).manifests, ['amd64', 'arm64', 'attestation', 'index'])
  t.equal(made.empties, true)
  t.end()
})

t.test('a child with a tag of its own stays, with its layers', t => {
  const made = planOf(plan(sketch({ tags: { v1: 'index', arm: 'arm64' }, manifests: multi }), byTag('v1'), purge))
  t.same(steps(made), { tags: ['v1'], manifests: ['amd64', 'attestation', 'index'], history: [], layers: ['c1', 'c3', 'l1', 'l3'], empties: false })
  t.same(keptOf(made), { arm64: ['arm'] })
  t.end()
})

t.test('a child of a second index stays, whether or not that index is tagged', t => {
  const manifests = { ...multi, second: { manifests: ['arm64', 's390x'] }, s390x: { blobs: ['c4'] } }
  for (const tags of [{ v1: 'index', v2: 'second' }, { v1: 'index' }] as ReadonlyArray<Record<string, string>>) {
    const made = planOf(plan(sketch({ tags, manifests }), byTag('v1'), purge))
    t.same(steps(made).manifests, ['amd64', 'attestation', 'index'])
    t.same(keptOf(made), { arm64: 'v2' in tags ? ['v2'] : [] })
  }
  t.end()
})

t.test('two indexes that were both in the history of the tag go together', t => {
  const state = sketch({ tags: { v1: ['first', 'second'] }, manifests: { first: { manifests: ['a', 'b'] }, second: { manifests: ['b', 'c'] }, a: { blobs: ['1'] }, b: { blobs: ['2'] }, c: { blobs: ['3'] } } })
  const made = planOf(plan(state, byTag('v1'), purge))
  t.same(steps(made).manifests, ['a', 'b', 'c', 'first', 'second'])
  t.equal(made.empties, true)
  t.end()
})

t.test('indexes in indexes', t => {
  const manifests = { outer: { manifests: ['middle'] }, middle: { manifests: ['inner', 'x'] }, inner: { manifests: ['y'] }, x: { blobs: ['1'] }, y: { blobs: ['2'] } }
  t.same(steps(planOf(plan(sketch({ tags: { v1: 'outer' }, manifests }), byTag('v1'), purge))).manifests, ['inner', 'middle', 'outer', 'x', 'y'])
  const held = planOf(plan(sketch({ tags: { v1: 'outer', v2: 'inner' }, manifests }), byTag('v1'), purge))
  t.same(steps(held).manifests, ['middle', 'outer', 'x'])
  t.same(keptOf(held), { inner: ['v2'], y: ['v2'] })
  t.end()
})

t.test('indexes that list each other, and themselves', t => {
  const manifests = { a: { manifests: ['b', 'a'] }, b: { manifests: ['a', 'leaf'] }, leaf: { blobs: ['1'] } }
  const made = planOf(plan(sketch({ tags: { v1: 'a' }, manifests }), byTag('v1'), purge))
  t.same(steps(made).manifests, ['a', 'b', 'leaf'])
  t.equal(made.empties, true)
  t.same(steps(planOf(plan(sketch({ tags: { v1: 'a', v2: 'b' }, manifests }), byTag('v1'), purge))).manifests, [], 'the other tag reaches all of it')
  t.end()
})

t.test('an index whose child is not in this repository', t => {
  const made = planOf(plan(sketch({ tags: { v1: 'index' }, manifests: { index: { manifests: ['amd64', 'missing'] }, amd64: { blobs: ['1'] } } }), byTag('v1'), purge))
  t.same(steps(made).manifests, ['amd64', 'index'])
  t.ok(made.candidates.includes(d('missing')), 'its blob may be unused now')
  t.end()
})

t.test('a child of a live index is denied, with the index and its tags', t => {
  const state = sketch({ tags: { v1: 'index', v2: 'outer', other: 'image' }, manifests: { ...multi, outer: { manifests: ['index'] }, image } })
  t.same(plan(state, byDigest('arm64'), purge), { outcome: 'denied', by: d('index'), tags: ['v1', 'v2'] })
  t.same(plan(state, byDigest('index'), purge), { outcome: 'denied', by: d('outer'), tags: ['v2'] })
  t.equal(plan(state, byDigest('outer'), purge).outcome, 'planned')
  t.equal(plan(state, byTag('v1'), purge).outcome, 'planned', 'a tag may always go')
  t.end()
})

t.test('an index that lists itself can still be deleted by digest', t => {
  t.equal(plan(sketch({ manifests: { a: { manifests: ['a'] } } }), byDigest('a'), purge).outcome, 'planned')
  t.end()
})

t.test('a build cache: the index lists layers, which have links', t => {
  const state = sketch({
    tags: { cache: 'cache', v1: 'image' },
    manifests: { cache: { manifests: ['one', 'cached', 'cacheconfig'] }, image },
    extraLayers: [{ digest: d('cached'), target: d('cached'), modifiedAt: 1_000_000 }, { digest: d('cacheconfig'), target: d('cacheconfig'), modifiedAt: 1_000_000 }]
  })
  t.same(steps(planOf(plan(state, byTag('v1'), purge))), { tags: ['v1'], manifests: ['image'], history: [], layers: ['config'], empties: false })
  t.same(steps(planOf(plan(state, byTag('cache'), purge))).layers, ['cacheconfig', 'cached'])
  t.end()
})

t.test('all tags: what no tag ever reached stays', t => {
  const state = sketch({ tags: { v1: ['old', 'image'], v2: 'index' }, manifests: { old: { blobs: ['a'] }, image, ...multi, loose: { blobs: ['loose', 'one'] } } })
  const made = planOf(plan(state, allTags, purge))
  t.same(made.tags.map(({ tag }) => tag), ['v1', 'v2'])
  t.same(steps(made).manifests, ['amd64', 'arm64', 'attestation', 'image', 'index', 'old'])
  t.notOk(steps(made).layers.includes('one'))
  t.notOk(steps(made).layers.includes('loose'))
  t.equal(made.empties, false)
  t.end()
})

t.test('a repository goes whole: untagged manifests, unused links, damaged parts', t => {
  const state = sketch({ tags: { v1: 'image', broken: null }, manifests: { image, loose: { blobs: ['loose'] }, unreadable: null }, extraLayers: [{ digest: d('unused'), target: undefined, modifiedAt: 0 }] })
  const made = planOf(plan(state, whole, purge))
  t.same(steps(made), { tags: ['broken', 'v1'], manifests: ['image', 'loose', 'unreadable'], history: [], layers: ['config', 'loose', 'one', 'unused'], empties: true })
  t.equal(made.blind, true)
  t.end()
})

t.test('a repository is not emptied while an upload runs or a layer is leased', t => {
  const of = { tags: { v1: 'image' }, manifests: { image } }
  t.equal(planOf(plan(sketch({ ...of, uploads: 1 }), whole, purge)).empties, false)
  t.equal(planOf(plan(sketch({ ...of, uploads: 1 }), whole, { ...purge, uploading: () => false })).empties, true, 'an abandoned upload goes with it')
  const made = planOf(plan(sketch(of), whole, leasing(d('one'))))
  t.same(steps(made), { tags: ['v1'], manifests: ['image'], history: [], layers: ['config'], empties: false })
  t.end()
})

t.test('a tag whose manifest is not there can be deleted', t => {
  const made = planOf(plan(sketch({ tags: { gone: 'nothing', v1: 'image' }, manifests: { image } }), byTag('gone'), purge))
  t.same(steps(made), { tags: ['gone'], manifests: [], history: [], layers: [], empties: false })
  t.equal(plan(sketch({ tags: { gone: 'nothing' } }), byDigest('nothing'), purge).outcome, 'planned', 'by the digest that it points to, as well')
  t.end()
})

t.test('a tag with a damaged link: whatever it pointed to goes with it, and until then stays', t => {
  const of = { tags: { broken: { damagedAfter: ['old', 'image'] }, v1: 'other' }, manifests: { old: { blobs: ['a'] }, image, other: { blobs: ['b'] } } }
  t.same(steps(planOf(plan(sketch(of), byTag('broken'), purge))), { tags: ['broken'], manifests: ['image', 'old'], history: [], layers: ['a', 'config', 'one'], empties: false })
  t.same(steps(planOf(plan(sketch({ ...of, tags: { ...of.tags, v2: 'image' } }), byTag('v2'), purge))).manifests, [], 'the damaged tag may point to it')
  t.end()
})

t.test('keep and purge plan alike where nothing is attached', t => {
  const state = sketch({ tags: { v1: 'index', arm: 'arm64' }, manifests: multi })
  t.same(plan(state, byTag('v1'), keep), plan(state, byTag('v1'), purge))
  t.end()
})

t.test('a plan can be written down and read again', t => {
  const made = planOf(plan(sketch({ tags: { v1: ['old', 'image'], broken: null }, manifests: { old: { blobs: ['a'] }, image } }), allTags, purge))
  t.same(JSON.parse(JSON.stringify(made)), made)
  t.end()
})
