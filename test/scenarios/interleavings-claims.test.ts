/** Races between claims and deletions, each forced: see docs/garbage-collection.md. */
import t, { type Test } from 'tap'
import { beginUpload, commitUpload, hasBlob, pull, push, putManifest, sendChunk, uploadBlob } from '../support/client.js'
import { assertClean } from '../support/disk.js'
import { expectStatus, header, request } from '../support/http.js'
import { digestsOf, image, layer, type Image, type Layer } from '../support/images.js'
import { as, blobPath, busyCollection, isThere, layerPath, leavesSomething, pullFresh, startGuarded, uploadsOpened, wasForgotten, writing, type Guarded } from '../support/interleaving.js'
import { del, deleted, jobEnded } from '../support/jobs.js'
import { eachRegistry } from '../support/tools.js'

interface Shared { readonly shared: Layer, readonly old: Image, readonly fresh: Image }

/** Two images with one layer in common; the old one is pushed. */
async function pushedOld (gate: Guarded, repository = 'app'): Promise<Shared> {
  const shared = await layer('shared')
  const old = await image('old', { layers: [shared] })
  const fresh = await image('fresh', { layers: [shared] })
  await push(gate.url, repository, 'old', old)
  return { shared, old, fresh }
}

/** The push goes on after its blobs, and everything that was deleted goes in the end. */
async function assertWhole (t: Test, gate: Guarded, repository: string, { shared, old, fresh }: Shared): Promise<void> {
  await pull(gate.url, repository, 'fresh', fresh)
  await pullFresh(t, gate, repository, 'fresh', fresh)
  await assertClean(t, gate, { digests: digestsOf(old).filter(digest => digest !== shared.digest) })
  await deleted(gate.url, `/v2/${repository}`)
  await assertClean(t, gate, { digests: digestsOf(old, fresh), repositories: [repository] })
}

await eachRegistry(t, 'HEAD said yes; the last image with the blob is deleted and its job runs; then the manifest PUT', async (t, tool) => {
  const gate = await startGuarded(t, tool, { drain: { sessionIdleSeconds: 5 } })
  const { shared, old, fresh } = await pushedOld(gate)
  t.ok(await hasBlob(gate.url, 'app', shared.digest, as('pusher')))
  const answer = expectStatus(await del(gate.url, '/v2/app/manifests/old'), 202, 'DELETE')
  await leavesSomething(gate.url, answer)
  await uploadBlob(gate.url, 'app', fresh.config, as('pusher'))
  await putManifest(gate.url, 'app', 'fresh', fresh, as('pusher'))
  await pull(gate.url, 'app', 'fresh', fresh)
  t.equal((await jobEnded(gate.url, answer)).state, 'done')
  await assertWhole(t, gate, 'app', { shared, old, fresh })
})

await eachRegistry(t, 'HEAD said yes, and nothing follows: the job ends once the lease is over, and nothing is left', async (t, tool) => {
  const gate = await startGuarded(t, tool, { drain: { sessionIdleSeconds: 5 } })
  const { shared, old } = await pushedOld(gate)
  t.ok(await hasBlob(gate.url, 'app', shared.digest, as('pusher')))
  const answer = expectStatus(await del(gate.url, '/v2/app/manifests/old'), 202, 'DELETE')
  await leavesSomething(gate.url, answer)
  t.ok(await isThere(gate, layerPath('app', shared.digest)))
  t.equal((await jobEnded(gate.url, answer)).state, 'done')
  await assertClean(t, gate, { digests: digestsOf(old), repositories: ['app'] })
  t.equal(await hasBlob(gate.registry.url, 'app', shared.digest), false, 'the registry has forgotten it')
})

await eachRegistry(t, 'a HEAD is on its way to the registry when the deletion unlinks: the lease was first, the link stays', async (t, tool) => {
  const gate = await startGuarded(t, tool)
  const { shared, old, fresh } = await pushedOld(gate)
  const held = gate.door.hold({ method: 'HEAD', path: `/v2/app/blobs/${shared.digest}`, when: 'before' })
  const asked = hasBlob(gate.url, 'app', shared.digest, as('pusher'))
  await held.arrived
  const answer = expectStatus(await del(gate.url, '/v2/app/manifests/old'), 202, 'DELETE')
  await leavesSomething(gate.url, answer)
  t.ok(await isThere(gate, layerPath('app', shared.digest)), 'the link stays')
  held.release()
  t.ok(await asked, 'the client is told that it is there, and it is')
  await uploadBlob(gate.url, 'app', fresh.config, as('pusher'))
  await putManifest(gate.url, 'app', 'fresh', fresh, as('pusher'))
  t.equal((await jobEnded(gate.url, answer)).state, 'done')
  await assertWhole(t, gate, 'app', { shared, old, fresh })
})

await eachRegistry(t, 'a HEAD comes after the unlinking and before the registry was told: 404, and what the client uploads is not forgotten', async (t, tool) => {
  const gate = await startGuarded(t, tool)
  const { shared, old, fresh } = await pushedOld(gate)
  const held = gate.door.hold({ method: 'DELETE', path: `/v2/app/blobs/${shared.digest}`, when: 'before' })
  const answer = expectStatus(await del(gate.url, '/v2/app/manifests/old'), 202, 'DELETE')
  await held.arrived
  t.ok(await hasBlob(gate.registry.url, 'app', shared.digest), 'the registry remembers it')
  t.equal(await hasBlob(gate.url, 'app', shared.digest, as('pusher')), false, 'the client is told the truth')
  const before = uploadsOpened(gate.door, 'app')
  const uploaded = uploadBlob(gate.url, 'app', shared, as('pusher'))
  await writing(gate.url, 1)
  t.equal(uploadsOpened(gate.door, 'app'), before, 'the upload waits for its turn')
  held.release()
  await uploaded
  t.ok(await isThere(gate, layerPath('app', shared.digest)), 'the fresh link is there')
  await uploadBlob(gate.url, 'app', fresh.config, as('pusher'))
  await putManifest(gate.url, 'app', 'fresh', fresh, as('pusher'))
  t.equal((await jobEnded(gate.url, answer)).state, 'done')
  await assertWhole(t, gate, 'app', { shared, old, fresh })
})

await eachRegistry(t, 'the same, and the upload\'s commit reaches the registry before it is told to forget: it is not told', async (t, tool) => {
  for (const when of ['before', 'after'] as const) {
    const gate = await startGuarded(t, tool)
    const { shared, old, fresh } = await pushedOld(gate)
    const collect = await busyCollection(gate)
    const answer = expectStatus(await del(gate.url, '/v2/app/manifests/old'), 202, 'DELETE')
    t.equal(await hasBlob(gate.url, 'app', shared.digest, as('pusher')), false)
    const sent = await sendChunk(gate.url, await beginUpload(gate.url, 'app', as('pusher')), shared.bytes, as('pusher'))
    const committing = gate.door.hold({ method: 'PUT', path: /\/blobs\/uploads\//, when })
    const committed = commitUpload(gate.url, sent, shared.digest, as('pusher'))
    await committing.arrived
    collect()
    await leavesSomething(gate.url, answer)
    t.notOk(wasForgotten(gate.door, shared.digest), `the commit is held ${when}: nobody removes its link`)
    committing.release()
    await committed
    await uploadBlob(gate.url, 'app', fresh.config, as('pusher'))
    await putManifest(gate.url, 'app', 'fresh', fresh, as('pusher'))
    t.equal((await jobEnded(gate.url, answer)).state, 'done')
    await assertWhole(t, gate, 'app', { shared, old, fresh })
  }
})

await eachRegistry(t, 'an upload\'s commit is at the registry while its blob is garbage in another repository: the sweep leaves it', async (t, tool) => {
  for (const when of ['before', 'after'] as const) {
    const gate = await startGuarded(t, tool)
    const { shared, old, fresh } = await pushedOld(gate, 'source')
    const sent = await sendChunk(gate.url, await beginUpload(gate.url, 'app', as('pusher')), shared.bytes, as('pusher'))
    const committing = gate.door.hold({ method: 'PUT', path: /\/blobs\/uploads\//, when })
    const committed = commitUpload(gate.url, sent, shared.digest, as('pusher'))
    await committing.arrived
    const answer = expectStatus(await del(gate.url, '/v2/source/manifests/old'), 202, 'DELETE')
    await leavesSomething(gate.url, answer)
    t.ok(await isThere(gate, blobPath(shared.digest)), `the commit is held ${when}: its blob stays`)
    committing.release()
    t.equal((await committed).status, 201)
    await uploadBlob(gate.url, 'app', fresh.config, as('pusher'))
    await putManifest(gate.url, 'app', 'fresh', fresh, as('pusher'))
    t.equal((await jobEnded(gate.url, answer)).state, 'done')
    await assertWhole(t, gate, 'app', { shared, old, fresh })
  }
})

await eachRegistry(t, 'a mount is on its way to the registry while its source is deleted and swept: 201 means a whole blob', async (t, tool) => {
  for (const when of ['before', 'after'] as const) {
    const gate = await startGuarded(t, tool)
    const { shared, old, fresh } = await pushedOld(gate, 'source')
    const mounting = gate.door.hold({ method: 'POST', path: /mount=/, when })
    const mounted = request(gate.url, 'POST', `/v2/app/blobs/uploads/?mount=${shared.digest}&from=source`, as('pusher'))
    await mounting.arrived
    const answer = expectStatus(await del(gate.url, '/v2/source'), 202, 'DELETE')
    await leavesSomething(gate.url, answer)
    t.ok(await isThere(gate, blobPath(shared.digest)), `the mount is held ${when}: its blob stays`)
    mounting.release()
    expectStatus(await mounted, 201, 'mount')
    await uploadBlob(gate.url, 'app', fresh.config, as('pusher'))
    await putManifest(gate.url, 'app', 'fresh', fresh, as('pusher'))
    t.equal((await jobEnded(gate.url, answer)).state, 'done')
    await assertWhole(t, gate, 'app', { shared, old, fresh })
    await assertClean(t, gate, { repositories: ['source'] })
  }
})

await eachRegistry(t, 'a mount from a repository whose link is gone, and which the registry remembers, is answered like an upload', async (t, tool) => {
  const gate = await startGuarded(t, tool)
  const { shared, old, fresh } = await pushedOld(gate, 'source')
  const evicting = gate.door.hold({ method: 'DELETE', path: `/v2/source/blobs/${shared.digest}`, when: 'before' })
  const answer = expectStatus(await del(gate.url, '/v2/source'), 202, 'DELETE')
  await evicting.arrived
  t.ok(await hasBlob(gate.registry.url, 'source', shared.digest), 'the registry remembers it')
  const mounted = await request(gate.url, 'POST', `/v2/app/blobs/uploads/?mount=${shared.digest}&from=source`, as('pusher'))
  expectStatus(mounted, 202, 'mount')
  const location = new URL(header(mounted, 'location')!, gate.url)
  t.equal(location.host, gate.host)
  evicting.release()
  t.equal((await jobEnded(gate.url, answer)).state, 'done')
  await commitUpload(gate.url, await sendChunk(gate.url, location.pathname + location.search, shared.bytes, as('pusher')), shared.digest, as('pusher'))
  await uploadBlob(gate.url, 'app', fresh.config, as('pusher'))
  await putManifest(gate.url, 'app', 'fresh', fresh, as('pusher'))
  await assertWhole(t, gate, 'app', { shared, old, fresh })
})
