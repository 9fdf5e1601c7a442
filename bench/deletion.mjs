// What a deletion costs: Delgate beside the registry's own garbage-collect, on the same generated registries, in one run.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { cacheDirectory, findRegistry } from '../scripts/lib/registry-binary.mjs'
import { say } from '../scripts/lib/run.mjs'
import { collect, unlink, writeCollectConfig } from './collect.mjs'
import { imageAt, lackOfRoom, writeRegistry } from './generate.mjs'
import { measureGate, startedSeconds } from './gate.mjs'
import { removeTree } from './remove.mjs'
import { median } from './report.mjs'
import { deletionTable } from './deletion-report.mjs'

/** Runs of the collector that are timed, for registries up to that many images; larger ones are collected once. */
const ROUNDS = 3
const ROUNDS_UP_TO = 10_000

const seconds = (value) => `${value.toFixed(value < 10 ? 2 : 1)} s`

/** The registries of the two release lines that are on this machine. */
function registries () {
  return ['2.8', '3.1'].flatMap((line) => {
    const found = findRegistry((version) => version.startsWith(`${line}.`), [cacheDirectory])
    if (found === undefined) say(`registry ${line} is missing: it is left out (npm test obtains it)`)
    return found === undefined ? [] : [{ ...found, line }]
  })
}

/** Hands out images in an order that takes one of each repository in turn, or one repository after the other. */
class Supply {
  #taken = new Set()
  constructor (images) { this.images = images }

  /** @param spread one of each repository in turn */
  take (count, spread) {
    const repositories = Math.ceil(this.images / 100)
    const order = (at) => spread ? (at % repositories) * 100 + Math.floor(at / repositories) : at
    const taken = []
    for (let at = 0; taken.length < count && at < repositories * 100; at++) {
      const number = order(at)
      if (number >= this.images || this.#taken.has(number)) continue
      this.#taken.add(number)
      taken.push(imageAt(number))
    }
    return taken
  }
}

/** @param directories gains what is to be removed when the run ends early */
export async function benchDeletion ({ sizes, directory: parent }, directories) {
  const found = registries()
  if (found.length === 0) return
  const results = []
  const empty = await startOnNothing(found, parent, directories)
  for (const images of sizes) {
    const lack = lackOfRoom(parent, images)
    if (lack !== undefined) {
      say(`${images} manifests: left out, there is not enough room in ${parent}: ${lack} (--directory names another)`)
      continue
    }
    results.push(await measureSize(images, found, empty, parent, directories))
  }
  console.log(deletionTable(results))
}

/** The start, and the resident memory after it, of a Delgate that has nothing to index; by the registry's release line. */
async function startOnNothing (found, parent, directories) {
  const directory = mkdtempSync(join(parent, 'delgate-bench-'))
  directories.add(directory)
  writeRegistry(join(directory, 'registry'), 1)
  const empty = new Map()
  for (const registry of found) {
    const { seconds, residentBytes, stop } = await startedSeconds({ directory, storage: join(directory, 'registry'), state: join(directory, `state-${registry.line}`), registry })
    await stop()
    empty.set(registry.line, { seconds, residentBytes })
  }
  remove(directory, directories)
  return empty
}

async function measureSize (images, found, empty, parent, directories) {
  const directory = mkdtempSync(join(parent, 'delgate-bench-'))
  directories.add(directory)
  const storage = join(directory, 'registry')
  const log = (text) => { say(`[${images} manifests] ${text}`) }
  const supply = new Supply(images)
  await generate(storage, images, log)
  const collected = []
  for (const registry of found) collected.push(await measureCollector({ registry, directory, storage, supply, images, log }))
  const gates = []
  for (const registry of found) {
    const state = join(directory, `state-${registry.line}`)
    mkdirSync(state)
    gates.push(await measureGate({ registry, directory, storage, state, supply, images, empty: empty.get(registry.line), log: (text) => { log(`Delgate on ${registry.line}: ${text}`) } }))
  }
  log('removing the registry')
  remove(directory, directories)
  return { images, collected, gates }
}

async function generate (storage, images, log) {
  const start = performance.now()
  writeRegistry(storage, images, (done) => { log(`${done} generated after ${seconds((performance.now() - start) / 1000)}`) })
  log(`generated in ${seconds((performance.now() - start) / 1000)}`)
  spawnSync('sync', ['-f', storage]) // The disk's work for the generator is not what is measured.
}

async function measureCollector ({ registry, directory, storage, supply, images, log }) {
  const config = writeCollectConfig(directory, storage)
  const rounds = images <= ROUNDS_UP_TO ? ROUNDS : 1
  await collect(registry, config, ['--dry-run']) // once without counting, so that the page cache is warm
  const [dry, real] = [[], []]
  for (let round = 0; round < rounds; round++) {
    dry.push(await collect(registry, config, ['--dry-run']))
    unlink(storage, supply.take(1, true)[0])
    real.push(await collect(registry, config))
  }
  log(`garbage-collect of ${registry.version}: ${seconds(median(real))}, --dry-run ${seconds(median(dry))}`)
  return { line: registry.line, dry: median(dry), real: median(real) }
}

function remove (directory, directories) {
  removeTree(directory)
  directories.delete(directory)
}
