/** What an image says of itself, and what is made of nonsense. */
import t from 'tap'
import { describeConfig, describeManifest } from '../../src/oci/image.js'

const [A, B, C] = ['a', 'b', 'c'].map(letter => `sha256:${letter.repeat(64)}`) as [string, string, string]
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))
const at = Date.parse('2026-01-02T03:04:05Z')

t.test('an index: its platforms, without attestations', async t => {
  const found = describeManifest(json({
    schemaVersion: 2,
    manifests: [
      { digest: A, platform: { os: 'linux', architecture: 'amd64' } },
      { digest: B, platform: { os: 'linux', architecture: 'arm', variant: 'v7' } },
      { digest: C, platform: { os: 'unknown', architecture: 'unknown' } }
    ],
    annotations: { 'org.opencontainers.image.created': '2026-01-02T03:04:05Z' }
  }))
  t.same(found, { platforms: ['linux/amd64', 'linux/arm/v7'], createdAt: at, more: [A, B] })
})

t.test('an image leads to its config, which says the rest', async t => {
  t.same(describeManifest(json({ schemaVersion: 2, config: { digest: A }, layers: [] })), { platforms: [], createdAt: undefined, more: [A] })
  t.same(describeConfig(json({ os: 'linux', architecture: 'arm64', variant: '', created: '2026-01-02T03:04:05.000000000Z' })), { platforms: ['linux/arm64'], createdAt: at, more: [] })
})

t.test('schema 1 says it in its history', async t => {
  const found = describeManifest(json({ schemaVersion: 1, architecture: 'amd64', history: [{ v1Compatibility: JSON.stringify({ created: '2026-01-02T03:04:05Z' }) }] }))
  t.same(found, { platforms: ['unknown/amd64'], createdAt: at, more: [] })
})

t.test('of nonsense nothing is said', async t => {
  for (const bytes of [Buffer.from('{'), json(null), json([]), json(7)]) {
    t.same(describeManifest(bytes), { platforms: [], createdAt: undefined, more: [] })
    t.same(describeConfig(bytes), { platforms: [], createdAt: undefined, more: [] })
  }
  t.same(describeManifest(json({ manifests: [null, 7, { digest: 'x', platform: 'y' }, { platform: { os: '<b>', architecture: 'amd64' } }] })), { platforms: [], createdAt: undefined, more: [] })
  t.same(describeConfig(json({ os: 'linux', architecture: ['amd64'], created: 'yesterday' })), { platforms: [], createdAt: undefined, more: [] })
  t.same(describeConfig(json({ os: 'linux', architecture: 'a'.repeat(65), created: 1 })), { platforms: [], createdAt: undefined, more: [] })
})

t.test('a long list of platforms is cut', async t => {
  const manifests = Array.from({ length: 5_000 }, (_one, at) => ({ digest: A, platform: { os: 'linux', architecture: `a${at}` } }))
  t.equal(describeManifest(json({ manifests })).platforms.length, 100)
})
