/** Races between manifest PUTs and deletions, each forced: see docs/garbage-collection.md. */
import { utimes } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { hasBlob, manifestStatus, pull, pullManifest, push, pushBlobs, putManifest } from '../support/client.js'
import { assertClean } from '../support/disk.js'
import { expectStatus, json, ociError, request } from '../support/http.js'
import { digestsOf, image, layer, type Image } from '../support/images.js'
import { as, blobPath, busyCollection, collectAll, isThere, layerPath, leavesSomething, pullFresh, startBehind, startGuarded, uploadsOpened, wasForgotten, writing, type Guarded } from '../support/interleaving.js'
import { del, deleted, jobEnded } from '../support/jobs.js'
import { collectGarbage } from '../support/registry.js'
import { until } from '../support/temporary.js'
import { eachRegistry } from '../support/tools.js'

/** It pulls, also from what is on the disk alone; and when it is deleted, nothing is left. */
async function assertWhole (t: Test, gate: Guarded, reference: string, content: Image): Promise<void> {
  await pull(gate.url, 'app', reference, content)
  await pullFresh(t, gate, 'app', reference, content)
  await deleted(gate.url, '/v2/app')
  await assertClean(t, gate, { digests: digestsOf(content), repositories: ['app'] })
}

await eachRegistry(t, 'a manifest PUT is at the registry while what it lists is deleted, here and elsewhere: it wins', async (t, tool) => {
  for (const when of ['before', 'after'] as const) {
    const gate = await startGuarded(t, tool)
    const [one, another] = [await layer('one'), await layer('another')]
    const [old, other, fresh] = [await image('old', { layers: [one] }), await image('other', { layers: [another] }), await image('fresh', { layers: [one, another] })]
    await push(gate.url, 'app', 'old', old)
    await push(gate.url, 'elsewhere', 'v1', other)
    await pushBlobs(gate.url, 'app', [fresh.config, one, another], as('pusher'))
    const putting = gate.door.hold({ method: 'PUT', path: '/v2/app/manifests/fresh', when })
    const put = putManifest(gate.url, 'app', 'fresh', fresh, as('pusher'))
    await putting.arrived
    const here = del(gate.url, '/v2/app/manifests/old')
    await writing(gate.url, 2)
    const elsewhere = expectStatus(await del(gate.url, '/v2/elsewhere'), 202, 'DELETE')
    // What the registry has written already is found on the disk; before that, the lease alone protects it.
    if (when === 'before') await leavesSomething(gate.url, elsewhere)
    else t.equal((await jobEnded(gate.url, elsewhere)).state, 'done')
    t.ok(await isThere(gate, blobPath(another.digest)), `the PUT is held ${when}: what it lists stays`)
    t.ok(await isThere(gate, 'repositories/app/_manifests/tags/old'), 'the deletion in the same repository waits for its turn')
    putting.release()
    await put
    for (const answer of [expectStatus(await here, 202, 'DELETE'), elsewhere]) t.equal((await jobEnded(gate.url, answer)).state, 'done')
    t.equal(await manifestStatus(gate.url, 'app', 'old'), 404)
    await assertWhole(t, gate, 'fresh', fresh)
  }
})

await eachRegistry(t, 'the same, from a client that uploaded so long ago that nothing is leased any more: the PUT itself leases', async (t, tool) => {
  const gate = await startGuarded(t, tool, { drain: { sessionIdleSeconds: 1 } })
  const shared = await layer('shared')
  const [other, fresh] = [await image('other', { layers: [shared] }), await image('fresh', { layers: [shared] })]
  await push(gate.url, 'elsewhere', 'v1', other)
  await pushBlobs(gate.url, 'app', [fresh.config, shared], as('pusher'))
  await until('the leases are over', async () => json<{ traffic: { pushes: number } }>(await request(gate.url, 'GET', '/delgate/v1/status')).traffic.pushes === 0)
  const before = new Date(Date.now() - 600_000)
  await utimes(join(gate.storage, 'docker/registry/v2', layerPath('app', shared.digest)), before, before)
  const putting = gate.door.hold({ method: 'PUT', path: '/v2/app/manifests/fresh', when: 'before' })
  const put = putManifest(gate.url, 'app', 'fresh', fresh, as('pusher'))
  await putting.arrived
  const answer = expectStatus(await del(gate.url, '/v2/elsewhere'), 202, 'DELETE')
  await leavesSomething(gate.url, answer)
  t.ok(await isThere(gate, blobPath(shared.digest)))
  putting.release()
  await put
  t.equal((await jobEnded(gate.url, answer)).state, 'done')
  await assertWhole(t, gate, 'fresh', fresh)
})

await eachRegistry(t, 'a manifest PUT lists a layer that was unlinked and is remembered, and that nobody leased: it is linked again', async (t, tool) => {
  const gate = await startGuarded(t, tool)
  const shared = await layer('shared')
  const [old, fresh] = [await image('old', { layers: [shared] }), await image('fresh', { layers: [shared] })]
  await push(gate.url, 'app', 'old', old)
  const collect = await busyCollection(gate)
  const answer = expectStatus(await del(gate.url, '/v2/app/manifests/old'), 202, 'DELETE')
  t.notOk(await isThere(gate, layerPath('app', shared.digest)), 'it is unlinked')
  t.ok(await hasBlob(gate.registry.url, 'app', shared.digest), 'the registry remembers it')
  await pushBlobs(gate.url, 'app', [fresh.config], as('pusher'))
  await putManifest(gate.url, 'app', 'fresh', fresh, as('pusher'))
  t.ok(await isThere(gate, layerPath('app', shared.digest)), 'it is linked again')
  collect()
  t.equal((await jobEnded(gate.url, answer)).state, 'done')
  t.notOk(wasForgotten(gate.door, shared.digest))
  await assertWhole(t, gate, 'fresh', fresh)
})

await eachRegistry(t, 'a manifest PUT lists a layer that is gone and that the registry remembers: it is refused as the registry would', async (t, tool) => {
  const gate = await startGuarded(t, tool)
  const shared = await layer('shared')
  const [old, fresh] = [await image('old', { layers: [shared] }), await image('fresh', { layers: [shared] })]
  await push(gate.url, 'app', 'old', old)
  // Around the gate, by the registry's own means: its process remembers what its collector removed.
  expectStatus(await del(gate.registry.url, `/v2/app/manifests/${old.digest}`), 202, 'DELETE around the gate')
  await collectGarbage(tool, gate.config)
  t.notOk(await isThere(gate, blobPath(shared.digest)))
  t.ok(await hasBlob(gate.registry.url, 'app', shared.digest), 'the registry remembers it')
  await pushBlobs(gate.url, 'app', [fresh.config], as('pusher'))
  const put = await request(gate.url, 'PUT', '/v2/app/manifests/fresh', { headers: { 'content-type': fresh.mediaType }, body: fresh.bytes })
  t.equal(put.status, 400)
  t.equal(ociError(put).code, 'MANIFEST_BLOB_UNKNOWN')
  t.equal(await manifestStatus(gate.url, 'app', 'fresh'), 404)
  await push(gate.url, 'app', 'fresh', fresh)
  // The registry's collector leaves empty directories.
  t.equal((await jobEnded(gate.url, await collectAll(gate.url))).state, 'done')
  await assertWhole(t, gate, 'fresh', fresh)
})

await eachRegistry(t, 'the same image is pushed again right after it was swept: it is stored before its tag points to it', async (t, tool) => {
  // Who sees the tag here fetches the manifest alone: the deletion waits until that counts as given up.
  const gate = await startGuarded(t, tool, { drain: { pullIdleSeconds: 1 } })
  const content = await image('again')
  await push(gate.url, 'app', 'v1', content)
  for (let round = 0; round < 3; round++) {
    await deleted(gate.url, '/v2/app/manifests/v1')
    t.notOk(await isThere(gate, blobPath(content.digest)), 'it is swept')
    await pushBlobs(gate.url, 'app', [content.config, ...content.layers])
    const putting = gate.door.hold({ method: 'PUT', path: '/v2/app/manifests/v1', when: 'after' })
    const put = putManifest(gate.url, 'app', 'v1', content)
    await putting.arrived
    t.ok(await isThere(gate, blobPath(content.digest)), 'its bytes are on the disk while nobody knows that it was accepted')
    await t.resolves(pullManifest(gate.url, 'app', 'v1', content, as('another')), 'who sees the tag gets the manifest')
    putting.release()
    await put
    await pull(gate.url, 'app', 'v1', content)
  }
  await assertWhole(t, gate, 'v1', content)
})

await eachRegistry(t, 'the same, when Delgate was started anew in between and the registry was not', async (t, tool) => {
  const gate = await startGuarded(t, tool)
  const content = await image('again')
  await push(gate.url, 'app', 'v1', content)
  await deleted(gate.url, '/v2/app/manifests/v1')
  await gate.close()
  const { url } = await startBehind(t, gate)
  await push(url, 'app', 'v1', content)
  await pull(url, 'app', 'v1', content)
  await assertWhole(t, { ...gate, url }, 'v1', content)
})

await eachRegistry(t, 'a tag is pushed again after the 202 and before the registry was told: the new push survives', async (t, tool) => {
  const gate = await startGuarded(t, tool)
  const content = await image('again')
  await push(gate.url, 'app', 'v1', content)
  const collect = await busyCollection(gate)
  const answer = expectStatus(await del(gate.url, '/v2/app/manifests/v1'), 202, 'DELETE')
  const { present } = await push(gate.url, 'app', 'v1', content, as('pusher'))
  t.same(present, [], 'nothing that is unlinked is said to be there')
  await pull(gate.url, 'app', 'v1', content, as('pusher'))
  collect()
  t.equal((await jobEnded(gate.url, answer)).state, 'done')
  t.notOk(digestsOf(content).some(digest => wasForgotten(gate.door, digest)), 'what is linked again is not forgotten')
  await assertWhole(t, gate, 'v1', content)
})

await eachRegistry(t, 'a tag is pushed again while the registry is being told: the push waits for its turn and survives', async (t, tool) => {
  const gate = await startGuarded(t, tool)
  const content = await image('again')
  await push(gate.url, 'app', 'v1', content)
  const evicting = gate.door.hold({ method: 'DELETE', path: `/v2/app/blobs/${content.layers[0]!.digest}`, when: 'before' })
  const answer = expectStatus(await del(gate.url, '/v2/app/manifests/v1'), 202, 'DELETE')
  await evicting.arrived
  const before = uploadsOpened(gate.door, 'app')
  const pushed = push(gate.url, 'app', 'v1', content, as('pusher'))
  await writing(gate.url, 1)
  t.equal(uploadsOpened(gate.door, 'app'), before)
  evicting.release()
  t.same((await pushed).present, [])
  await pull(gate.url, 'app', 'v1', content)
  t.equal((await jobEnded(gate.url, answer)).state, 'done')
  await assertWhole(t, gate, 'v1', content)
})
