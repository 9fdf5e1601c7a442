/** What the gate sees of pulls is remembered over restarts. */
import { truncate } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import type { Digest } from '../../src/oci/digest.js'
import type { RepositoryName, Tag } from '../../src/oci/name.js'
import { readPullTimes } from '../../src/pull-times/file.js'
import type { PullTimes } from '../../src/pull-times/pull-times.js'
import { pull, push } from '../support/client.js'
import { startGate, type Gate } from '../support/delgate.js'
import { request } from '../support/http.js'
import { ACCEPT_ALL, image, index } from '../support/images.js'
import { deleteAndWait, deleted, jobEnded } from '../support/jobs.js'
import { eachRegistry } from '../support/tools.js'

const APP = 'team/app' as RepositoryName

/** What a gate that was closed has remembered. */
async function remembered ({ directory }: Gate): Promise<PullTimes> {
  const read = await readPullTimes(join(directory, 'state', 'pulls'))
  if (read.outcome !== 'read') throw new Error(read.outcome)
  return read.times
}

/** Whether a tag, or a manifest, was pulled. */
const wasPulled = (times: PullTimes, of: string): boolean => times.lastPull(APP, of as Tag | Digest) !== undefined

await eachRegistry(t, 'GET and HEAD of a manifest are pulls, by tag and by digest, also where nothing has changed; nothing else is', async (t, tool) => {
  const began = Date.now()
  const gate = await startGate(t, tool)
  const [one, two] = [await image('one'), await image('two')]
  const both = index([two])
  await push(gate.url, APP, ['got', 'asked', 'unchanged', 'idle', 'deleted'], one)
  await push(gate.url, APP, 'multi', both)
  const ask = async (method: 'GET' | 'HEAD', reference: string, headers: object = {}) => (await request(gate.url, method, `/v2/${APP}/manifests/${reference}`, { headers: { accept: ACCEPT_ALL, ...headers } })).status
  t.equal(await ask('GET', 'got'), 200)
  t.equal(await ask('HEAD', 'asked'), 200)
  t.equal(await ask('GET', 'unchanged', { 'if-none-match': `"${one.digest}"` }), 304)
  t.equal(await ask('GET', 'deleted'), 200)
  t.equal(await ask('GET', 'none'), 404)
  t.equal((await request(gate.url, 'GET', `/v2/${APP}/tags/list`)).status, 200)
  await deleted(gate.url, `/v2/${APP}/manifests/deleted`)
  await pull(gate.url, APP, 'multi', both)
  await gate.close()
  const times = await remembered(gate)
  for (const [of, expected] of [['got', true], ['asked', true], ['unchanged', true], ['idle', false], ['deleted', false], ['none', false], ['multi', true], [one.digest, true], [both.digest, true], [two.digest, true]] as const) t.equal(wasPulled(times, of), expected, of)
  t.type(times.lastPullByDigest(APP, two.digest as Digest), 'number', 'what it lists by digest')
  const at = times.lastPull(APP, 'got' as Tag)!
  t.ok(at >= began && at <= Date.now())
  t.ok(times.since >= began && times.since <= at)
})

await eachRegistry(t, 'it survives a restart, and goes with the repository; what is put back is known to be wanted', async (t, tool) => {
  const settings = { trash: { keepFor: { tag: 1, manifest: 1, repository: 1, untagged: 1 } } }
  const gate = await startGate(t, tool, { settings })
  await push(gate.url, APP, ['v1', 'v2'], await image('one'))
  await request(gate.url, 'HEAD', `/v2/${APP}/manifests/v1`, { headers: { accept: ACCEPT_ALL } })
  await gate.close()
  const { since } = await remembered(gate)
  const next = await startGate(t, tool, { settings, files: gate })
  await next.close()
  const again = await remembered(gate)
  t.same([wasPulled(again, 'v1'), wasPulled(again, 'v2'), again.since], [true, false, since])
  const last = await startGate(t, tool, { settings, files: gate })
  const job = await deleteAndWait(last.url, `/v2/${APP}`)
  await jobEnded(last.url, await request(last.url, 'POST', `/delgate/v1/jobs/${job.id}/undo`))
  await last.close()
  const undone = await remembered(gate)
  t.same([wasPulled(undone, 'v1'), typeof undone.restoredAt(APP, 'v1' as Tag), typeof undone.restoredAt(APP, 'v2' as Tag)], [false, 'number', 'number'])
})

await eachRegistry(t, 'a damaged record does not keep the gate from starting', async (t, tool) => {
  const gate = await startGate(t, tool)
  await push(gate.url, APP, 'v1', await image('one'))
  await request(gate.url, 'HEAD', `/v2/${APP}/manifests/v1`, { headers: { accept: ACCEPT_ALL } })
  await gate.close()
  const { since } = await remembered(gate)
  await truncate(join(gate.directory, 'state', 'pulls'), 20)
  const next = await startGate(t, tool, { files: gate })
  await next.close()
  const times = await remembered(gate)
  t.equal(wasPulled(times, 'v1'), false)
  t.ok(times.since > since, 'it counts from now')
})
