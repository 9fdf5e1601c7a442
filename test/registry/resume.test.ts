/** Downloads that are in flight when the registry goes away: they go on, byte for byte, or break; nothing else. */
import { once } from 'node:events'
import { rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { startWrappedGate, type WrappedGate } from '../support/delgate.js'
import { startGateProcess } from '../support/delgate-process.js'
import { basic, expectStatus, header, json, open, request, type RequestOptions } from '../support/http.js'
import { blobOf, image, noise, type Blob } from '../support/images.js'
import { push, uploadBlob } from '../support/client.js'
import { del, jobEnded } from '../support/jobs.js'
import { REGISTRY_PAIR } from '../support/pairs.js'
import { writeRegistryConfig } from '../support/registry.js'
import { startSupervisedGate } from '../support/supervised.js'
import { temporaryDirectory, until } from '../support/temporary.js'
import { eachRegistry } from '../support/tools.js'
import { wrapRegistry } from '../support/wrapper.js'

/** More than lies in the buffers between the registry and the client. */
const SIZE = 60_000_000
const BIG = blobOf(noise('a large blob', SIZE))
const begin = (gate: { readonly url: string }, blob: Blob = BIG, options: RequestOptions = {}): Promise<IncomingMessage> => open(gate.url, 'GET', `/v2/app/blobs/${blob.digest}`, options)

/** Reads on until so many bytes are there, and stops; the rest stays where it is. */
async function take (message: IncomingMessage, size: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  for (let got = 0; got < size;) {
    const chunk = message.read() as Buffer | null
    if (chunk === null) {
      await once(message, 'readable')
    } else {
      chunks.push(chunk)
      got += chunk.length
    }
  }
  return Buffer.concat(chunks)
}

/** Reads to the end, or as far as it goes. */
async function rest (message: IncomingMessage): Promise<{ readonly bytes: Buffer, readonly broken: boolean }> {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of message) chunks.push(chunk as Buffer)
  } catch {
    return { bytes: Buffer.concat(chunks), broken: true }
  }
  return { bytes: Buffer.concat(chunks), broken: false }
}

/** Not by `t.same`: it would print them. */
const isEqual = (t: Test, got: Buffer, expected: Buffer, what: string): void => { t.ok(got.equals(expected), `${what}: ${got.length} of ${expected.length} bytes`) }

const downloads = async (gate: WrappedGate): Promise<number> => json<{ traffic: { downloads: number } }>(await request(gate.url, 'GET', '/delgate/v1/status')).traffic.downloads

/** Where the registry has the bytes of a blob. */
const dataOf = (gate: WrappedGate, { digest }: Blob): string => {
  const hex = digest.slice('sha256:'.length)
  return join(gate.storage, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data')
}

await eachRegistry(t, 'a registry that is killed, again and again: the client gets every byte', async (t, tool) => {
  const gate = await startWrappedGate(t, tool)
  await uploadBlob(gate.url, 'app', BIG)
  const reading = await begin(gate)
  t.equal(reading.statusCode, 200)
  const parts: Buffer[] = []
  for (let round = 1; round <= 2; round++) {
    parts.push(await take(reading, 1_000_000))
    const { serve } = await gate.wrapper.calls()
    await gate.wrapper.kill()
    parts.push(await take(reading, 20_000_000)) // more than what was under way
    t.ok((await gate.wrapper.calls()).serve > serve, 'from another registry')
  }
  const { bytes, broken } = await rest(reading)
  t.equal(broken, false)
  isEqual(t, Buffer.concat([...parts, bytes]), BIG.bytes, 'the whole blob')
})

await eachRegistry(t, 'a restart does not wait for a download, and the client gets every byte', async (t, tool) => {
  const gate = await startWrappedGate(t, tool, { settings: { collection: REGISTRY_PAIR.collection } })
  await uploadBlob(gate.url, 'app', BIG)
  await push(gate.url, 'app', 'v1', await image('keeps the repository', { layers: [{ ...BIG, diffId: BIG.digest }] }))
  await push(gate.url, 'victim', 'v1', await image('victim'))
  const reading = await begin(gate)
  const first = await take(reading, 1_000_000)
  const job = await jobEnded(gate.url, expectStatus(await del(gate.url, '/v2/victim/manifests/v1'), 202, 'DELETE'))
  t.equal(job.state, 'done', 'while nobody reads')
  t.equal((await gate.wrapper.calls()).serve, 2)
  const { bytes, broken } = await rest(reading)
  t.equal(broken, false)
  isEqual(t, Buffer.concat([first, bytes]), BIG.bytes, 'the whole blob')
})

await eachRegistry(t, 'a registry that is stopped before it is started: the client gets every byte', async (t, tool) => {
  const gate = await startSupervisedGate(t, tool, { settings: { collection: REGISTRY_PAIR.collection } })
  await uploadBlob(gate.url, 'app', BIG)
  await push(gate.url, 'app', 'v1', await image('keeps the repository', { layers: [{ ...BIG, diffId: BIG.digest }] }))
  await push(gate.url, 'victim', 'v1', await image('victim'))
  const reading = await begin(gate)
  const first = await take(reading, 1_000_000)
  await gate.wrapper.on('serve-waits')
  const answer = expectStatus(await del(gate.url, '/v2/victim/manifests/v1'), 202, 'DELETE')
  await until('the old one is gone', async () => (await gate.wrapper.calls()).serve === 2)
  const reader = rest(reading)
  await sleep(300)
  await gate.wrapper.off('serve-waits')
  const { bytes, broken } = await reader
  t.equal(broken, false)
  isEqual(t, Buffer.concat([first, bytes]), BIG.bytes, 'the whole blob')
  t.equal((await jobEnded(gate.url, answer)).state, 'done')
})

await eachRegistry(t, 'a range that the client asked for itself goes on within its bounds', async (t, tool) => {
  const gate = await startWrappedGate(t, tool)
  await uploadBlob(gate.url, 'app', BIG)
  const ranges = { 'bytes=1000000-54999999': [1_000_000, 55_000_000], 'bytes=6000000-': [6_000_000, SIZE], 'bytes=-55000000': [SIZE - 55_000_000, SIZE] } as const
  for (const [range, [from, to]] of Object.entries(ranges)) {
    const reading = await begin(gate, BIG, { headers: { range } })
    t.equal(reading.statusCode, 206)
    t.equal(header(reading, 'content-range'), `bytes ${from}-${to - 1}/${SIZE}`)
    const first = await take(reading, 1_000_000)
    const { serve } = await gate.wrapper.calls()
    await gate.wrapper.kill()
    const { bytes, broken } = await rest(reading)
    t.equal(broken, false)
    t.ok((await gate.wrapper.calls()).serve > serve, 'from another registry')
    isEqual(t, Buffer.concat([first, bytes]), BIG.bytes.subarray(from, to), range)
    await until('the registry is back', async () => (await request(gate.url, 'GET', '/v2/')).status === 200)
  }
})

await eachRegistry(t, 'the rest is asked for in the client\'s name', async (t, tool) => {
  const gate = await startWrappedGate(t, tool, { registry: { auth: 'htpasswd' } })
  const headers = basic('alice', 'wonderland')
  await uploadBlob(gate.url, 'app', BIG, { headers })
  const reading = await begin(gate, BIG, { headers })
  const first = await take(reading, 1_000_000)
  await gate.wrapper.kill()
  isEqual(t, Buffer.concat([first, (await rest(reading)).bytes]), BIG.bytes, 'the whole blob')
})

await eachRegistry(t, 'a download that the registry had not answered yet is answered by the next one', async (t, tool) => {
  const gate = await startWrappedGate(t, tool)
  await uploadBlob(gate.url, 'app', BIG)
  const pid = await gate.wrapper.pid()
  process.kill(pid, 'SIGSTOP')
  const opened = begin(gate)
  await until('it is under way', async () => await downloads(gate) === 1)
  await sleep(100)
  process.kill(pid, 'SIGKILL')
  const reading = await opened
  t.equal(reading.statusCode, 200)
  isEqual(t, (await rest(reading)).bytes, BIG.bytes, 'the whole blob')
})

for (const [how, damage] of [
  ['is gone', async (path: string) => { await rm(path) }],
  ['has another length', async (path: string) => { await writeFile(path, Buffer.alloc(SIZE + 1)) }]
] as const) {
  await eachRegistry(t, `a blob that ${how} when the registry comes back: the connection breaks, no wrong byte is sent`, async (t, tool) => {
    const gate = await startWrappedGate(t, tool)
    await uploadBlob(gate.url, 'app', BIG)
    const reading = await begin(gate)
    const first = await take(reading, 1_000_000)
    await gate.wrapper.on('serve-waits')
    await gate.wrapper.kill()
    await damage(dataOf(gate, BIG))
    await gate.wrapper.off('serve-waits')
    const { bytes, broken } = await rest(reading)
    t.equal(broken, true)
    const got = Buffer.concat([first, bytes])
    t.ok(got.length < SIZE)
    isEqual(t, got, BIG.bytes.subarray(0, got.length), 'what came')
    await until('nothing is left of it', async () => await downloads(gate) === 0)
  })
}

await eachRegistry(t, 'a registry that does not come back: the download breaks when its time is up', async (t, tool) => {
  const gate = await startWrappedGate(t, tool, { settings: { hold: { timeoutSeconds: 1 } } })
  await uploadBlob(gate.url, 'app', BIG)
  const reading = await begin(gate)
  await take(reading, 1_000_000)
  await gate.wrapper.on('serve-waits')
  await gate.wrapper.kill()
  const begun = Date.now()
  t.equal((await rest(reading)).broken, true)
  const waited = Date.now() - begun
  t.ok(waited > 900 && waited < 10_000, `${waited} ms`)
  await until('nothing is left of it', async () => await downloads(gate) === 0)
  await gate.wrapper.off('serve-waits')
})

await eachRegistry(t, 'a client that does not wait: the wait ends; so does a gate that closes', async (t, tool) => {
  const gate = await startWrappedGate(t, tool)
  await uploadBlob(gate.url, 'app', BIG)
  const leaving = await begin(gate)
  const staying = await begin(gate)
  await Promise.all([take(leaving, 1_000_000), take(staying, 1_000_000)])
  await gate.wrapper.on('serve-waits')
  await gate.wrapper.kill()
  const broken = rest(staying)
  void rest(leaving)
  await sleep(500)
  t.equal(await downloads(gate), 2, 'both wait')
  leaving.destroy()
  await until('one is left', async () => await downloads(gate) === 1)
  const begun = Date.now()
  await gate.close()
  t.ok(Date.now() - begun < 10_000)
  t.equal((await broken).broken, true)
})

await eachRegistry(t, 'what goes on does not come faster than the client reads', async (t, tool) => {
  const large = blobOf(noise('a very large blob', 150_000_000))
  const files = await writeRegistryConfig(await temporaryDirectory(t))
  const wrapper = await wrapRegistry(files.directory, tool)
  const gate = await startGateProcess(t, tool, { files, binary: wrapper.binary })
  await uploadBlob(gate.url, 'app', large)
  const reading = await begin(gate, large)
  await take(reading, 20_000_000)
  const before = await gate.memory()
  const { serve } = await wrapper.calls()
  await wrapper.kill()
  await take(reading, 20_000_000)
  t.ok((await wrapper.calls()).serve > serve, 'from another registry')
  await sleep(1000) // nobody reads
  const grown = await gate.memory() - before
  t.ok(grown < 50_000_000, `${grown} bytes more`)
  t.equal((await rest(reading)).broken, false)
})
