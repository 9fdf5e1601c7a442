/** Races between sweeps, other deletions, and what goes around the gate, each forced: see docs/garbage-collection.md. */
import t from 'tap'
import { dirname } from 'node:path'
import { beginUpload, hasBlob, manifestStatus, pull, push, sendChunk, uploadBlob } from '../support/client.js'
import { assertClean } from '../support/disk.js'
import { expectStatus, request } from '../support/http.js'
import { blobOf, digestsOf, image, layer, noise, type Blob } from '../support/images.js'
import { as, blobPath, collectAll, isThere, pullFresh, startGuarded, wasForgotten } from '../support/interleaving.js'
import { del, deleted, jobEnded, receiptOf } from '../support/jobs.js'
import { until } from '../support/temporary.js'
import { eachRegistry } from '../support/tools.js'

await eachRegistry(t, 'a push around the gate uses what a deletion is about to sweep: the disk is looked at first', async (t, tool) => {
  const gate = await startGuarded(t, tool)
  const shared = await layer('shared')
  const [old, around] = [await image('old', { layers: [shared] }), await image('around', { layers: [shared] })]
  await push(gate.url, 'app', 'old', old)
  const evicting = gate.door.hold({ method: 'DELETE', path: `/v2/app/blobs/${shared.digest}`, when: 'before' })
  const answer = expectStatus(await del(gate.url, '/v2/app/manifests/old'), 202, 'DELETE')
  await evicting.arrived
  await push(gate.registry.url, 'around', 'v1', around)
  evicting.release()
  const { blobs, kept } = receiptOf(await jobEnded(gate.url, answer))
  t.notOk(blobs.some(({ digest }) => digest === shared.digest))
  t.match(kept, [{ digest: shared.digest, by: [{ repository: 'around', tags: ['v1'] }] }])
  await pull(gate.url, 'around', 'v1', around)
  await pullFresh(t, gate, 'around', 'v1', around)
  await assertClean(t, gate, { digests: digestsOf(old).filter(digest => digest !== shared.digest), repositories: ['app'] })
})

/** A blob that is stored in the same directory as another. */
function neighbourOf ({ digest }: Blob): Blob {
  for (let at = 0; ; at++) {
    const blob = blobOf(noise(`neighbour ${at}`, 1_000))
    if (blob.digest.slice(0, 9) === digest.slice(0, 9)) return blob
  }
}

await eachRegistry(t, 'a directory of blobs is empty while a commit into it is at the registry: it stays until later', async (t, tool) => {
  const gate = await startGuarded(t, tool)
  const content = await image('emptied')
  const neighbour = neighbourOf(content.layers[0]!)
  const directory = dirname(dirname(blobPath(neighbour.digest)))
  await push(gate.url, 'app', 'v1', content)
  // Wrong bytes: the commit will fail, so that the directory stays empty.
  const sent = await sendChunk(gate.url, await beginUpload(gate.url, 'other', as('pusher')), Buffer.from('other bytes'), as('pusher'))
  const committing = gate.door.hold({ method: 'PUT', path: /\/blobs\/uploads\//, when: 'before' })
  const committed = request(gate.url, 'PUT', `${sent}${sent.includes('?') ? '&' : '?'}digest=${neighbour.digest}`, as('pusher'))
  await committing.arrived
  await deleted(gate.url, '/v2/app')
  t.notOk(await isThere(gate, blobPath(content.layers[0]!.digest)))
  t.ok(await isThere(gate, directory), 'the directory stays')
  committing.release()
  expectStatus(await committed, 400, 'commit')
  await push(gate.url, 'last', 'v1', content)
  await deleted(gate.url, '/v2/last')
  t.notOk(await isThere(gate, directory), 'the next one takes it away')
})

await eachRegistry(t, 'a repository is deleted while an upload into it is being opened: its directories stay until later', async (t, tool) => {
  const gate = await startGuarded(t, tool, { drain: { sessionIdleSeconds: 1 } })
  const content = await image('emptied')
  await push(gate.url, 'team/app', 'v1', content)
  const opening = gate.door.hold({ method: 'POST', path: '/v2/team/app/blobs/uploads/', when: 'before' })
  const opened = request(gate.url, 'POST', '/v2/team/app/blobs/uploads/', as('pusher'))
  await opening.arrived
  const answer = expectStatus(await del(gate.url, '/v2/team/app'), 202, 'DELETE')
  await until('its blobs are gone', async () => !await isThere(gate, blobPath(content.digest)))
  t.ok(await isThere(gate, 'repositories/team/app/_uploads'), 'the directories stay')
  opening.release()
  expectStatus(await opened, 202, 'POST')
  // The client goes away. A collection finds what is left.
  t.equal((await jobEnded(gate.url, answer)).state, 'done')
  await until('nothing is left', async () => {
    receiptOf(await jobEnded(gate.url, await collectAll(gate.url)))
    return !await isThere(gate, 'repositories/team')
  })
  await assertClean(t, gate, { digests: digestsOf(content), repositories: ['team/app'] })
})

await eachRegistry(t, 'two deletions at once of images with a layer in common, in two repositories', async (t, tool) => {
  const gate = await startGuarded(t, tool)
  const shared = await layer('shared')
  const [one, other] = [await image('one', { layers: [shared] }), await image('other', { layers: [shared] })]
  await push(gate.url, 'one', 'v1', one)
  await push(gate.url, 'other', 'v1', other)
  const first = gate.door.hold({ method: 'DELETE', path: `/v2/one/blobs/${shared.digest}`, when: 'before' })
  const second = gate.door.hold({ method: 'DELETE', path: `/v2/other/blobs/${shared.digest}`, when: 'before' })
  const answers = [expectStatus(await del(gate.url, '/v2/one'), 202, 'DELETE')]
  await first.arrived
  answers.push(expectStatus(await del(gate.url, '/v2/other'), 202, 'DELETE'))
  t.equal(await manifestStatus(gate.url, 'other', 'v1'), 404, 'nobody waits for the other')
  first.release()
  await second.arrived
  t.notOk(await isThere(gate, blobPath(shared.digest)), 'the first sweep has taken what both had')
  t.ok(await hasBlob(gate.registry.url, 'other', shared.digest).catch(() => true), 'the registry still remembers it in the other')
  t.equal(await hasBlob(gate.url, 'other', shared.digest), false, 'and nobody is told so')
  second.release()
  const receipts = await Promise.all(answers.map(async answer => receiptOf(await jobEnded(gate.url, answer))))
  const removed = receipts.flatMap(({ blobs }) => blobs.map(({ digest }) => digest))
  t.same([...removed].sort(), digestsOf(one, other).sort(), 'each blob is in one receipt')
  await assertClean(t, gate, { digests: digestsOf(one, other), repositories: ['one', 'other'] })
  await push(gate.url, 'other', 'v1', other)
  await pull(gate.url, 'other', 'v1', other)
  await pullFresh(t, gate, 'other', 'v1', other)
})

await eachRegistry(t, 'a deletion while everything is being collected', async (t, tool) => {
  const gate = await startGuarded(t, tool, { drain: { sessionIdleSeconds: 1 } })
  const garbage = blobOf(noise('garbage', 1_000))
  const [content, stays] = [await image('deleted meanwhile'), await image('stays')]
  await push(gate.url, 'app', ['v1', 'v2'], content)
  await push(gate.url, 'app', 'stays', stays)
  // Nobody will ever list it.
  await uploadBlob(gate.url, 'garbage', garbage, as('gone'))
  const evicting = gate.door.hold({ method: 'DELETE', path: `/v2/garbage/blobs/${garbage.digest}`, when: 'before' })
  const collections = [await collectAll(gate.url)]
  await until('the garbage is old enough', async () => {
    // The collection that finds it does not end before it is let go on.
    await Promise.race([evicting.arrived, jobEnded(gate.url, collections.at(-1)!).then(({ state }) => { if (state !== 'done') throw new Error(`a collection is ${state}`) })])
    if (!evicting.hasArrived) collections.push(await collectAll(gate.url))
    return evicting.hasArrived
  })
  const answer = expectStatus(await del(gate.url, `/v2/app/manifests/${content.digest}`), 202, 'DELETE')
  t.equal(await manifestStatus(gate.url, 'app', 'v1'), 404, 'it does not wait')
  evicting.release()
  for (const one of [...collections, answer]) t.equal((await jobEnded(gate.url, one)).state, 'done')
  t.ok(wasForgotten(gate.door, content.digest))
  await pull(gate.url, 'app', 'stays', stays)
  await pullFresh(t, gate, 'app', 'stays', stays)
  await assertClean(t, gate, { digests: [...digestsOf(content), garbage.digest], repositories: ['garbage'] })
})
