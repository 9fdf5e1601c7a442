/** Pushes and pulls beside deletions: a pause at most. */
import t from 'tap'
import { setTimeout as sleep } from 'node:timers/promises'
import { expectStatus, header, json, open, read, request, start } from '../support/http.js'
import { digestOf, digestsOf, image, layer, noise, type Image } from '../support/images.js'
import { beginUpload, commitUpload, followLocation, hasBlob, manifestStatus, pull, push, putManifest, sendChunk, uploadBlob } from '../support/client.js'
import { startGate, startWrappedGate } from '../support/delgate.js'
import { assertClean } from '../support/disk.js'
import { del, deleted, jobAt, jobEnded } from '../support/jobs.js'
import { REGISTRY_PAIR, eachPair } from '../support/pairs.js'
import { until } from '../support/temporary.js'
import { eachRegistry } from '../support/tools.js'

await eachPair(t, 'scenario 22: an upload that is open when a collection is due completes and pulls', async (t, tool, pair) => {
  // Long enough that the push does not count as given up before it goes on.
  const gate = await startWrappedGate(t, tool, { settings: { collection: { ...pair.collection, maximumDelaySeconds: 10 }, drain: { sessionIdleSeconds: 10 } } })
  const victim = await image('victim')
  const content = await image('slow push')
  await push(gate.url, 'victim', 'v1', victim)
  const [first, second] = content.layers
  await uploadBlob(gate.url, 'app', first!)
  const begun = await beginUpload(gate.url, 'app')
  const sent = await sendChunk(gate.url, begun, second!.bytes)

  const answer = expectStatus(await del(gate.url, '/v2/victim/manifests/v1'), 202, 'DELETE')
  if (pair.name === 'registry+restart') {
    const location = header(answer, 'location')!
    await until('a collection is due', async () => !['unlink', 'waiting'].includes((await jobAt(gate.url, location)).phase))
    // The quiet time is over; a gate that did not wait for the push would collect within this time.
    await sleep(700)
    t.equal((await gate.wrapper.calls()).collect, 0, 'the collection waits for the push')
  } else {
    t.equal((await jobEnded(gate.url, answer)).state, 'done', 'the collection waits for nobody')
    await assertClean(t, gate, { digests: digestsOf(victim), repositories: ['victim'] }, { leased: [first!.digest] })
  }

  await commitUpload(gate.url, sent, second!.digest)
  await uploadBlob(gate.url, 'app', content.config)
  await putManifest(gate.url, 'app', 'v1', content)
  await t.resolves(pull(gate.url, 'app', 'v1', content))
  t.equal((await jobEnded(gate.url, answer)).state, 'done')
  await t.resolves(pull(gate.url, 'app', 'v1', content), 'and after the collection')
  await assertClean(t, gate, { digests: digestsOf(victim), repositories: ['victim'] })
})

await eachPair(t, 'scenario 22: an upload whose client went away does not hold the collection up for ever', async (t, tool, { collection }) => {
  const gate = await startGate(t, tool, { settings: { collection, drain: { timeoutSeconds: 20, sessionIdleSeconds: 0.5 } } })
  const victim = await image('victim')
  await push(gate.url, 'victim', 'v1', victim)
  const abandoned = await beginUpload(gate.url, 'app')
  const sent = await sendChunk(gate.url, abandoned, noise('abandoned', 1_000))
  await deleted(gate.url, '/v2/victim/manifests/v1')
  await t.resolves(commitUpload(gate.url, sent, digestOf(noise('abandoned', 1_000))), 'and the upload can still go on after the restart')
})

await eachPair(t, 'scenario 23: HEAD said 200, then the last image with the blob is deleted before the manifest PUT', async (t, tool, { collection }) => {
  const gate = await startGate(t, tool, { settings: { collection, drain: { sessionIdleSeconds: 5 } } })
  const shared = await layer('claimed')
  const old = await image('old', { layers: [shared] })
  const fresh = await image('fresh', { layers: [shared] })
  await push(gate.url, 'app', 'old', old)

  t.ok(await hasBlob(gate.url, 'app', shared.digest))
  const answer = expectStatus(await del(gate.url, '/v2/app/manifests/old'), 202, 'DELETE')
  await uploadBlob(gate.url, 'app', fresh.config)
  await putManifest(gate.url, 'app', 'fresh', fresh)
  t.equal((await jobEnded(gate.url, answer)).state, 'done')
  await t.resolves(pull(gate.url, 'app', 'fresh', fresh))
})

await eachPair(t, 'scenario 25: pushes into a repository that is being deleted end whole, or fail cleanly and work when repeated', async (t, tool, { collection }) => {
  const gate = await startGate(t, tool, { settings: { collection, drain: { timeoutSeconds: 10, sessionIdleSeconds: 0.5 } } })
  const base = await layer('contended base')
  for (let round = 0; round < 5; round += 1) {
    const contents = await Promise.all([0, 1, 2].map(async (at) => image(`contended ${round}/${at}`, { layers: [base, await layer(`contended ${round}/${at}`)] })))
    await push(gate.url, 'app', 'old', await image(`old ${round}`, { layers: [base] }))
    const pushes = contents.map((content, at) => push(gate.url, 'app', `v${at}`, content).then(() => 'pushed' as const, (error: Error) => error))
    // Each round the deletion falls into another moment of the pushes.
    await sleep(round * 15)
    const answer = await del(gate.url, '/v2/app')
    const outcomes = await Promise.all(pushes)
    if (answer.status === 202) t.equal((await jobEnded(gate.url, answer)).state, 'done')
    for (const [at, content] of contents.entries()) await assertWholeOrAbsent(gate.url, `v${at}`, content, outcomes[at]!)
    for (const [at, content] of contents.entries()) {
      await push(gate.url, 'app', `v${at}`, content)
      await t.resolves(pull(gate.url, 'app', `v${at}`, content), 'repeated, the push works')
    }
  }

  /** Never half: either the tag is unknown, or every byte comes. */
  async function assertWholeOrAbsent (base: string, tag: string, content: Image, outcome: 'pushed' | Error): Promise<void> {
    if (outcome instanceof Error) t.match(outcome.message, /got (?:4\d\d|503) /, 'a clean failure')
    if (await manifestStatus(base, 'app', tag) === 404) return
    await t.resolves(pull(base, 'app', tag, content), 'what is there is whole')
  }
})

await eachPair(t, 'scenario 25: a push that begins after the 202 ends pullable', async (t, tool, { collection }) => {
  const gate = await startGate(t, tool, { settings: { collection } })
  const content = await image('begins after')
  await push(gate.url, 'app', 'v1', content)
  for (let round = 0; round < 4; round += 1) {
    const answer = expectStatus(await del(gate.url, '/v2/app'), 202, 'DELETE')
    await sleep(round * 60)
    await push(gate.url, 'app', 'v1', content)
    await t.resolves(pull(gate.url, 'app', 'v1', content), 'at once')
    t.equal((await jobEnded(gate.url, answer)).state, 'done')
    await t.resolves(pull(gate.url, 'app', 'v1', content), 'and after the collection')
  }
})

await eachPair(t, 'scenario 27: a pull that is in flight during a collection, and its restart if there is one, gets every byte', async (t, tool, { name, collection }) => {
  const gate = await startWrappedGate(t, tool, { settings: { collection } })
  const big = await image('big', { layers: [await layer('big', 30_000_000)] })
  const victim = await image('victim')
  await push(gate.url, 'app', 'v1', big)
  await push(gate.url, 'victim', 'v1', victim)

  const reading = await open(gate.url, 'GET', `/v2/app/blobs/${big.layers[0]!.digest}`)
  reading.pause()
  const answer = expectStatus(await del(gate.url, '/v2/victim/manifests/v1'), 202, 'DELETE')
  t.equal((await jobEnded(gate.url, answer)).state, 'done', 'nobody waits for the download')
  t.equal((await gate.wrapper.calls()).serve, name === 'registry+restart' ? 2 : 1, 'restarts')
  const { body } = await read(reading)
  t.equal(digestOf(body), big.layers[0]!.digest, 'every byte')
  await pull(gate.url, 'app', 'v1', big)
})

await eachPair(t, 'scenario 28: a chunked upload that is in flight during a collection, and its restart if there is one, completes', async (t, tool, { name, collection }) => {
  const gate = await startWrappedGate(t, tool, { settings: { collection: { ...collection, maximumDelaySeconds: 0.2 } } })
  const victim = await image('victim')
  const content = await image('chunked', { layers: [await layer('chunked', 2_000_000)] })
  const [big] = content.layers
  await push(gate.url, 'victim', 'v1', victim)
  const location = await beginUpload(gate.url, 'app')
  const chunk = start(gate.url, 'PATCH', location, { headers: { 'content-type': 'application/octet-stream', 'transfer-encoding': 'chunked' } })
  chunk.request.write(big!.bytes.subarray(0, 1_000_000))
  const answer = expectStatus(await del(gate.url, '/v2/victim/manifests/v1'), 202, 'DELETE')
  if (name === 'registry+restart') {
    await until('the collection waits for the upload', async () => (await jobAt(gate.url, header(answer, 'location')!)).phase === 'drain')
  } else {
    t.equal((await jobEnded(gate.url, answer)).state, 'done', 'the collection does not wait for it')
  }
  chunk.request.end(big!.bytes.subarray(1_000_000))
  const sent = await chunk.promise
  t.equal(sent.statusCode, 202)
  t.equal((await jobEnded(gate.url, answer)).state, 'done')
  await commitUpload(gate.url, followLocation(gate.url, location, { ...await read(sent), headers: sent.headers }), big!.digest)
  await uploadBlob(gate.url, 'app', content.config)
  await putManifest(gate.url, 'app', 'v1', content)
  await pull(gate.url, 'app', 'v1', content)
  await assertClean(t, gate, { digests: digestsOf(victim), repositories: ['victim'] })
})

await eachRegistry(t, 'requests while the registry collects wait; none fails', async (t, tool) => {
  const gate = await startWrappedGate(t, tool, { settings: { collection: REGISTRY_PAIR.collection } })
  const content = await image('held')
  const victim = await image('victim')
  await push(gate.url, 'app', 'v1', content)
  await push(gate.url, 'victim', 'v1', victim)
  await gate.wrapper.on('collect-waits')
  const answer = expectStatus(await del(gate.url, '/v2/victim/manifests/v1'), 202, 'DELETE')
  await until('the collection runs', async () => (await gate.wrapper.calls()).collect > 0)
  const another = await image('pushed while collecting')
  const work = Promise.all([
    pull(gate.url, 'app', 'v1', content),
    push(gate.url, 'app', 'v2', another),
    request(gate.url, 'GET', '/v2/')
  ])
  await sleep(300)
  await gate.wrapper.off('collect-waits')
  await t.resolves(work)
  t.equal((await jobEnded(gate.url, answer)).state, 'done')
  await pull(gate.url, 'app', 'v2', another)
  await assertClean(t, gate, { digests: digestsOf(victim), repositories: ['victim'] })
})

await eachRegistry(t, 'a manifest that is sent too slowly does not keep deletions waiting', async (t, tool) => {
  const gate = await startGate(t, tool, { settings: { limits: { manifestSeconds: 2 } } })
  const content = await image('deleted beside a slow push')
  await push(gate.url, 'app', 'v1', content)
  const slow = start(gate.url, 'PUT', '/v2/app/manifests/v2', { headers: { 'content-type': content.mediaType, 'content-length': content.bytes.length } })
  const broken = slow.promise.then((answer) => answer.statusCode, () => 'broken off')
  slow.request.write(content.bytes.subarray(0, 10))
  await until('the push has its turn', async () => {
    const { traffic } = json<{ traffic: { writes: number } }>(await request(gate.url, 'GET', '/delgate/v1/status'))
    return traffic.writes > 0
  })
  await deleted(gate.url, '/v2/app/manifests/v1')
  t.not(await broken, 201)
  await push(gate.url, 'app', 'v2', content)
  await pull(gate.url, 'app', 'v2', content)
})
