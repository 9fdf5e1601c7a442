/** What a plan must not remove: what a push relies on, what cannot be decided, what is named otherwise. */
import t from 'tap'
import { plan } from '../../src/deletion/planner.js'
import { APP, WRITTEN_AT, d, d512, layer, leasing, planOf, purge, sketch, steps, tag } from './repository.js'

const byTag = (name: string) => ({ type: 'tag', repository: APP, tag: tag(name) }) as const
const byDigest = (name: string) => ({ type: 'manifest', repository: APP, digest: d(name) }) as const
const byBlob = (name: string) => ({ type: 'blob', repository: APP, digest: d(name) }) as const
const whole = { type: 'repository', repository: APP } as const

const image = { blobs: ['config', 'one'] }
const other = { blobs: ['config2', 'two'] }

t.test('a leased layer stays, and with it the repository', t => {
  const made = planOf(plan(sketch({ tags: { v1: 'image' }, manifests: { image } }), byTag('v1'), leasing(d('one'))))
  t.same(steps(made), { tags: ['v1'], manifests: ['image'], history: [], layers: ['config'], empties: false })
  t.ok(made.candidates.includes(d('one')), 'it may be unused once the lease has ended')
  t.end()
})

t.test('a manifest that was pushed by digest, and whose index is still to come, stays with what it uses', t => {
  const of = { tags: { v1: 'index' }, manifests: { index: { manifests: ['amd64', 'arm64'] }, amd64: { blobs: ['1'] }, arm64: { blobs: ['2'] } } }
  const made = planOf(plan(sketch(of), byTag('v1'), leasing(d('amd64'))))
  t.same(steps(made).manifests, ['arm64', 'index'])
  t.same(steps(made).layers, ['2'])
  t.end()
})

t.test('old links that nothing uses go along, young ones stay', t => {
  const state = sketch({ tags: { v1: 'image', v2: 'other' }, manifests: { image, other }, extraLayers: [layer('stale', WRITTEN_AT - 10), layer('young', WRITTEN_AT + 10)] })
  t.same(steps(planOf(plan(state, byTag('v1'), { ...purge, staleBefore: WRITTEN_AT }))).layers, ['config', 'one', 'stale'])
  t.same(steps(planOf(plan(state, byTag('v1'), { ...leasing(d('stale')), staleBefore: WRITTEN_AT }))).layers, ['config', 'one'])
  t.end()
})

t.test('in a repository where no manifest is left, what nobody works on any more goes sooner', t => {
  const state = sketch({ tags: { v1: 'image', v2: 'other' }, manifests: { image, other }, extraLayers: [layer('abandoned', WRITTEN_AT - 10), layer('young', WRITTEN_AT + 10)] })
  const options = { ...purge, idleBefore: WRITTEN_AT }
  t.same(steps(planOf(plan(state, byTag('v1'), options))).layers, ['config', 'one'], 'another manifest is left')
  t.same(steps(planOf(plan(state, { type: 'tags', repository: APP }, options))).layers, ['abandoned', 'config', 'config2', 'one', 'two'])
  t.same(steps(planOf(plan(state, { type: 'tags', repository: APP }, { ...leasing(d('abandoned')), idleBefore: WRITTEN_AT }))).layers, ['config', 'config2', 'one', 'two'])
  t.end()
})

t.test('a manifest that is only named, and not there, does not make the last one', t => {
  const options = { ...purge, idleBefore: WRITTEN_AT }
  const abandoned = [layer('abandoned', WRITTEN_AT - 10)]
  const left = sketch({ tags: { v1: ['lost', 'image'], v2: 'other' }, manifests: { image, other }, extraLayers: abandoned })
  t.same(steps(planOf(plan(left, byTag('v1'), options))).layers, ['config', 'one'])
  const last = sketch({ tags: { v1: ['lost', 'image'] }, manifests: { image }, extraLayers: abandoned })
  t.same(steps(planOf(plan(last, byTag('v1'), options))), { tags: ['v1'], manifests: ['image'], history: [], layers: ['abandoned', 'config', 'one'], empties: true })
  t.end()
})

t.test('layers by sha512: the alias and what it stands for go together, and stay together', t => {
  const alias = { digest: d512('x'), target: d('x'), modifiedAt: WRITTEN_AT }
  const canonical = layer('x')
  const of = { tags: { v1: 'image', v2: 'other' }, manifests: { image: { blobs: ['config', d512('x')] }, other }, extraLayers: [alias, canonical] }
  const made = planOf(plan(sketch(of), byTag('v1'), purge))
  t.same(made.layers, [d('config'), d('x'), d512('x')].sort())
  t.ok(made.candidates.includes(d('x')), 'the content is stored under its sha256')
  t.same(steps(planOf(plan(sketch(of), byTag('v2'), purge))).layers, ['config2', 'two'])
  const stale = { ...purge, staleBefore: WRITTEN_AT + 1 }
  t.same(steps(planOf(plan(sketch(of), byTag('v2'), stale))).layers, ['config2', 'two'], 'neither is unused')
  for (const lease of [d('x'), d512('x')]) {
    const left = planOf(plan(sketch(of), byTag('v1'), leasing(lease))).layers
    t.notOk(left.includes(d512('x')), 'a lease on either name keeps the alias')
  }
  t.end()
})

t.test('one image uses a layer by sha512, another by sha256', t => {
  const alias = { digest: d512('x'), target: d('x'), modifiedAt: WRITTEN_AT }
  const of = { tags: { v1: 'image', v2: 'other' }, manifests: { image: { blobs: [d512('x')] }, other: { blobs: ['x'] } }, extraLayers: [alias] }
  t.notOk(planOf(plan(sketch(of), byTag('v2'), purge)).layers.includes(d('x')), 'the sha512 name stands for it')
  t.notOk(planOf(plan(sketch(of), byTag('v1'), purge)).layers.includes(d('x')))
  t.end()
})

t.test('a manifest that stays and cannot be read keeps everything but the tag', t => {
  const state = sketch({ tags: { v1: 'image', v2: 'broken' }, manifests: { image, broken: null } })
  const made = planOf(plan(state, byTag('v1'), purge))
  t.same(steps(made), { tags: ['v1'], manifests: [], history: [], layers: [], empties: false })
  t.same(made.candidates, [])
  t.match(made.warnings, [/kept what repository team\/app may still need: blobs\/broken: it is not JSON/])
  t.end()
})

t.test('an unreadable manifest that goes itself hides nothing', t => {
  const state = sketch({ tags: { v1: 'broken', v2: 'image' }, manifests: { image, broken: null }, extraLayers: [layer('its')] })
  const made = planOf(plan(state, byTag('v1'), purge))
  t.same(steps(made), { tags: ['v1'], manifests: ['broken'], history: [], layers: ['its'], empties: false })
  t.equal(made.blind, true)
  t.same(made.warnings, [])
  t.end()
})

t.test('beside a deleted unreadable manifest, leased and used layers stay', t => {
  const state = sketch({ tags: { v1: 'broken', v2: 'image' }, manifests: { image, broken: null }, extraLayers: [layer('its'), layer('pushed')] })
  t.same(steps(planOf(plan(state, byTag('v1'), leasing(d('pushed'))))).layers, ['its'])
  t.end()
})

t.test('a digest is denied while a manifest beside it cannot be read: that may be an index that lists it', t => {
  const state = sketch({ tags: { v1: 'image', v2: 'broken' }, manifests: { image, broken: null } })
  t.match(plan(state, byDigest('image'), purge), { outcome: 'denied', by: d('broken'), tags: ['v2'], damage: { path: 'blobs/broken' } })
  t.equal(plan(state, byDigest('broken'), purge).outcome, 'planned', 'the unreadable one itself may go')
  t.end()
})

t.test('a digest that a damaged tag may point to: what is answered 202 goes', t => {
  const state = sketch({ tags: { v1: 'image', broken: { damagedAfter: ['image'] } }, manifests: { image } })
  const planned = plan(state, byDigest('image'), purge)
  if (planned.outcome === 'planned') t.same(steps(planned.plan).manifests, ['image'])
  else t.equal(planned.outcome, 'denied')
  t.end()
})

t.test('leased manifests: named by its digest it goes, with the whole repository it goes, otherwise it stays', t => {
  const state = sketch({ tags: { v1: ['image', 'other'] }, manifests: { image, other } })
  t.same(steps(planOf(plan(state, byTag('v1'), leasing(d('image'))))).manifests, ['other'])
  t.same(steps(planOf(plan(state, byDigest('image'), leasing(d('image'))))).manifests, ['image'])
  t.same(steps(planOf(plan(state, whole, leasing(d('image'))))).manifests, ['image', 'other'])
  t.end()
})

t.test('a manifest that is pulled goes, what it lists stays for the pull', t => {
  const of = { tags: { v1: ['index'] }, manifests: { index: { manifests: ['amd64'] }, amd64: { blobs: ['1'] } } }
  const pulling = { ...purge, leased: leasing(d('amd64'), d('1')).leased }
  t.same(steps(planOf(plan(sketch(of), byTag('v1'), pulling))), { tags: ['v1'], manifests: ['amd64', 'index'], history: [], layers: [], empties: false })
  t.end()
})

t.test('what a leased index lists stays as well', t => {
  const of = { tags: { v1: ['index'] }, manifests: { index: { manifests: ['amd64'] }, amd64: { blobs: ['1'] } } }
  t.same(steps(planOf(plan(sketch(of), byTag('v1'), leasing(d('index'))))), { tags: ['v1'], manifests: [], history: [], layers: [], empties: false })
  t.end()
})

t.test('a tag that stays and points nowhere known keeps everything', t => {
  for (const damaged of [null, { damagedAfter: [] }]) {
    const damage = { kind: 'tag', path: 'repositories/team/app/_manifests/tags/broken/current/link', reason: 'the link is empty' } as const
    const made = planOf(plan(sketch({ tags: { v1: 'image', broken: damaged }, manifests: { image }, damages: [damage] }), byTag('v1'), purge))
    t.same(steps(made), { tags: ['v1'], manifests: [], history: [], layers: [], empties: false })
    t.match(made.warnings, [/tags\/broken\/current\/link: the link is empty/])
  }
  t.end()
})

t.test('a damaged tag with a history keeps what is in it, and no more', t => {
  const of = { tags: { v1: 'image', broken: { damagedAfter: ['other'] } }, manifests: { image, other } }
  t.same(steps(planOf(plan(sketch(of), byTag('v1'), purge))), { tags: ['v1'], manifests: ['image'], history: [], layers: ['config', 'one'], empties: false })
  t.end()
})

t.test('something odd in the tree keeps everything but the tag', t => {
  const damage = { kind: 'tree', path: 'repositories/team/app/_manifests/tags/x', reason: 'it is a symbolic link' } as const
  const made = planOf(plan(sketch({ tags: { v1: 'image' }, manifests: { image }, damages: [damage] }), byTag('v1'), purge))
  t.same(steps(made), { tags: ['v1'], manifests: [], history: [], layers: [], empties: false })
  t.match(made.warnings, [/tags\/x: it is a symbolic link/])
  t.end()
})

t.test('a damaged link of a layer stays while its name is used, and hides nothing', t => {
  const damaged = { digest: d('one'), target: undefined, modifiedAt: 0 }
  const of = { tags: { v1: 'image', v2: 'other' }, manifests: { image, other }, extraLayers: [damaged] }
  t.same(steps(planOf(plan(sketch(of), byTag('v2'), { ...purge, staleBefore: WRITTEN_AT }))).layers, ['config2', 'two'])
  t.same(steps(planOf(plan(sketch(of), byTag('v1'), purge))).layers, ['config', 'one'])
  t.end()
})

t.test('blobs: unknown, denied while a manifest uses it, otherwise unlinked', t => {
  const state = sketch({ tags: { v1: 'index' }, manifests: { index: { manifests: ['image', 'cached'] }, image }, extraLayers: [layer('loose'), layer('cached')] })
  t.same(plan(state, byBlob('absent'), purge), { outcome: 'unknown' })
  t.same(plan(state, byBlob('one'), purge), { outcome: 'denied', by: d('image'), tags: ['v1'] })
  t.same(plan(state, byBlob('config'), purge), { outcome: 'denied', by: d('image'), tags: ['v1'] })
  t.same(plan(state, byBlob('cached'), purge), { outcome: 'denied', by: d('index'), tags: ['v1'] })
  const made = planOf(plan(state, byBlob('loose'), purge))
  t.same(steps(made), { tags: [], manifests: [], history: [], layers: ['loose'], empties: false })
  t.same(made.candidates, [d('loose')])
  t.end()
})

t.test('a blob under its other name is denied too', t => {
  const alias = { digest: d512('x'), target: d('x'), modifiedAt: WRITTEN_AT }
  const state = sketch({ tags: { v1: 'image' }, manifests: { image: { blobs: [d512('x')] } }, extraLayers: [alias, layer('x')] })
  t.equal(plan(state, byBlob('x'), purge).outcome, 'denied')
  t.equal(plan(state, { type: 'blob', repository: APP, digest: d512('x') }, purge).outcome, 'denied')
  const unused = sketch({ extraLayers: [alias, layer('x')] })
  for (const digest of [d('x'), d512('x')]) {
    const made = planOf(plan(unused, { type: 'blob', repository: APP, digest }, purge))
    t.same(made.candidates, [d('x')])
    t.same(new Set(made.layers), new Set([d('x'), d512('x')]), 'both names go')
    t.same(planOf(plan(unused, { type: 'blob', repository: APP, digest }, leasing(d('x')))).layers, [])
  }
  t.end()
})

t.test('a blob that an unreadable manifest may use is denied', t => {
  const state = sketch({ tags: { v1: 'broken' }, manifests: { broken: null }, extraLayers: [layer('loose')] })
  t.match(plan(state, byBlob('loose'), purge), { outcome: 'denied', by: d('broken'), tags: ['v1'], damage: { path: 'blobs/broken' } })
  t.end()
})

t.test('a leased blob is kept, and the plan says so', t => {
  const made = planOf(plan(sketch({ extraLayers: [layer('loose')] }), byBlob('loose'), leasing(d('loose'))))
  t.same(made.layers, [])
  t.match(made.warnings, [/kept/])
  t.end()
})

t.test('a repository with nothing but an upload, or with nothing at all', t => {
  t.equal(planOf(plan(sketch({}), whole, purge)).empties, true)
  t.equal(planOf(plan(sketch({ uploads: 1 }), whole, purge)).empties, false)
  t.end()
})
