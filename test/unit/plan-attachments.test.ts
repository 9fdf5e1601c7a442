/** Signatures, SBOMs, attestations: what hangs on a manifest that goes, goes; unless the setting keeps it. */
import t from 'tap'
import { plan } from '../../src/deletion/planner.js'
import { hexOf } from '../../src/oci/digest.js'
import { APP, d, d512, keep, leasing, planOf, purge, sketch, steps, tag } from './repository.js'

const byTag = (name: string) => ({ type: 'tag', repository: APP, tag: tag(name) }) as const
const byDigest = (name: string) => ({ type: 'manifest', repository: APP, digest: d(name) }) as const
const whole = { type: 'repository', repository: APP } as const
const attached = (name: string, suffix = ''): string => `sha256-${hexOf(d(name))}${suffix}`

const image = { blobs: ['config', 'one'] }
const other = { blobs: ['config2', 'two'] }

const signed = {
  tags: { v1: 'image', v2: 'other', [attached('image', '.sig')]: 'signature', [attached('image', '.att')]: 'attestation', [attached('image', '.sbom')]: 'sbom', [attached('other', '.sig')]: 'othersig' },
  manifests: { image, other, signature: { blobs: ['s'] }, attestation: { blobs: ['a'] }, sbom: { blobs: ['b'] }, othersig: { blobs: ['o'] } }
}

t.test('the tags of cosign go with their image, those of another image stay', t => {
  const made = planOf(plan(sketch(signed), byTag('v1'), purge))
  t.same(new Set(steps(made).tags), new Set(['v1', attached('image', '.att'), attached('image', '.sbom'), attached('image', '.sig')]))
  t.same(steps(made).manifests, ['attestation', 'image', 'sbom', 'signature'])
  t.same(steps(made).layers, ['a', 'b', 'config', 'one', 's'])
  t.end()
})

t.test('with keep they stay', t => {
  const made = planOf(plan(sketch(signed), byTag('v1'), keep))
  t.same(steps(made), { tags: ['v1'], manifests: ['image'], history: [], layers: ['config', 'one'], empties: false })
  t.end()
})

t.test('the signature of an image that another tag keeps stays', t => {
  const made = planOf(plan(sketch({ ...signed, tags: { ...signed.tags, again: 'image' } }), byTag('v1'), purge))
  t.same(steps(made), { tags: ['v1'], manifests: [], history: [], layers: [], empties: false })
  t.end()
})

t.test('a signature that has a tag of its own stays, its derived tag goes', t => {
  const made = planOf(plan(sketch({ ...signed, tags: { ...signed.tags, mine: 'signature' } }), byTag('v1'), purge))
  t.ok(steps(made).tags.includes(attached('image', '.sig')))
  t.notOk(steps(made).manifests.includes('signature'))
  t.notOk(steps(made).layers.includes('s'))
  t.end()
})

const referred = {
  tags: { v1: 'image', v2: 'other' },
  manifests: { image, other, sbom: { blobs: ['b'], subject: 'image' }, signedSbom: { blobs: ['s'], subject: 'sbom' }, deeper: { blobs: ['d'], subject: 'signedSbom' }, othersbom: { blobs: ['o'], subject: 'other' } }
}

t.test('a chain of subjects goes whole, that of another image stays', t => {
  const made = planOf(plan(sketch(referred), byTag('v1'), purge))
  t.same(steps(made), { tags: ['v1'], manifests: ['deeper', 'image', 'sbom', 'signedSbom'], history: [], layers: ['b', 'config', 'd', 'one', 's'], empties: false })
  t.end()
})

t.test('a chain stops at a link that something else holds', t => {
  const made = planOf(plan(sketch({ ...referred, tags: { ...referred.tags, held: 'signedSbom' } }), byTag('v1'), purge))
  t.same(steps(made).manifests, ['image', 'sbom'])
  t.end()
})

t.test('with keep a subject chain stays', t => {
  t.same(steps(planOf(plan(sketch(referred), byTag('v1'), keep))).manifests, ['image'])
  t.end()
})

t.test('the fallback tag goes with its subject, and the index under it with what it lists', t => {
  const of = {
    tags: { v1: 'image', [attached('image')]: 'fallback' },
    manifests: { image, fallback: { manifests: ['sbom', 'signature'] }, sbom: { blobs: ['b'], subject: 'image' }, signature: { blobs: ['s'], subject: 'image' } }
  }
  const made = planOf(plan(sketch(of), byTag('v1'), purge))
  t.same(steps(made).tags, [attached('image'), 'v1'])
  t.same(steps(made).manifests, ['fallback', 'image', 'sbom', 'signature'])
  t.equal(made.empties, true)
  t.same(steps(planOf(plan(sketch(of), byTag('v1'), keep))).manifests, ['image'])
  t.end()
})

t.test('what hangs on a child of a deleted index goes too; on a child that stays, it stays', t => {
  const of = {
    tags: { v1: 'index', arm: 'arm64', [attached('amd64', '.sig')]: 'sig1', [attached('arm64', '.sig')]: 'sig2', [attached('index', '.sig')]: 'sig3' },
    manifests: { index: { manifests: ['amd64', 'arm64'] }, amd64: { blobs: ['1'] }, arm64: { blobs: ['2'] }, sig1: { blobs: ['s1'] }, sig2: { blobs: ['s2'] }, sig3: { blobs: ['s3'] } }
  }
  t.same(steps(planOf(plan(sketch(of), byTag('v1'), purge))).manifests, ['amd64', 'index', 'sig1', 'sig3'])
  t.end()
})

t.test('an attachment that is an index with children, attached to by others', t => {
  const of = {
    tags: { v1: 'image', [attached('bundle', '.sig')]: 'bundlesig' },
    manifests: { image, bundle: { manifests: ['part'], subject: 'image' }, part: { blobs: ['p'] }, onpart: { blobs: ['q'], subject: 'part' }, bundlesig: { blobs: ['s'] } }
  }
  const made = planOf(plan(sketch(of), byTag('v1'), purge))
  t.same(steps(made).manifests, ['bundle', 'bundlesig', 'image', 'onpart', 'part'])
  t.equal(made.empties, true)
  t.end()
})

t.test('manifests that are each other\'s subject end', t => {
  const of = { tags: { v1: 'a' }, manifests: { a: { blobs: ['1'], subject: 'b' }, b: { blobs: ['2'], subject: 'a' } } }
  t.same(steps(planOf(plan(sketch(of), byTag('v1'), purge))).manifests, ['a', 'b'])
  t.end()
})

t.test('the signature of the signature', t => {
  const of = { tags: { v1: 'image', [attached('image', '.sig')]: 'sig', [attached('sig', '.sig')]: 'sigsig' }, manifests: { image, sig: { blobs: ['s'] }, sigsig: { blobs: ['t'] } } }
  t.equal(planOf(plan(sketch(of), byTag('v1'), purge)).empties, true)
  t.end()
})

t.test('an attachment whose subject was never here is not touched', t => {
  const of = { tags: { v1: 'image' }, manifests: { image, lonely: { blobs: ['l'], subject: 'elsewhere' } } }
  t.same(steps(planOf(plan(sketch(of), byTag('v1'), purge))).manifests, ['image'])
  t.end()
})

t.test('deleting an attachment leaves its subject', t => {
  t.same(steps(planOf(plan(sketch(referred), byDigest('sbom'), purge))).manifests, ['deeper', 'sbom', 'signedSbom'])
  t.end()
})

t.test('a whole repository goes with its attachments even with keep', t => {
  t.equal(planOf(plan(sketch(referred), whole, keep)).empties, true)
  t.end()
})

t.test('layers of an attachment that a push relies on stay', t => {
  t.notOk(steps(planOf(plan(sketch(referred), byTag('v1'), leasing(d('b'))))).layers.includes('b'))
  t.end()
})

t.test('the referrers tag of a sha512 subject is cut as the specification cuts it: 64 characters of the digest', t => {
  const state = sketch({ tags: { v1: 'image', [`sha512-${hexOf(d512('big')).slice(0, 64)}`]: 'fallback' }, manifests: { image, fallback: { manifests: ['image'] } } })
  const revisions = new Map([...state.revisions, [d512('big'), state.revisions.get(d('image'))!] as const])
  const made = planOf(plan({ ...state, revisions }, { type: 'manifest', repository: APP, digest: d512('big') }, purge))
  t.same(steps(made).tags, [`sha512-${hexOf(d512('big')).slice(0, 64)}`])
  t.end()
})
