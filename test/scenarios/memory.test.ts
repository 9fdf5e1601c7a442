/** Scenario 39: a blob of 5 GB goes up and down, and Delgate's memory stays flat. */
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import t from 'tap'
import { beginUpload, commitUpload, followLocation, pull, push } from '../support/client.js'
import { startGateProcess, type GateProcess } from '../support/delgate-process.js'
import { expectStatus, open, read } from '../support/http.js'
import { image, noise } from '../support/images.js'
import { eachRegistry } from '../support/tools.js'

const MEBIBYTE = 1024 * 1024
const SIZE = 5_000_000_000
const ALLOWED_GROWTH = 64 * MEBIBYTE
const TRANSFER_TIMEOUT = 240_000

const block = noise('five gigabytes', MEBIBYTE)
/** The blob's digest, known once it was sent for the first time: hashing takes longer than all the rest. */
let digest: string | undefined

/** The blob, made while it is sent: one block again and again. */
function * blob (): Generator<Buffer> {
  const hash = digest === undefined ? createHash('sha256') : undefined
  for (let sent = 0; sent < SIZE; sent += block.length) {
    const chunk = block.subarray(0, Math.min(block.length, SIZE - sent))
    hash?.update(chunk)
    yield chunk
  }
  digest ??= `sha256:${hash!.digest('hex')}`
}

/** Reads the blob and compares it with what was sent; the number of bytes that were right. */
async function verify (stream: AsyncIterable<Buffer>): Promise<number> {
  let received = 0
  for await (let chunk of stream) {
    while (chunk.length > 0) {
      const at = received % block.length
      const part = chunk.subarray(0, block.length - at)
      if (!part.equals(block.subarray(at, at + part.length))) return received
      received += part.length
      chunk = chunk.subarray(part.length)
    }
  }
  return received
}

/** Samples the memory while the work runs; the largest value seen. */
async function peakDuring (gate: GateProcess, work: () => Promise<void>): Promise<number> {
  let peak = await gate.memory()
  let sampling = Promise.resolve()
  const timer = setInterval(() => {
    sampling = gate.memory().then((now) => { peak = Math.max(peak, now) })
  }, 50)
  await work().finally(() => { clearInterval(timer) })
  await sampling
  return peak
}

await eachRegistry(t, 'scenario 39: memory stays within 64 MiB of idle while 5 GB go up and down', async (t, tool) => {
  const gate = await startGateProcess(t, tool)
  const warmUp = await image('warm-up')
  await push(gate.url, 'small', 'v1', warmUp)
  await pull(gate.url, 'small', 'v1', warmUp)
  const idle = await gate.memory()

  const up = await peakDuring(gate, async () => {
    const location = await beginUpload(gate.url, 'big')
    const body = Readable.from(blob(), { objectMode: false, highWaterMark: MEBIBYTE })
    const answer = await read(await open(gate.url, 'PATCH', location, { body, headers: { 'content-type': 'application/octet-stream' }, timeout: TRANSFER_TIMEOUT }))
    await commitUpload(gate.url, followLocation(gate.url, location, expectStatus(answer, 202, 'PATCH')), digest!)
  })
  t.ok(up - idle <= ALLOWED_GROWTH, `up: ${Math.round((up - idle) / MEBIBYTE)} MiB over idle`)

  const down = await peakDuring(gate, async () => {
    const answer = await open(gate.url, 'GET', `/v2/big/blobs/${digest}`, { timeout: TRANSFER_TIMEOUT })
    t.equal(await verify(answer), SIZE, 'every byte came back')
  })
  t.ok(down - idle <= ALLOWED_GROWTH, `down: ${Math.round((down - idle) / MEBIBYTE)} MiB over idle`)
})
