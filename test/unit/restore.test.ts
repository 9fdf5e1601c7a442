/** A manifest that a PUT links again while a sweep runs: whole, and it stays so, or not at all. The registry alone is a stand-in. */
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { Claims } from '../../src/claims/claims.js'
import { Manifests } from '../../src/claims/manifests.js'
import { Restorer } from '../../src/claims/restore.js'
import { OnlineSweep } from '../../src/collection/online-sweep.js'
import { createStorage } from '../../src/composition/storage.js'
import { createTraffic } from '../../src/composition/traffic.js'
import type { Digest } from '../../src/oci/digest.js'
import * as paths from '../../src/storage/paths.js'
import { image, index as indexOf, type Blob } from '../support/images.js'
import { temporaryDirectory } from '../support/temporary.js'
import { repository } from './repository.js'

const TWO = repository('two')

/** An image that was deleted in a repository, whose own job has not run yet; and an index that lists it. */
async function setUp (t: Test) {
  const root = await temporaryDirectory(t)
  await mkdir(join(root, paths.REPOSITORIES), { recursive: true })
  const child = await image('child')
  const again = indexOf([child])
  const blobs = [child.config, ...child.layers]
  for (const { digest, bytes } of [child, ...blobs] as readonly Blob[]) {
    const path = join(root, paths.blobData(digest as Digest))
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, bytes)
  }
  const storage = createStorage(root, join(root, 'index'))
  const traffic = createTraffic({ hold: { maximumRequests: 10, timeoutSeconds: 10 }, drain: { timeoutSeconds: 10, sessionIdleSeconds: 60, pullIdleSeconds: 60, transferTimeoutSeconds: 10 } })
  const digests = blobs.map(({ digest }) => digest as Digest)
  traffic.tombstones.buryManifest(TWO, child.digest as Digest)
  for (const digest of digests) traffic.tombstones.buryLayer(TWO, digest)
  await storage.index.build()
  const { presence, writer, index } = storage
  const linked: ConstructorParameters<typeof Manifests>[0]['linked'] = (...manifest) => { index.linked(...manifest) }
  const manifests = new Manifests({
    ...traffic,
    claims: new Claims(traffic),
    presence,
    writer,
    restorer: new Restorer({ ...storage, ...traffic, linked }),
    mayPush: async () => true,
    linked,
    memory: { remembers: async () => false, forget: async () => ({ outcome: 'forgotten' }), forgetEverywhere: async () => {}, close: async () => {} },
    log: { warn () {} }
  })
  const trash = { keep: async () => {}, settle: async (_digest: Digest, extent: unknown) => extent }
  /** Another collection, which names the same blobs. @returns how many it removed */
  const sweep = async (): Promise<number> => {
    const sweep = new OnlineSweep({ ...storage, ...traffic, trash: trash as never, turn: async name => ({ quiet: false, end: await traffic.locks.exclusive(name) }) }, 0, new Set(digests))
    await sweep.sweep(digests)
    return sweep.swept.removed.size
  }
  const isWhole = async (): Promise<boolean> => await presence.manifest(TWO, child.digest as Digest) && (await Promise.all(digests.map(async digest => await presence.layer(TWO, digest)))).every(Boolean)
  return { manifests, child, again, sweep, isWhole, presence, digests }
}

t.test('what was linked again is not swept, although the PUT itself leases nothing of it', async t => {
  const { manifests, again, sweep, isWhole } = await setUp(t)
  const pushing = await manifests.begin(TWO, 'client', again.bytes)
  t.equal(await manifests.prepare(pushing, {}), undefined)
  t.same([...pushing.missing], [])
  t.equal(await isWhole(), true)
  t.equal(await sweep(), 0)
  pushing.claim.end()
  t.equal(await sweep(), 0)
  t.equal(await isWhole(), true)
})

t.test('what has lost something is not linked again', async t => {
  const { manifests, child, again, sweep, presence, digests } = await setUp(t)
  t.equal(await sweep(), digests.length)
  const pushing = await manifests.begin(TWO, 'client', again.bytes)
  await manifests.prepare(pushing, {})
  t.same([...pushing.missing], [child.digest])
  t.equal(await presence.manifest(TWO, child.digest as Digest), false)
  pushing.claim.end()
})
