// How soon the first page of repositories, tags and disk use is there on a generated registry, by the interface, the command line
// and the page, and whether asking takes memory.
import { mkdirSync, mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { cacheDirectory, findRegistry } from '../scripts/lib/registry-binary.mjs'
import { say } from '../scripts/lib/run.mjs'
import { ask, until } from './api.mjs'
import { residentBytes, startedSeconds } from './gate.mjs'
import { lackOfRoom, writeRegistry } from './generate.mjs'
import { removeTree } from './remove.mjs'
import { commandSeconds, pageSeconds } from './views.mjs'

/** What a page and a command line ask for first. */
const FIRST_VIEWS = {
  'repositories by name': '/delgate/v1/repositories?n=100',
  'repositories by size': '/delgate/v1/repositories?n=100&sort=bytes',
  'disk use': '/delgate/v1/usage',
  'tags of a repository': '/delgate/v1/repositories/bench/r0000/tags?n=100'
}
/** So often everything is asked, to see whether memory grows. */
const ROUNDS = 20
const MEBIBYTE = 1024 * 1024
/** Aim of the first answer, seconds. */
const AIM_SECONDS = 1

/** @param directories gains what is to be removed when the run ends early */
export async function benchCatalog ({ sizes, directory: parent }, directories) {
  const registry = findRegistry((version) => version.startsWith('3.1.'), [cacheDirectory]) ?? findRegistry((version) => version.startsWith('2.8.'), [cacheDirectory])
  if (registry === undefined) return
  const results = []
  for (const images of sizes) {
    const lack = lackOfRoom(parent, images)
    if (lack !== undefined) say(`${images} manifests: left out, there is not enough room in ${parent}: ${lack} (--directory names another)`)
    else results.push(await measure(images, registry, parent, directories))
  }
  if (results.length > 1) console.log(table(results))
}

async function measure (images, registry, parent, directories) {
  const directory = mkdtempSync(join(parent, 'delgate-bench-'))
  directories.add(directory)
  const [storage, state] = [join(directory, 'registry'), join(directory, 'state')]
  mkdirSync(state)
  writeRegistry(storage, images, (done) => { say(`[${images} manifests] ${done} generated`) })
  const cold = await visit({ directory, storage, state, registry }, (text) => { say(`[${images} manifests] first start: ${text}`) })
  const saved = await visit({ directory, storage, state, registry }, (text) => { say(`[${images} manifests] second start: ${text}`) })
  console.log(table([{ images, cold, saved }]))
  removeTree(directory)
  directories.delete(directory)
  return { images, cold, saved }
}

/** One start: how long until all is known, the first answers, and what many more cost. */
async function visit (where, log) {
  const start = performance.now()
  const { url, pid, seconds, stop } = await startedSeconds(where)
  const answers = {}
  for (const [name, path] of Object.entries(FIRST_VIEWS)) answers[name] = await timed(url, path)
  const commands = await commandSeconds(url)
  const page = await pageSeconds(url)
  if (page === undefined) log('the page: left out, chromium is missing (Debian package chromium)')
  await until('everything is measured', async () => { const usage = await (await ask(url, 'GET', FIRST_VIEWS['disk use'], { expect: 200 })).json(); return usage.measuredAt !== null && usage.measured }, { every: 200, seconds: 3600 })
  const measured = (performance.now() - start) / 1000
  log(`index after ${seconds.toFixed(1)} s, measured after ${measured.toFixed(1)} s`)
  const before = residentBytes(pid)
  for (let round = 0; round < ROUNDS; round++) for (const path of Object.values(FIRST_VIEWS)) await timed(url, path)
  const grown = residentBytes(pid) - before
  await stop()
  return { seconds, measured, answers, commands, page, before, grown }
}

async function timed (url, path) {
  const start = performance.now()
  await (await ask(url, 'GET', path, { expect: 200 })).text()
  return (performance.now() - start) / 1000
}

function table (results) {
  const row = (name, of, aim = '') => `${name.padEnd(52)}${results.flatMap(({ cold, saved }) => [cold, saved].map((visit) => of(visit).padEnd(15))).join('')}${aim}`.trimEnd()
  const seconds = (value) => value < 1 ? `${(value * 1000).toFixed(0)} ms` : `${value.toFixed(1)} s`
  return ['',
    `${'manifests'.padEnd(52)}${results.flatMap(({ images }) => [images.toLocaleString('en'), '(index saved)'].map((text) => text.padEnd(15))).join('')}`.trimEnd(),
    ...Object.keys(FIRST_VIEWS).map((name) => row(`first answer: ${name}`, ({ answers }) => seconds(answers[name]), `under ${AIM_SECONDS} s`)),
    ...Object.keys(results[0]?.cold.commands ?? {}).map((name) => row(name, ({ commands }) => seconds(commands[name]), `under ${AIM_SECONDS} s`)),
    row('the page shows repositories', ({ page }) => page === undefined ? '–' : seconds(page), `under ${AIM_SECONDS} s`),
    row('index complete', (visit) => seconds(visit.seconds)),
    row('everything measured', ({ measured }) => seconds(measured)),
    row('resident memory', ({ before }) => `${Math.round(before / MEBIBYTE)} MiB`),
    row(`its growth over ${ROUNDS * Object.keys(FIRST_VIEWS).length} more answers`, ({ grown }) => `${(grown / MEBIBYTE).toFixed(1)} MiB`, 'flat')
  ].join('\n')
}
