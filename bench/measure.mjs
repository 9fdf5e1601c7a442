// One measurement each: `rate`, and `cpu`, the seconds of CPU time that the proxy's process spent per unit of work.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { findProgram } from '../scripts/lib/run.mjs'
import { LIMIT_SECONDS, curl, run } from './curl.mjs'
import { openUpload, pushBlob, repository } from './data.mjs'

/** Ticks of /proc/<pid>/stat in a second: fixed on Linux. */
const TICKS = 100
const MEGABYTE = 1_000_000

const wrk = findProgram('wrk')
/** What makes the load of the manifest GETs. */
export const loadTool = wrk === undefined ? 'bench/load.mjs (wrk is not installed; it costs more, so ratios come out closer to 1)' : 'wrk'

/** CPU time that a process has used so far, seconds; `undefined` where the system does not say. */
function cpuSeconds (pid) {
  if (pid === undefined) return undefined
  try {
    const [user, system] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ').slice(11, 13)
    return (Number(user) + Number(system)) / TICKS
  } catch {
    return undefined
  }
}

/** @param work resolves to the amount of work done and the seconds it took. */
async function measured ({ pid }, work) {
  const before = cpuSeconds(pid)
  const { amount, seconds } = await work()
  const after = cpuSeconds(pid)
  return { rate: amount / seconds, cpu: before === undefined ? undefined : (after - before) / amount }
}

export const measurePull = (target, blob) => measured(target, async () => ({
  amount: blob.size / MEGABYTE,
  seconds: await curl([`${target.url}/v2/${repository}/blobs/${blob.digest}`], 200)
}))

export const measurePut = (target, blob) => measured(target, async () => ({ amount: blob.size / MEGABYTE, seconds: await pushBlob(target.url, blob) }))

/** As docker sends layers: one PATCH with `Transfer-Encoding: chunked`. The upload is cancelled afterwards. */
export async function measurePatch (target, blob) {
  const location = await openUpload(target.url)
  const result = await measured(target, async () => ({
    amount: blob.size / MEGABYTE,
    seconds: await curl(['-X', 'PATCH', '-T', blob.path, '-H', 'Transfer-Encoding: chunked', '-H', 'Content-Type: application/octet-stream', location], 202)
  }))
  await fetch(location, { method: 'DELETE' })
  return result
}

export const measureManifests = (target, { path, mediaType }, { seconds, connections }) => measured(target, async () => {
  const url = target.url + path
  const [program, args] = wrk !== undefined
    ? [wrk, ['-t1', `-c${connections}`, `-d${seconds}s`, '-H', `Accept: ${mediaType}`, url]]
    : [process.execPath, [fileURLToPath(new URL('./load.mjs', import.meta.url)), url, mediaType, String(connections), String(seconds)]]
  const { stdout } = await run(program, args, { timeout: (seconds + LIMIT_SECONDS) * 1000 })
  if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(stdout)
  const [, requests, took] = /(\d+) requests in ([\d.]+)s/.exec(stdout)
  return { amount: Number(requests), seconds: Number(took) }
})
