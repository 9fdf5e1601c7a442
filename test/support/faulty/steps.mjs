/**
 * Counts steps, and at one of them ends this process as kill -9 does, or lets the step fail. What is to happen comes
 * from the parent (`{ fault }` arms and counts from there, `{ stop: true }` ends that), or from FAULT in the environment,
 * which counts from the start of the process.
 *
 * A fault: `at`, the number of the step, from 1, or `label`, what the first such step matches; `mode`: `before` and `after` (killed before, after the call), `torn`
 * (after half of the bytes), `power` (after the call, and the power goes), `fail` (the call fails, and so do those that
 * follow, `calls` in all, with `code`), `registry` (before the call, the registry is killed).
 */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import * as power from './power.mjs'
import * as treePower from './tree-power.mjs'

const write = writeFileSync
const report = process.env.FAULT_REPORT
let fault = process.env.FAULT === undefined ? undefined : JSON.parse(process.env.FAULT)
let isCounting = true
let trace = []
let failing = 0
/** What the fault did, once it has. */
let happened = {}

process.on('message', message => {
  if (message.stop !== true) {
    fault = message.fault
    trace = []
    failing = 0
    happened = {}
    treePower.begin()
  }
  isCounting = message.stop !== true
  process.send({ ...happened, trace })
})
process.channel?.unref()
// Without the test there is nobody to end it.
process.on('disconnect', () => { process.kill(process.pid, 'SIGTERM') })
process.on('exit', () => { if (isCounting) say() })

const say = () => { write(report, JSON.stringify({ ...happened, trace })) }
const labelOf = ({ name, place }) => `${name} ${place.root}:${place.path}`

function die (call) {
  happened = happening(call)
  if (fault.mode === 'power') for (const model of [power, treePower]) model.fail()
  say()
  process.kill(process.pid, 'SIGKILL')
}

/** Whether the fault is to come at this step. */
const isIts = call => fault.label === undefined ? trace.length === fault.at : new RegExp(fault.label).test(labelOf(call))

/** Kills the registries that serve with the test's own configuration file. */
function killRegistry () {
  for (const name of readdirSync('/proc').filter(name => /^\d+$/.test(name))) {
    try {
      const words = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0')
      if (words.includes('serve') && words.includes(process.env.FAULT_CONFIG)) process.kill(Number(name), 'SIGKILL')
    } catch {
      // It has ended meanwhile.
    }
  }
}

/** What happens at this step; `undefined`: nothing. */
function next (call) {
  if (call.place === undefined || !isCounting) return undefined
  trace.push({ type: call.type, label: labelOf(call) })
  if (fault === undefined) return undefined
  if (failing > 0) return failing-- > 0 && call.type !== 'request' ? 'fail' : undefined
  if (happened.fired === true || !isIts(call)) return undefined
  if (fault.mode === 'registry') {
    happened = happening(call)
    killRegistry()
    return undefined
  }
  if (fault.mode !== 'fail') return fault.mode
  if (call.type === 'request') return undefined
  failing = fault.calls - 1
  happened = happening(call)
  return 'fail'
}

const happening = call => ({ fired: true, label: labelOf(call) })
const failure = ({ name, place }) => Object.assign(new Error(`${fault.code}: simulated, ${name} '${place.full}'`), { code: fault.code, errno: -1, syscall: name, path: place.full })

/** @param parts `run` is the call, `torn` half of it, `fail` how it fails (default: it throws); `before` and `did` tell the model of a power cut */
export function step (call, { run, torn, fail, before, did }) {
  const happens = next(call)
  if (happens === 'fail') {
    if (fail !== undefined) return fail()
    throw failure(call)
  }
  before?.()
  if (happens === 'before') die(call)
  if (happens === 'torn' && torn !== undefined) {
    torn()
    die(call)
  }
  const result = run()
  did?.()
  if (happens === 'after' || happens === 'power') die(call)
  return result
}

export async function stepAsync (call, { run, torn, before, did }) {
  const happens = next(call)
  if (happens === 'fail') throw failure(call)
  before?.()
  if (happens === 'before') die(call)
  if (happens === 'torn' && torn !== undefined) {
    await torn()
    die(call)
  }
  const result = await run()
  did?.()
  if (happens === 'after' || happens === 'power') die(call)
  return result
}
