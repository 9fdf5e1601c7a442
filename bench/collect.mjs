// The registry's own collector, timed.
import { spawn } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { manifestsDirectory } from './generate.mjs'

/** A configuration for `garbage-collect` on that storage; returns its path. */
export function writeCollectConfig (directory, storage) {
  const path = join(directory, 'collect.json')
  writeFileSync(path, JSON.stringify({
    version: '0.1',
    log: { level: 'error' },
    storage: { filesystem: { rootdirectory: storage }, delete: { enabled: true } },
    http: { addr: '127.0.0.1:0' }
  }))
  return path
}

/** Runs the collector to its end; resolves to the seconds that it took. What it prints is thrown away. */
export async function collect ({ path, version }, config, flags = []) {
  const start = performance.now()
  const child = spawn(path, ['garbage-collect', ...flags, config], { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, OTEL_TRACES_EXPORTER: 'none' } })
  let said = ''
  child.stderr.on('data', (chunk) => { said = (said + chunk).slice(-2000) })
  const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve))
  if (code !== 0) throw new Error(`garbage-collect of ${version} ended with ${code}: ${said}`)
  return (performance.now() - start) / 1000
}

/** What DELETE of a digest leaves of an image: nothing but garbage. */
export function unlink (storage, { repository, tag, manifest }) {
  const manifests = manifestsDirectory(storage, repository)
  for (const path of [join('tags', tag), join('revisions/sha256', manifest.hex)]) rmSync(join(manifests, path), { recursive: true })
}
