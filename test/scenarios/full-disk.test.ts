/** Scenario 33: the disk is full, truly, or cannot be written to. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { push, pull } from '../support/client.js'
import { startGate, type Gate, type PartialSettings } from '../support/delgate.js'
import { assertClean, listing } from '../support/disk.js'
import { json, ociError, request } from '../support/http.js'
import { digestsOf, image, layer, type Image } from '../support/images.js'
import { del, deleteAndWait, jobAt, jobEnded } from '../support/jobs.js'
import { eachPair, type Pair } from '../support/pairs.js'
import { writeRegistryConfig } from '../support/registry.js'
import { assertRepush } from '../support/repush.js'
import { SmallDisk, skipWithoutMount } from '../support/small-disk.js'
import { temporaryDirectory, until } from '../support/temporary.js'
import type { RegistryTool } from '../support/tools.js'

const DISK_BYTES = 24 * 1024 * 1024
const LAYER_BYTES = 3_000_000
const RESERVE_BYTES = 262_144

interface Stage { readonly disk: SmallDisk, readonly gate: Gate, readonly content: Image, readonly kept: Image, readonly reserve: () => Promise<number | undefined> }

/** The registry's files and Delgate's own on the same disk, with an image to delete and one to keep. */
async function staged (t: Test, tool: RegistryTool, { collection }: Pair, state: Partial<NonNullable<PartialSettings['state']>>): Promise<Stage> {
  const disk = await SmallDisk.mount(t, DISK_BYTES)
  const gate = await startGate(t, tool, { files: await writeRegistryConfig(disk.directory), settings: { collection, state } })
  const [content, kept] = [await image('content', { layers: [await layer('content', LAYER_BYTES)] }), await image('kept')]
  await push(gate.url, 'app', 'v1', content)
  await push(gate.url, 'kept', 'v1', kept)
  const reserve = async (): Promise<number | undefined> => await stat(join(disk.directory, 'state', 'reserve')).then(({ size }) => size, () => undefined)
  return { disk, gate, content, kept, reserve }
}

await t.test('with a file system of its own', { skip: skipWithoutMount, timeout: 240_000 }, async t => {
  await eachPair(t, 'scenario 33: what fills the disk can be deleted, with the room that is kept for that', async (t, tool, pair) => {
    const { disk, gate, content, kept, reserve } = await staged(t, tool, pair, { reserveBytes: RESERVE_BYTES })
    t.equal(await reserve(), RESERVE_BYTES)
    await disk.fill()
    await t.rejects(push(gate.url, 'other', 'v1', await image('other')), 'there is no room for anything')
    const job = await deleteAndWait(gate.url, '/v2/app/manifests/v1')
    t.ok(job.receipt!.bytesFreed > LAYER_BYTES)
    await assertClean(t, gate, { digests: digestsOf(content), repositories: ['app'] })
    await until('the room is kept again', async () => await reserve() === RESERVE_BYTES)
    // The room that is kept, and what the refused push left, have come in between.
    const smaller = await image('smaller', { layers: [await layer('smaller', LAYER_BYTES / 2)] })
    await push(gate.url, 'app', 'v1', smaller)
    await pull(gate.url, 'app', 'v1', smaller)
    await disk.free()
    await assertRepush(t, gate.url, 'app', 'v1', content)
    await pull(gate.url, 'kept', 'v1', kept)
  })

  await eachPair(t, 'scenario 33: without such room a deletion is refused before anything is touched', async (t, tool, pair) => {
    const { disk, gate, content, reserve } = await staged(t, tool, pair, { reserveBytes: DISK_BYTES / 3 })
    t.equal(await reserve(), undefined, 'not where it would be what fills the disk')
    await disk.fill()
    const before = await listing(gate.storage)
    const answer = await del(gate.url, '/v2/app/manifests/v1')
    t.equal(answer.status, 503)
    t.match(ociError(answer).message, /nothing was deleted.*ENOSPC.*make room/)
    t.same(await listing(gate.storage), before)
    t.same(json<{ jobs: unknown[] }>(await request(gate.url, 'GET', '/delgate/v1/jobs')).jobs, [])
    await disk.free()
    await pull(gate.url, 'app', 'v1', content)
    await deleteAndWait(gate.url, '/v2/app/manifests/v1')
    await assertClean(t, gate, { digests: digestsOf(content), repositories: ['app'] })
  })

  await eachPair(t, 'scenario 33: the registry\'s files cannot be written: the job says so, and is done once they can be', async (t, tool, { collection }) => {
    const disk = await SmallDisk.mount(t, DISK_BYTES)
    const files = await writeRegistryConfig(await temporaryDirectory(t), { storage: disk.directory })
    const gate = await startGate(t, tool, { files, settings: { collection: { ...collection, attempts: 1000 } } })
    const content = await image('content')
    await push(gate.url, 'app', 'v1', content)
    await disk.setWritable(false)
    const before = await listing(gate.storage)
    const answer = await del(gate.url, '/v2/app/manifests/v1')
    t.equal(answer.status, 500)
    const { message, detail } = ociError(answer)
    t.match(message, /was accepted.*tried again.*job says why/)
    const path = `/delgate/v1/jobs/${(detail as { job: string }).job}`
    await until('it says why', async () => { const { state, error } = await jobAt(gate.url, path); return state === 'failed' && /EROFS|read-only/i.test(JSON.stringify(error ?? '')) })
    t.same(await listing(gate.storage), before)
    await pull(gate.url, 'app', 'v1', content)
    await disk.setWritable(true)
    t.equal((await jobEnded(gate.url, { ...answer, headers: { location: path } })).state, 'done')
    await assertClean(t, gate, { digests: digestsOf(content), repositories: ['app'] })
  })
})
