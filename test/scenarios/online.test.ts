/** The collector `online` and what it falls back to: no pause, no restart, and said so. */
import { mkdir, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { pull, push, pushBlobs, beginUpload, sendChunk } from '../support/client.js'
import { startGate, startWrappedGate, type WrappedGate } from '../support/delgate.js'
import { startGateProcess } from '../support/delgate-process.js'
import { assertClean, blobsOnDisk, listing } from '../support/disk.js'
import { expectStatus, header, json, request } from '../support/http.js'
import { blobsOf, digestOf, digestsOf, image, noise } from '../support/images.js'
import { allJobs, del, deleted, jobEnded, receiptOf } from '../support/jobs.js'
import { USERS, writeRegistryConfig } from '../support/registry.js'
import { assertRepush } from '../support/repush.js'
import { temporaryDirectory, until } from '../support/temporary.js'
import { eachRegistry } from '../support/tools.js'
import { wrapRegistry } from '../support/wrapper.js'

const status = async (gate: { readonly url: string }, headers = {}) => json<{ collector: string, freshness: string, why: string, index: { complete: boolean }, hold: { longestMs: number } }>(expectStatus(await request(gate.url, 'GET', '/delgate/v1/status', { headers }), 200, 'GET status'))
const starts = async (gate: WrappedGate): Promise<number> => (await gate.wrapper.calls()).serve
const basic = (user: keyof typeof USERS) => ({ authorization: `Basic ${Buffer.from(`${user}:${USERS[user]}`).toString('base64')}` })

await eachRegistry(t, 'by default nobody is held, and the registry is neither restarted nor collected', async (t, tool) => {
  const gate = await startWrappedGate(t, tool)
  const content = await image('no pause')
  for (let round = 0; round < 3; round++) {
    await push(gate.url, 'team/app', 'v1', content)
    await deleted(gate.url, '/v2/team/app/manifests/v1')
    await assertClean(t, gate, { digests: digestsOf(content), repositories: ['team/app'] })
    await assertRepush(t, gate.url, 'team/app', 'v1', content)
  }
  t.same(await gate.wrapper.calls(), { serve: 1, collect: 0 })
  const { collector, freshness, why, hold } = await status(gate)
  t.same({ collector, freshness }, { collector: 'online', freshness: 'evict' })
  t.match(why, /accepts deletes/)
  t.equal(hold.longestMs, 0)
})

await eachRegistry(t, 'where the registry has deletes disabled, it is restarted instead, and that is said', async (t, tool) => {
  const gate = await startWrappedGate(t, tool, { registry: { delete: false } })
  const content = await image('restarted')
  await push(gate.url, 'team/app', 'v1', content)
  await deleted(gate.url, '/v2/team/app/manifests/v1')
  t.same(await gate.wrapper.calls(), { serve: 2, collect: 0 })
  const { collector, freshness, why } = await status(gate)
  t.same({ collector, freshness }, { collector: 'online', freshness: 'restart' })
  t.match(why, /deletes disabled/)
  await assertClean(t, gate, { digests: digestsOf(content), repositories: ['team/app'] })
  await assertRepush(t, gate.url, 'team/app', 'v1', content)
})

await eachRegistry(t, 'the ready line says what is in force and why', async (t, tool) => {
  const gate = await startGateProcess(t, tool)
  t.match(gate.output(), /Collector: online; the registry forgets by: evict \(.*accepts deletes.*\)/)
})

await eachRegistry(t, 'with a login on the registry, it forgets in the name of whoever deletes', async (t, tool) => {
  const gate = await startWrappedGate(t, tool, { registry: { auth: 'htpasswd' } })
  const headers = basic('alice')
  const content = await image('login')
  await push(gate.url, 'team/app', 'v1', content, { headers })
  await deleted(gate.url, '/v2/team/app/manifests/v1', { headers })
  t.equal(await starts(gate), 1, 'no restart')
  const { uploaded } = await push(gate.url, 'team/app', 'v1', content, { headers })
  t.equal(uploaded.length, blobsOf(content).length)
  await pull(gate.url, 'team/app', 'v1', content, { headers })
  t.notMatch(JSON.stringify(await allJobs(gate.url, { headers })), headers.authorization.slice(6), 'the login is not in the job')
  const files = await listing(join(gate.directory, 'state'))
  t.ok(files.some(({ path }) => path.startsWith('jobs/')))
})

for (const own of [true, false]) {
  await eachRegistry(t, `a job is taken up without a login after a crash: ${own ? 'Delgate uses its own' : 'the registry is restarted'}`, async (t, tool) => {
    const files = await writeRegistryConfig(await temporaryDirectory(t), { auth: 'htpasswd' })
    const wrapper = await wrapRegistry(files.directory, tool)
    t.teardown(() => wrapper.kill())
    const settings = { collection: { collector: 'online', freshness: 'evict' }, registry: { controller: 'process', config: files.config, process: { binary: wrapper.binary, stopTimeoutSeconds: 5 }, ...(own ? { username: 'bob', password: USERS.bob } : {}) } } as const
    const headers = basic('alice')
    const gate = await startGate(t, tool, { files, settings })
    const content = await image('taken up')
    await push(gate.url, 'app', 'v1', content, { headers })
    const before = (await wrapper.calls()).serve
    // A collection of everything that nobody logged in for: as after a crash, when whose job it was is not known any more.
    await pushBlobs(gate.url, 'app', [await image('orphan').then(({ config }) => config)], { headers })
    expectStatus(await del(gate.url, '/v2/app/manifests/v1', { headers }), 202, 'DELETE')
    await gate.close()
    const next = await startGate(t, tool, { files, settings })
    await until('every job has ended', async () => (await allJobs(next.url, { headers })).every(({ state }) => state === 'done'))
    await assertRepush(t, next.url, 'app', 'v1', content, [], { headers })
    t.ok((await wrapper.calls()).serve > before)
  })
}

await eachRegistry(t, 'a collection by request takes what nothing uses, and leaves what is young or leased', async (t, tool) => {
  const gate = await startGate(t, tool, { settings: { drain: { sessionIdleSeconds: 60 } } })
  const content = await image('stays')
  await push(gate.url, 'team/app', 'v1', content)
  const tree = join(gate.storage, 'docker/registry/v2')
  const write = async (bytes: Buffer, ageSeconds: number): Promise<string> => {
    const digest = digestOf(bytes)
    const path = join(tree, 'blobs/sha256', digest.slice(7, 9), digest.slice(7), 'data')
    await mkdir(join(path, '..'), { recursive: true })
    await writeFile(path, bytes)
    const time = Date.now() / 1000 - ageSeconds
    await utimes(path, time, time)
    return digest
  }
  const [old, young] = [await write(noise('old', 500), 3600), await write(noise('young', 500), 0)]
  const leased = await image('leased')
  await pushBlobs(gate.url, 'team/app', blobsOf(leased))
  const answer = expectStatus(await request(gate.url, 'POST', '/delgate/v1/collections'), 202, 'POST collections')
  const receipt = receiptOf(await jobEnded(gate.url, answer))
  t.same(receipt.blobs, [{ digest: old, bytes: 500 }])
  t.same(await blobsOnDisk(gate.storage), [young, ...digestsOf(content), ...blobsOf(leased).map(({ digest }) => digest)].sort())
})

await eachRegistry(t, 'uploads that were given up go with a collection once they are old enough', async (t, tool) => {
  const gate = await startGate(t, tool, { settings: { drain: { sessionIdleSeconds: 0.2 }, collection: { uploadMaximumAgeHours: 1 } } })
  await push(gate.url, 'team/app', 'v1', await image('stays'))
  const ids: string[] = []
  for (const name of ['old', 'new']) ids.push(/uploads\/([^?]+)/.exec(await sendChunk(gate.url, await beginUpload(gate.url, 'team/app'), noise(name, 1000)))![1]!)
  const uploads = join(gate.storage, 'docker/registry/v2/repositories/team/app/_uploads')
  const time = Date.now() / 1000 - 2 * 3600
  for (const file of ['data', 'startedat']) await utimes(join(uploads, ids[0]!, file), time, time)
  const collect = async () => receiptOf(await jobEnded(gate.url, expectStatus(await request(gate.url, 'POST', '/delgate/v1/collections'), 202, 'POST collections')))
  const receipt = await until('the old upload is gone', async () => {
    const one = await collect()
    return one.warnings.length > 0 ? one : undefined
  })
  t.match(receipt.warnings[0], ids[0], 'the receipt says which')
  t.ok(receipt.bytesFreed >= 1000)
  t.same(new Set((await listing(uploads)).map(({ path }) => path.split('/')[0])), new Set([ids[1]]))
})

await eachRegistry(t, 'a schedule collects by itself', async (t, tool) => {
  const gate = await startGate(t, tool, { settings: { collection: { schedule: '* * * * * *' }, drain: { sessionIdleSeconds: 0.2 } } })
  const orphan = await image('orphan')
  await pushBlobs(gate.url, 'team/app', blobsOf(orphan))
  const freed = async (): Promise<string[]> => (await allJobs(gate.url)).filter(({ kind }) => kind === 'collection').flatMap(({ receipt }) => receipt?.blobs ?? []).map(({ digest }) => digest)
  await until('the orphans are gone', async () => (await freed()).length === blobsOf(orphan).length)
  t.same((await freed()).sort(), blobsOf(orphan).map(({ digest }) => digest).sort())
})

await eachRegistry(t, 'the job of a deletion waits for a pull that began before it', async (t, tool) => {
  const gate = await startGate(t, tool, { settings: { drain: { pullIdleSeconds: 10 } } })
  const content = await image('pulled')
  await push(gate.url, 'team/app', 'v1', content)
  const puller = { headers: { 'user-agent': 'somebody else' } }
  expectStatus(await request(gate.url, 'GET', '/v2/team/app/manifests/v1', { headers: { accept: content.mediaType, ...puller.headers } }), 200, 'GET')
  const answer = expectStatus(await del(gate.url, '/v2/team/app/manifests/v1'), 202, 'DELETE')
  t.equal((await request(gate.url, 'GET', '/v2/team/app/manifests/v1')).status, 404)
  for (const blob of blobsOf(content)) t.equal((await request(gate.url, 'GET', `/v2/team/app/blobs/${blob.digest}`, puller)).body.length, blob.bytes.length)
  t.equal((await jobEnded(gate.url, answer)).state, 'done')
  await assertClean(t, gate, { digests: digestsOf(content), repositories: ['team/app'] })
  t.ok(header(answer, 'location'))
})
