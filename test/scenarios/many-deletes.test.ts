/** Many deletions at once, and a client that goes away in the middle of one. */
import t from 'tap'
import { start } from '../support/http.js'
import { digestsOf, image, layer } from '../support/images.js'
import { manifestStatus, pull, push, putManifest, tagsOf } from '../support/client.js'
import { startGate, startWrappedGate } from '../support/delgate.js'
import { assertClean } from '../support/disk.js'
import { allJobs, del, hasEnded, jobEnded } from '../support/jobs.js'
import { eachPair } from '../support/pairs.js'
import { until } from '../support/temporary.js'
import { eachRegistry } from '../support/tools.js'

const COUNT = 50
/** More than the first and what arrived while it ran would mean that deletions are not coalesced. */
const A_FEW = 4

await eachPair(t, 'scenario 20: 50 DELETEs at once make a few collections, one restart each at most', async (t, tool, { name, collection }) => {
  const gate = await startWrappedGate(t, tool, { settings: { collection } })
  const base = await layer('base of many')
  const images = await Promise.all(Array.from({ length: COUNT }, async (_, at) => image(`many ${at}`, { layers: [base, await layer(`many ${at}`)] })))
  const survivor = await image('survivor', { layers: [base] })
  await push(gate.url, 'app', 'survivor', survivor)
  for (const [at, one] of images.entries()) await push(gate.url, 'app', `v${at}`, one)
  const before = await gate.wrapper.calls()

  const paths = images.map((_, at) => `/v2/app/manifests/v${at}`)
  const answers = await Promise.all(paths.map((path) => del(gate.url, path)))
  t.same(answers.map(({ status }) => status), Array(COUNT).fill(202), 'all 202')
  const jobs = await Promise.all(answers.map((answer) => jobEnded(gate.url, answer)))
  t.same(jobs.map(({ state }) => state), Array(COUNT).fill('done'))
  t.equal(new Set(jobs.map(({ id }) => id)).size, COUNT, 'one job each')

  const { serve, collect } = await gate.wrapper.calls()
  const collections = collect - before.collect
  if (name === 'registry+restart') t.ok(collections >= 1 && collections <= A_FEW, `${collections} collections`)
  else t.equal(collections, 0, 'the registry does not collect')
  t.ok(serve - before.serve <= collections, `${serve - before.serve} restarts`)

  const repeated = await Promise.all(paths.map((path) => del(gate.url, path)))
  t.same(repeated.map(({ status }) => status), Array(COUNT).fill(404), 'all repeated: 404')
  await pull(gate.url, 'app', 'survivor', survivor)
  const gone = digestsOf(...images).filter((digest) => digest !== base.digest)
  await assertClean(t, gate, { digests: gone })
  const freed = jobs.flatMap(({ receipt }) => receipt?.blobs ?? []).map(({ digest }) => digest)
  t.same(freed.sort(), [...gone].sort(), 'each blob is in exactly one receipt')
})

await eachRegistry(t, 'two DELETEs of the same tag at once: one job, never an error', async (t, tool) => {
  const gate = await startGate(t, tool)
  const content = await image('twice')
  for (let round = 0; round < 5; round += 1) {
    await push(gate.url, 'app', 'v1', content)
    const answers = await Promise.all([1, 2, 3].map(() => del(gate.url, '/v2/app/manifests/v1')))
    const accepted = answers.filter(({ status }) => status === 202)
    t.ok(accepted.length >= 1, 'one is accepted')
    t.same(answers.map(({ status }) => status).filter((status) => status !== 202 && status !== 404), [], 'the rest are 202 or 404')
    for (const answer of accepted) t.equal((await jobEnded(gate.url, answer)).state, 'done')
  }
  await assertClean(t, gate, { digests: digestsOf(content), repositories: ['app'] })
})

await eachRegistry(t, 'scenario 21: the client goes away in the middle of deleting 1,000 tags; the job completes', async (t, tool) => {
  const gate = await startGate(t, tool)
  const content = await image('a thousand tags')
  const kept = await image('kept')
  await push(gate.url, 'kept', 'v1', kept)
  await push(gate.url, 'app', 'v0', content)
  const tags = Array.from({ length: 1_000 }, (_, at) => `v${at}`)
  const waiting = [...tags]
  await Promise.all(Array.from({ length: 8 }, async () => {
    for (let tag = waiting.pop(); tag !== undefined; tag = waiting.pop()) await putManifest(gate.url, 'app', tag, content)
  }))

  const { request, promise } = start(gate.url, 'DELETE', '/v2/app')
  promise.catch(() => {})
  request.end()
  // It has arrived when its job is there; a slow answer is then cut off in the middle.
  await until('the job exists', async () => (await allJobs(gate.url)).length > 0, 30_000, 1)
  request.destroy()

  const job = await until('the job ends', async () => (await allJobs(gate.url)).find(hasEnded))
  t.equal(job.state, 'done')
  t.equal(job.receipt?.counts.tags, tags.length)
  t.equal(await tagsOf(gate.url, 'app'), undefined)
  t.equal(await manifestStatus(gate.url, 'app', 'v500'), 404)
  await pull(gate.url, 'kept', 'v1', kept)
  await assertClean(t, gate, { digests: digestsOf(content), repositories: ['app'] })
})
