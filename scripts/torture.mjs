// npm run torture: the torture test for long. DURATION_SECONDS with each pair of collector and freshness on each registry
// (default 600), SEED to repeat a run (default: from the clock). Arguments after -- go to tap.
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { join } from 'node:path'
import { build, fail, installDependencies } from './lib/project.mjs'
import { root, say } from './lib/run.mjs'

const DURATION_DEFAULT_SECONDS = 600
/** Two registries, two pairs. */
const RUNS = 4
/** What one of them may take beside its duration, seconds. */
const AROUND_SECONDS = 300

const duration = Number(process.env.DURATION_SECONDS || DURATION_DEFAULT_SECONDS)
const seed = Number(process.env.SEED || Math.floor(Date.now() / 1000) % 1_000_000)
if (!(duration > 0) || !Number.isInteger(seed)) fail('DURATION_SECONDS must be a length of time, and SEED a whole number.')

await installDependencies()
await build()
say(`Torture: ${RUNS} runs of ${duration} s each. To repeat: SEED=${seed} DURATION_SECONDS=${duration} npm run torture`)

const tap = join(root, 'node_modules', '.bin', 'tap')
const timeout = RUNS * (duration + AROUND_SECONDS)
const child = spawn(process.execPath, [tap, '--disable-coverage', `--timeout=${timeout}`, ...process.argv.slice(2), 'test/scenarios/torture.test.ts'], {
  cwd: root,
  env: { ...process.env, DURATION_SECONDS: String(duration), SEED: String(seed) },
  stdio: 'inherit'
})
// The terminal sends a Ctrl-C to both; what only this process gets is passed on.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => child.kill('SIGTERM'))
child.once('error', (error) => fail(error.message))
child.once('exit', (code, signal) => {
  if (code !== 0) say(`It failed. To repeat: SEED=${seed} DURATION_SECONDS=${duration} npm run torture`)
  process.exit(code ?? 128 + constants.signals[signal])
})
