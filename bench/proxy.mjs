// Blob pull, blob push and manifest GET: the registry alone, through nginx, and through Delgate, interleaved in one run.
// The claim is the ratio of medians; the machine's raw numbers stand beside it.
import { mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findProgram } from '../scripts/lib/run.mjs'
import { makeBlob, pushBlob, pushManifest } from './data.mjs'
import { loadTool, measureManifests, measurePatch, measurePull, measurePut } from './measure.mjs'
import { heading, line } from './report.mjs'
import { startDelgate, startNginx, stopAll } from './servers.mjs'

/** In memory where there is room: the disk is not what is compared. */
function workDirectory (bytes) {
  const needed = 4 * bytes
  const hasRoom = (path) => { try { const { bavail, bsize } = statfsSync(path); return bavail * bsize > needed } catch { return false } }
  return mkdtempSync(join(hasRoom('/dev/shm') ? '/dev/shm' : tmpdir(), 'delgate-bench-'))
}

/** The cases by name; each is measured for one target at a time. */
function casesOf ({ mebibytes, seconds, connections }, blob, manifest) {
  return [
    { key: 'pull', name: `blob pull, ${mebibytes} MiB`, unit: 'MB/s', measure: (target) => measurePull(target, blob) },
    { key: 'put', name: `blob push, one PUT, ${mebibytes} MiB`, unit: 'MB/s', measure: (target) => measurePut(target, blob) },
    { key: 'patch', name: `blob push, chunked PATCH, ${mebibytes} MiB`, unit: 'MB/s', measure: (target) => measurePatch(target, blob) },
    { key: 'manifest', name: `manifest GET, ${connections} connections`, unit: '/s', measure: (target) => measureManifests(target, manifest, { seconds, connections }) }
  ]
}

/** What `--only` may name here. */
export const proxyCases = casesOf({}).map(({ key }) => key)

/** @param directories gains what is to be removed when the run ends early */
export async function benchProxy ({ rounds, only, ...options }, directories) {
  if (findProgram('curl') === undefined) throw new Error('the benchmark needs curl')
  const directory = workDirectory(options.mebibytes * 1024 * 1024)
  directories.add(directory)
  const { delgate, registry } = await startDelgate(directory)
  const nginx = await startNginx(directory, registry.url)
  const targets = [registry, nginx, delgate].filter((target) => target !== undefined)
  const blob = await makeBlob(directory, options.mebibytes * 1024 * 1024)
  await pushBlob(registry.url, blob)
  const manifest = await pushManifest(registry.url, blob)

  console.log(`${rounds} rounds, interleaved; medians. nginx: ${nginx === undefined ? 'not installed' : '1 worker, no buffering'}. Load for manifests: ${loadTool}. Storage in ${directory.startsWith('/dev/shm') ? 'memory' : 'the temporary directory'}.\n`)
  console.log(heading)
  for (const { name, unit, measure } of casesOf(options, blob, manifest).filter(({ key }) => only.includes(key))) {
    const results = new Map(targets.map((target) => [target.name, []]))
    for (const target of targets) await measure(target) // once without counting: caches, connections, the compiler
    for (let round = 0; round < rounds; round++) {
      for (const target of targets) results.get(target.name).push(await measure(target))
    }
    console.log(line(name, unit, results))
  }
  console.log('\nAbove 1: Delgate is faster, or uses less CPU time. CPU is that of the proxy\'s process alone.')
  await stopAll()
  rmSync(directory, { recursive: true, force: true })
}
