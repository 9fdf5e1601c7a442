// Delgate on a generated registry: its start, single deletions, many deletions, and pushes beside them.
import { readFileSync } from 'node:fs'
import { deleteTag, deleteWhole, pullImage, pushImage, status, until, untilIdle } from './api.mjs'
import { blobOf, imageOf } from './generate.mjs'
import { median } from './report.mjs'
import { startDelgate } from './servers.mjs'

/** Single deletions, each waited for; fewer where they take longer than this in all, seconds. */
const SINGLE = 15
const SINGLE_SECONDS = 240
/** Deletions one after the other; a small registry gives up to this part of its images for each series. */
const MANY = 1000
const MANY_PART = 0.15
/** Deletions while others push. */
const BESIDE_PUSHES = 200
const PUSHERS = 4

/** Resident memory of a process, bytes. */
export const residentBytes = (pid) => Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024

/** Starts Delgate and waits until its index is complete, or until it is ready where there is no index. */
export async function startedSeconds ({ directory, storage, state, registry }) {
  const start = performance.now()
  const { delgate, stop } = await startDelgate(directory, { storage, state, flags: ['--registry.process.binary', registry.path, '--log.level', 'info'] })
  await until('the index is complete', async () => (await status(delgate.url)).index?.complete !== false)
  const seconds = (performance.now() - start) / 1000
  return { seconds, url: delgate.url, pid: delgate.pid, residentBytes: residentBytes(delgate.pid), stop }
}

/** All that is measured of Delgate with one registry. */
export async function measureGate ({ registry, directory, storage, state, supply, images, empty, log }) {
  const cold = await startedSeconds({ directory, storage, state, registry })
  const { collector, freshness, index } = await status(cold.url)
  const residentGrowth = (cold.residentBytes - empty.residentBytes) / images
  await cold.stop()
  const { seconds: saved, url, stop } = await startedSeconds({ directory, storage, state, registry })
  log(`collector ${collector}, freshness ${freshness}; start ${cold.seconds.toFixed(2)} s, the second ${saved.toFixed(2)} s`)

  const single = await deleteSingly(url, storage, () => supply.take(1, true)[0], (text) => { log(`one tag, the first in its repository: ${text}`) })
  const next = await deleteSingly(url, storage, () => supply.take(1, false)[0], (text) => { log(`one tag, where one was deleted before: ${text}`) })
  const count = Math.min(MANY, Math.floor(images * MANY_PART))
  const spread = await deleteMany(url, supply.take(count, true))
  log(`${count} tags spread over all repositories: ${spread.total.toFixed(1)} s`)
  const ordered = await deleteMany(url, supply.take(count, false))
  log(`${count} tags, one repository after the other: ${ordered.total.toFixed(1)} s`)
  const claims = await deleteBesidePushes(url, supply.take(Math.min(BESIDE_PUSHES, count), true))
  log(`${claims.pushes} pushes beside deletions: slowest HEAD ${(claims.slowest * 1000).toFixed(1)} ms`)
  await stop()
  return { line: registry.line, collector, freshness, cold: cold.seconds, saved, empty: empty.seconds, index, residentGrowth, single, next, count, spread, ordered, claims }
}

async function deleteSingly (url, storage, take, log) {
  const start = performance.now()
  const results = []
  let last
  while (results.length < SINGLE && (results.length === 0 || performance.now() - start < SINGLE_SECONDS * 1000)) {
    last = take()
    results.push(await deleteWhole(url, storage, last))
  }
  // That a push is safe again is not only said.
  await pushImage(url, last)
  await pullImage(url, last)
  const [gone, over] = ['gone', 'over'].map((key) => median(results.map((one) => one[key])))
  log(`blobs gone after ${(gone * 1000).toFixed(1)} ms, all over after ${(over * 1000).toFixed(1)} ms (median of ${results.length})`)
  return { gone, over, count: results.length }
}

/** Each DELETE is sent when the 202 of the one before has come. */
async function deleteMany (url, images) {
  const start = performance.now()
  for (const image of images) await deleteTag(url, image)
  const accepted = (performance.now() - start) / 1000
  await untilIdle(url)
  return { accepted, total: (performance.now() - start) / 1000 }
}

/** Clients push, and ask for blobs that are just being swept, while tags go. */
async function deleteBesidePushes (url, images) {
  const work = { isOver: false, swept: images[0], slowest: 0, pushes: 0 }
  const clients = Promise.all(Array.from({ length: PUSHERS }, async (_, client) => { await pushUntilOver(url, client, work) }))
  try {
    for (const image of images) {
      await deleteTag(url, image)
      work.swept = image
    }
  } finally {
    work.isOver = true
    await clients
  }
  const { claims } = await status(url)
  return { slowest: work.slowest, pushes: work.pushes, longestWaitMs: claims?.longestWaitMs }
}

async function pushUntilOver (url, client, work) {
  const shared = blobOf(`shared layer of client ${client}`)
  const onClaim = (seconds) => { work.slowest = Math.max(work.slowest, seconds) }
  for (let round = 0; !work.isOver; round++) {
    const fresh = blobOf(`layer ${round} of client ${client}`)
    // A layer that the last deletion left: whatever the answer is, it has to be right at that moment.
    const layers = [shared, fresh, work.swept.blobs[1 + (round + client) % 6]]
    const repository = round % 2 === 0 ? work.swept.repository : `bench/push${client}`
    await pushImage(url, imageOf(repository, `push${client}-${round % 10}`, blobOf(JSON.stringify({ client, round })), layers), onClaim)
    work.pushes++
  }
}
