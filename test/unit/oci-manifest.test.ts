/** What a manifest refers to; and that whatever is not understood whole is unreadable, never empty. */
import t from 'tap'
import { parseManifest, type ManifestReferences } from '../../src/oci/manifest.js'
import { d, d512 } from './repository.js'

const OCI_IMAGE = 'application/vnd.oci.image.manifest.v1+json'
const OCI_INDEX = 'application/vnd.oci.image.index.v1+json'
const DOCKER_IMAGE = 'application/vnd.docker.distribution.manifest.v2+json'
const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json'
const SCHEMA1 = 'application/vnd.docker.distribution.manifest.v1+json'
const SCHEMA1_SIGNED = 'application/vnd.docker.distribution.manifest.v1+prettyjws'

const parse = (value: unknown) => parseManifest(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)))
const descriptor = (name: string, mediaType = 'application/octet-stream') => ({ mediaType, digest: d(name), size: 7 })

function references (value: unknown): ManifestReferences {
  const parsed = parse(value)
  if (parsed.outcome !== 'references') throw new Error(parsed.reason)
  return parsed.references
}

const image = { schemaVersion: 2, mediaType: OCI_IMAGE, config: descriptor('config'), layers: [descriptor('one'), descriptor('two')] }
const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [descriptor('amd64', OCI_IMAGE), descriptor('arm64', OCI_IMAGE)] }

t.test('images of both kinds', t => {
  for (const mediaType of [OCI_IMAGE, DOCKER_IMAGE]) {
    t.same(references({ ...image, mediaType }), { mediaType, blobs: [d('config'), d('one'), d('two')], manifests: [], subject: undefined })
  }
  t.end()
})

t.test('indexes of both kinds', t => {
  for (const mediaType of [OCI_INDEX, DOCKER_LIST]) {
    t.same(references({ ...index, mediaType }), { mediaType, blobs: [], manifests: [d('amd64'), d('arm64')], subject: undefined })
  }
  t.end()
})

t.test('OCI without a mediaType: manifests make it an index', t => {
  const { mediaType: _, ...bareImage } = image
  const { mediaType: __, ...bareIndex } = index
  t.match(references(bareImage), { mediaType: OCI_IMAGE, blobs: [d('config'), d('one'), d('two')], manifests: [] })
  t.match(references(bareIndex), { mediaType: OCI_INDEX, blobs: [], manifests: [d('amd64'), d('arm64')] })
  t.match(references({ ...bareIndex, manifests: [] }), { mediaType: OCI_INDEX, manifests: [] })
  // To the registry null is as good as nothing (distribution: doc.Manifests != nil).
  for (const nothing of [{ manifests: null }, { mediaType: null }, { mediaType: null, manifests: null }]) t.match(references({ ...bareImage, ...nothing }), { mediaType: OCI_IMAGE, blobs: [d('config'), d('one'), d('two')], manifests: [] }, JSON.stringify(nothing))
  t.match(references({ ...bareIndex, mediaType: null, layers: null }), { mediaType: OCI_INDEX, blobs: [], manifests: [d('amd64'), d('arm64')] })
  t.end()
})

t.test('a subject, on images and on indexes', t => {
  t.equal(references({ ...image, subject: descriptor('subject') }).subject, d('subject'))
  t.equal(references({ ...index, subject: descriptor('subject') }).subject, d('subject'))
  t.equal(references({ ...image, subject: null }).subject, undefined)
  // The registry does not look at it (distribution: manifest/ocischema).
  for (const subject of ['sha256:x', {}, { digest: 'latest' }, [], 42, false]) {
    t.same(references({ ...image, subject }), { ...references(image), subject: undefined }, JSON.stringify(subject))
    t.same(references({ ...index, subject }).manifests, references(index).manifests, JSON.stringify(subject))
  }
  t.end()
})

t.test('artifacts: an empty config, a config of any type, layers that are repeated', t => {
  const empty = descriptor('empty', 'application/vnd.oci.empty.v1+json')
  t.same(references({ ...image, artifactType: 'application/x', config: empty, layers: [empty] }).blobs, [d('empty')])
  t.same(references({ ...image, layers: [descriptor('one'), descriptor('one')] }).blobs, [d('config'), d('one')])
  t.same(references({ ...image, layers: [] }).blobs, [d('config')])
  t.end()
})

t.test('layers by sha512, and layers that are only elsewhere', t => {
  const elsewhere = { ...descriptor('foreign', 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip'), urls: ['https://example.org/layer'] }
  t.same(references({ ...image, layers: [{ ...descriptor('x'), digest: d512('x') }, elsewhere] }).blobs, [d('config'), d512('x'), d('foreign')])
  t.end()
})

t.test('an index may list an index, and a build cache lists blobs', t => {
  t.same(references({ ...index, manifests: [descriptor('inner', OCI_INDEX)] }).manifests, [d('inner')])
  const cache = { ...index, manifests: [descriptor('cached', 'application/vnd.oci.image.layer.v1.tar+gzip'), descriptor('cacheconfig', 'application/vnd.buildkit.cacheconfig.v0')] }
  t.same(references(cache).manifests, [d('cached'), d('cacheconfig')])
  t.end()
})

t.test('schema 1, signed and not', t => {
  const schema1 = { schemaVersion: 1, name: 'team/app', tag: '1', fsLayers: [{ blobSum: d('one') }, { blobSum: d('empty') }, { blobSum: d('empty') }], history: [], signatures: [] }
  t.same(references(schema1), { mediaType: SCHEMA1_SIGNED, blobs: [d('one'), d('empty')], manifests: [], subject: undefined })
  for (const mediaType of [SCHEMA1, SCHEMA1_SIGNED]) t.equal(references({ ...schema1, mediaType }).mediaType, mediaType)
  for (const bad of [{ ...schema1, fsLayers: undefined }, { ...schema1, fsLayers: {} }, { ...schema1, fsLayers: [{}] }, { ...schema1, fsLayers: [d('one')] }, { ...schema1, fsLayers: [null] }, { ...schema1, mediaType: OCI_IMAGE }]) {
    t.equal(parse(bad).outcome, 'unreadable', JSON.stringify(bad.fsLayers))
  }
  t.end()
})

t.test('every way to cut a manifest short is unreadable', t => {
  for (const whole of [JSON.stringify(image), JSON.stringify(index)]) {
    for (let length = 0; length < whole.length; length++) {
      if (parse(whole.slice(0, length)).outcome !== 'unreadable') t.fail(`${length} bytes of ${whole.length}`)
    }
    t.equal(parse(whole).outcome, 'references')
  }
  t.match(parse(''), { outcome: 'unreadable', reason: 'it is empty' })
  t.match(parse('\0'.repeat(100)), { outcome: 'unreadable', reason: 'it is not JSON' })
  t.end()
})

t.test('what is JSON and no manifest', t => {
  for (const value of ['null', '[]', '42', '"x"', 'true', '{}', '[{}]']) t.equal(parse(value).outcome, 'unreadable', value)
  t.equal(parse({ schemaVersion: 2 }).outcome, 'unreadable')
  t.end()
})

t.test('parts of the wrong type', t => {
  for (const bad of [
    { config: undefined }, { config: null }, { config: 'sha256:x' }, { config: {} }, { config: { digest: 42 } }, { config: { digest: 'sha256:abc' } }, { config: [] },
    { layers: {} }, { layers: 'x' }, { layers: 42 }, { layers: [null] }, { layers: [[]] }, { layers: [{}] }, { layers: [d('one')] }, { layers: [descriptor('one'), { digest: 'latest' }] },
    { mediaType: 42 }, { mediaType: {} }, { mediaType: '' }, { mediaType: 'application/vnd.example.new+json' }
  ]) t.equal(parse({ ...image, ...bad }).outcome, 'unreadable', JSON.stringify(bad))
  for (const manifests of [{}, 'x', 42, [null], [{}], [d('amd64')], [descriptor('amd64'), { digest: 'x' }]]) t.equal(parse({ ...index, manifests }).outcome, 'unreadable', JSON.stringify(manifests))
  t.end()
})

t.test('lists that are absent or null are empty, as the registry reads them', t => {
  t.same(references({ ...image, layers: undefined }).blobs, [d('config')])
  t.same(references({ ...image, layers: null }).blobs, [d('config')])
  t.same(references({ ...index, manifests: null }).manifests, [])
  t.same(references({ ...index, manifests: undefined }).manifests, [])
  t.end()
})

t.test('a mediaType that contradicts the content', t => {
  t.equal(parse({ ...image, manifests: index.manifests }).outcome, 'unreadable')
  t.equal(parse({ ...index, mediaType: OCI_IMAGE }).outcome, 'unreadable')
  t.equal(parse({ ...image, mediaType: OCI_INDEX }).outcome, 'unreadable')
  t.end()
})

t.test('an unreadable manifest says why, in words', t => {
  t.match(parse({ ...image, mediaType: 'application/x' }), { reason: 'its mediaType application/x is not known' })
  t.match(parse({ ...image, config: null }), { reason: /config or layers/ })
  t.end()
})

t.test('fields whose names have letters of another case: the registry reads them, so they are not passed over', t => {
  const { layers, ...rest } = image
  for (const odd of [{ ...rest, Layers: layers }, { ...image, LAYERS: [] }, { ...image, layerſ: layers }, { ...image, Manifests: [] }, { ...image, layers: [{ ...layers[0], Digest: d('two') }] }]) {
    t.equal(parse(odd).outcome, 'unreadable', JSON.stringify(odd))
  }
  t.equal(parse({ ...image, annotations: { Digest: 'x', LAYERS: 'y' } }).outcome, 'references', 'elsewhere they mean nothing')
  t.end()
})

t.test('what is nested deeper than the registry would take is not parsed; brackets in texts do not count', async t => {
  const nested = (depth: number): Buffer => Buffer.from(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[],"a":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`)
  t.match(parseManifest(nested(10_000)), { outcome: 'references' })
  t.match(parseManifest(nested(10_001)), { outcome: 'unreadable', reason: 'it is nested too deeply' })
  t.match(parseManifest(Buffer.from(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[],"a":"${'[\\"'.repeat(20_000)}"}`)), { outcome: 'references' })
  t.match(parseManifest(Buffer.from('['.repeat(4_000_000))), { outcome: 'unreadable', reason: 'it is nested too deeply' })
})
