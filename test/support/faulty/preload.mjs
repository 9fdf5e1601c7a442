/**
 * Preloaded into Delgate (`node --import`): every call that changes the registry's tree or the state directory, every
 * program that is started, and every request to the registry and its answer is a step; see steps.mjs. Delgate changes
 * files by promises and by direct calls only.
 */
import childProcess from 'node:child_process'
import { subscribe } from 'node:diagnostics_channel'
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { placeOf } from './places.mjs'
import * as power from './power.mjs'
import { step, stepAsync } from './steps.mjs'
import * as treePower from './tree-power.mjs'

const original = { open: fs.promises.open, writeFileSync: fs.writeFileSync, writeFile: fs.promises.writeFile, spawn: childProcess.spawn }
// Node loads what `rm` consists of when it is first needed; it shall not consist of steps.
fs.rmSync('/nonexistent', { force: true })
/** Where handles lead. */
const paths = new WeakMap()
const { O_WRONLY, O_RDWR, O_CREAT } = fs.constants
/** The model of a power cut is told before something is changed, and when it is flushed. */
const touch = (name, ...places) => {
  if (name !== 'mkdir') power.touch(...places)
  treePower.touch(name, ...places)
}
const flushed = place => {
  power.flushed(place)
  treePower.flushed(place)
}
const half = data => data.slice(0, Math.floor(data.length / 2))

/** Each with what it does, as the model of a power cut sees it. */
const CHANGES = { rename: power.renamed, unlink: power.removed, rm: power.removed, rmdir: power.removed, mkdir: () => {}, truncate: () => {}, utimes: () => {}, link: power.created, symlink: power.created }

for (const [name, did] of Object.entries(CHANGES)) {
  const [direct, pooled] = [fs[`${name}Sync`], fs.promises[name]]
  fs[`${name}Sync`] = (...given) => {
    const places = given.filter(isPath).map(placeOf)
    return step({ type: 'change', name, place: places[0] }, { run: () => direct(...given), before: () => { touch(name, ...places) }, did: () => { did(...places) } })
  }
  fs.promises[name] = async (...given) => {
    const places = given.filter(isPath).map(placeOf)
    return await stepAsync({ type: 'change', name, place: places[0] }, { run: async () => await pooled(...given), before: () => { touch(name, ...places) }, did: () => { did(...places) } })
  }
}

fs.writeFileSync = (path, data, options) => {
  const place = isPath(path) ? placeOf(path) : undefined
  return step({ type: 'write', name: 'writeFile', place }, {
    run: () => original.writeFileSync(path, data, options),
    torn: () => original.writeFileSync(path, half(data), options),
    before: () => { touch('writeFile', place) },
    did: () => { power.created(place) }
  })
}

fs.promises.writeFile = async (path, data, options) => {
  const place = isPath(path) ? placeOf(path) : undefined
  return await stepAsync({ type: 'write', name: 'writeFile', place }, {
    run: async () => await original.writeFile(path, data, options),
    torn: async () => await original.writeFile(path, half(data), options),
    before: () => { touch('writeFile', place) },
    did: () => {
      power.created(place)
      if (options?.flush === true) flushed(place)
    }
  })
}

fs.promises.open = async (path, flags = 'r', ...rest) => {
  const place = placeOf(path)
  const run = async () => {
    const handle = await original.open(path, flags, ...rest)
    paths.set(handle, place)
    return handle
  }
  if (isReading(flags)) return await run()
  return await stepAsync({ type: 'change', name: `open ${flags}`, place }, { run, before: () => { touch('open', place) }, did: () => { power.created(place) } })
}

const probe = await original.open('/dev/null')
const handles = Object.getPrototypeOf(probe)
await probe.close()
for (const name of ['write', 'writeFile', 'appendFile', 'truncate', 'sync', 'datasync', 'utimes']) {
  const method = handles[name]
  handles[name] = async function (...given) {
    const place = paths.get(this)
    const isWrite = name.startsWith('write') || name === 'appendFile'
    return await stepAsync({ type: isWrite ? 'write' : 'change', name, place }, {
      run: async () => await method.apply(this, given),
      torn: isWrite ? async () => await method.call(this, half(given[0])) : undefined,
      did: () => { if (name.endsWith('sync')) flushed(place) }
    })
  }
}

childProcess.spawn = (program, words, options) => {
  const place = { root: 'program', path: words[0] ?? '' }
  return step({ type: 'spawn', name: 'spawn', place }, { run: () => original.spawn(program, words, options), fail: () => original.spawn('/nonexistent/program', words, options) })
}

subscribe('undici:request:create', ({ request }) => { step({ type: 'request', name: request.method, place: { root: 'registry', path: request.path } }, { run: () => {} }) })
subscribe('undici:request:headers', ({ request }) => { step({ type: 'request', name: `${request.method} answered`, place: { root: 'registry', path: request.path } }, { run: () => {} }) })
syncBuiltinESMExports()

function isReading (flags) { return flags === 'r' || (typeof flags === 'number' && (flags & (O_WRONLY | O_RDWR | O_CREAT)) === 0) }
function isPath (value) { return typeof value === 'string' && value.startsWith('/') }
