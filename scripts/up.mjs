// npm run up: from a fresh clone to a running registry with Delgate in front of it.
// Settings: DELGATE_HOST, DELGATE_PORT, DELGATE_DATA, and all others of Delgate; arguments after -- go to Delgate.
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { join } from 'node:path'
import { build, fail, installDependencies } from './lib/project.mjs'
import { obtainRegistry } from './lib/registry-binary.mjs'
import { root } from './lib/run.mjs'

/** A Ctrl-C arrives twice, from the terminal and from npm; what comes within this time is one. Milliseconds. */
const SAME_SIGNAL_MILLISECONDS = 1000

/** How often the shell that npm runs this script in is looked for. Milliseconds. */
const LOOK_MILLISECONDS = 250

/** Who runs this script, from the first moment: building may take a while. */
const shell = process.ppid

const [major] = process.versions.node.split('.').map(Number)
if (major < 20) fail(`Delgate needs Node 20 or newer; this is ${process.version}.`)

await installDependencies()
await build()
const registry = await obtainRegistry().catch((error) => fail(error.message))

if (process.ppid !== shell) process.exit(128 + constants.signals.SIGTERM)

const child = spawn(process.execPath, [
  '--import', new URL('./lib/lifeline.mjs', import.meta.url).href,
  join(root, 'dist', 'main.js'), '--config', join(root, 'config', 'embedded.yml'), ...process.argv.slice(2)
], {
  env: { ...process.env, DELGATE_REGISTRY_BIN: registry, DELGATE_DATA: process.env.DELGATE_DATA || join(root, 'data') },
  stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  detached: true // a process group of its own: it gets signals from here only, each once
})

let lastSignalAt = -Infinity
function pass (signal) {
  const now = performance.now()
  if (now - lastSignalAt > SAME_SIGNAL_MILLISECONDS) child.kill(signal)
  lastSignalAt = now
}
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => pass(signal))
process.on('SIGHUP', () => pass('SIGTERM'))

// A SIGTERM to npm may end npm and its shell, and not reach this script: that the shell is gone is the signal.
setInterval(() => {
  if (process.ppid !== shell) pass('SIGTERM')
}, LOOK_MILLISECONDS).unref()

child.once('error', (error) => fail(error.message))
child.once('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]))
