/** Delgate's own interface: collections, everything at once, jobs as they happen, cancelling; and clients that vanish. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { beginUpload, catalog, pull, push, pushBlobs, putManifest } from '../support/client.js'
import { startGate, startWrappedGate, type Gate } from '../support/delgate.js'
import { assertClean, listing } from '../support/disk.js'
import { expectStatus, header, json, open, request, start } from '../support/http.js'
import { blobsOf, digestsOf, image, index, layer, multiArchitecture } from '../support/images.js'
import { allJobs, del, deleted, jobAt, jobEnded, receiptOf, type Job } from '../support/jobs.js'
import { REGISTRY_PAIR } from '../support/pairs.js'
import { until } from '../support/temporary.js'
import { eachRegistry } from '../support/tools.js'

const untagged = { headers: { 'content-type': 'application/json' }, body: '{"untagged":true}' }

async function collect (gate: Gate, options = {}): Promise<Job> {
  return await jobEnded(gate.url, expectStatus(await request(gate.url, 'POST', '/delgate/v1/collections', options), 202, 'POST collections'))
}

await eachRegistry(t, 'a collection of what is untagged takes manifests that no tag reaches, and nothing else', async (t, tool) => {
  const gate = await startGate(t, tool, { settings: { drain: { sessionIdleSeconds: 0.2 } } })
  const tagged = await multiArchitecture('tagged')
  const loose = await image('loose')
  const referrer = await image('referrer', { subject: tagged, artifactType: 'application/vnd.example.sbom' })
  await push(gate.url, 'team/app', 'v1', tagged)
  await push(gate.url, 'team/app', loose.digest, loose)
  await push(gate.url, 'team/app', referrer.digest, referrer)
  await push(gate.url, 'team/loose', loose.digest, loose)
  // A manifest pushed by digest is protected while its index may still come: it goes once that time is over.
  const manifests = new Set<string>()
  await until('the leases are over', async () => {
    for (const { repository, digest } of receiptOf(await collect(gate, untagged)).manifests) manifests.add(`${repository}@${digest}`)
    return manifests.size >= 2 ? true : undefined
  })
  t.same(manifests, new Set(['team/app', 'team/loose'].map(repository => `${repository}@${loose.digest}`)))
  await pull(gate.url, 'team/app', 'v1', tagged)
  await pull(gate.url, 'team/app', referrer.digest, referrer)
  t.same(await catalog(gate.url), ['team/app'])
  await assertClean(t, gate, { digests: digestsOf(loose), repositories: ['team/loose'] })
})

await eachRegistry(t, 'a collection removes empty directories and repositories that others left', async (t, tool) => {
  const gate = await startGate(t, tool)
  const content = await image('stays')
  await push(gate.url, 'team/app', 'v1', content)
  const tree = join(gate.storage, 'docker/registry/v2')
  await mkdir(join(tree, 'blobs/sha256/00'), { recursive: true })
  await mkdir(join(tree, 'repositories/old/one/_layers/sha256', '0'.repeat(64)), { recursive: true })
  await mkdir(join(tree, 'repositories/old/one/_manifests/revisions/sha256'), { recursive: true })
  await mkdir(join(tree, 'repositories/team/app/_layers/sha256', '0'.repeat(64)), { recursive: true })
  t.equal((await collect(gate)).state, 'done')
  const left = (await listing(gate.storage)).map(entry => entry.path).filter(path => path.includes('old') || path.includes('0'.repeat(64)) || path.endsWith('sha256/00'))
  t.same(left, [])
  await pull(gate.url, 'team/app', 'v1', content)
})

await eachRegistry(t, 'DELETE repositories?confirm=all: not without the word, then everything', async (t, tool) => {
  const gate = await startGate(t, tool)
  const contents = [await image('one'), await multiArchitecture('two')]
  for (const [at, content] of contents.entries()) await push(gate.url, `team/app${at}`, 'v1', content)
  expectStatus(await del(gate.url, '/delgate/v1/repositories'), 400, 'DELETE without confirm')
  expectStatus(await del(gate.url, '/delgate/v1/repositories?confirm=yes'), 400, 'DELETE with another word')
  const rehearsed = json<{ receipt: object }>(expectStatus(await del(gate.url, '/delgate/v1/repositories?confirm=all&dry-run=true'), 200, 'dry run'))
  t.equal((await catalog(gate.url)).length, 2)
  t.same(await deleted(gate.url, '/delgate/v1/repositories?confirm=all'), rehearsed.receipt)
  t.same(await catalog(gate.url), [])
  await assertClean(t, gate, { digests: digestsOf(...contents) })
})

await eachRegistry(t, 'a job can be watched as it happens', async (t, tool) => {
  const gate = await startWrappedGate(t, tool, { settings: { collection: REGISTRY_PAIR.collection } })
  await push(gate.url, 'team/app', 'v1', await image('watched'))
  // Nothing ends before somebody watches.
  await gate.wrapper.on('collect-waits')
  const answer = expectStatus(await del(gate.url, '/v2/team/app/manifests/v1'), 202, 'DELETE')
  const events = await open(gate.url, 'GET', `${header(answer, 'location')}/events`)
  t.equal(events.headers['content-type'], 'text/event-stream')
  await gate.wrapper.off('collect-waits')
  const text = (await events.toArray() as Buffer[]).join('')
  const jobs = text.split('\n').filter(line => line.startsWith('data: ')).map(line => JSON.parse(line.slice(6)) as Job)
  t.equal(jobs.at(-1)?.state, 'done', 'the stream ends with the job')
  t.ok(jobs.length > 1, 'every change was told')
  t.notOk('plans' in jobs[0]!, 'what is internal stays so')
})

await eachRegistry(t, 'a job that waits can be cancelled; the next collection takes what it left', async (t, tool) => {
  const gate = await startGate(t, tool, { settings: { collection: { ...REGISTRY_PAIR.collection, quietSeconds: 10, maximumDelaySeconds: 10 } } })
  const content = await image('cancelled')
  await push(gate.url, 'team/app', 'v1', content)
  const location = header(expectStatus(await del(gate.url, '/v2/team/app/manifests/v1'), 202, 'DELETE'), 'location')!
  const cancelled = json<Job>(expectStatus(await request(gate.url, 'POST', `${location}/cancel`), 200, 'cancel'))
  t.equal(cancelled.state, 'cancelled')
  expectStatus(await request(gate.url, 'POST', `${location}/cancel`), 409, 'cancel again')
  const collected = receiptOf(await collect(gate))
  t.same(new Set(collected.blobs.map(blob => blob.digest)), new Set(digestsOf(content)))
  t.equal((await jobAt(gate.url, location)).state, 'cancelled')
  await assertClean(t, gate, { digests: digestsOf(content) })
})

await eachRegistry(t, 'an index pushed while the tag of its child goes is whole', async (t, tool) => {
  const gate = await startGate(t, tool)
  const child = await image('child')
  const parent = index([child, await image('sibling')])
  await push(gate.url, 'team/app', 'arm', child)
  for (const manifest of parent.children) {
    await pushBlobs(gate.url, 'team/app', blobsOf(manifest))
    await putManifest(gate.url, 'team/app', manifest.digest, manifest)
  }
  await deleted(gate.url, '/v2/team/app/manifests/arm')
  await putManifest(gate.url, 'team/app', 'v1', parent)
  await pull(gate.url, 'team/app', 'v1', parent)
  t.equal((await allJobs(gate.url)).length, 1)
})

await eachRegistry(t, 'clients that vanish in the middle harm nobody', async (t, tool) => {
  const gate = await startGate(t, tool)
  const big = await layer('big', 8 * 1024 * 1024)
  const content = await image('big', { layers: [big] })
  await push(gate.url, 'team/app', 'v1', content)
  for (let count = 0; count < 5; count++) {
    const download = await open(gate.url, 'GET', `/v2/team/app/blobs/${big.digest}`)
    download.destroy()
    const upload = start(gate.url, 'PATCH', await beginUpload(gate.url, 'team/app'), { headers: { 'content-type': 'application/octet-stream', 'content-length': 1_000_000 } })
    upload.promise.catch(() => {})
    upload.request.write(Buffer.alloc(1000))
    await until('the upload is under way', async () => (await traffic(gate)).writes > 0 ? true : undefined)
    upload.request.destroy()
    const begin = start(gate.url, 'POST', '/v2/team/app/blobs/uploads/')
    begin.promise.catch(() => {})
    begin.request.end(() => { begin.request.destroy() })
  }
  await until('nothing is in flight any more', async () => {
    const { reads, writes } = await traffic(gate)
    return reads + writes === 0 ? true : undefined
  })
  await pull(gate.url, 'team/app', 'v1', content)
  await deleted(gate.url, '/v2/team/app/manifests/v1')
  t.equal((await request(gate.url, 'GET', '/healthz')).status, 200)
})

async function traffic (gate: Gate): Promise<{ reads: number, writes: number }> {
  return json<{ traffic: { reads: number, writes: number } }>(await request(gate.url, 'GET', '/delgate/v1/status')).traffic
}

await eachRegistry(t, 'whoever waits for a job is answered when Delgate stops', async (t, tool) => {
  const gate = await startGate(t, tool, { settings: { collection: { ...REGISTRY_PAIR.collection, quietSeconds: 600, maximumDelaySeconds: 600 } } })
  await push(gate.url, 'team/app', 'v1', await image('waits'))
  await push(gate.url, 'team/app', 'v2', await image('waits too'))
  const first = expectStatus(await del(gate.url, '/v2/team/app/manifests/v1'), 202, 'DELETE')
  const events = await open(gate.url, 'GET', `${header(first, 'location')}/events`)
  const told = events.toArray()
  const second = start(gate.url, 'DELETE', '/v2/team/app/manifests/v2', { headers: { prefer: 'wait=600' } })
  second.request.end()
  await until('both are waiting', async () => (await allJobs(gate.url)).filter(job => job.state === 'queued').length === 2)
  await gate.close()
  t.equal((await second.promise).statusCode, 202)
  t.ok((await told).length > 0)
})
