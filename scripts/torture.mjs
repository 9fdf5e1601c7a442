// npm run torture: the torture test for long. DURATION_SECONDS with each pair of collector and freshness on each registry
// (default 600), SEED to repeat a run (default: from the clock). Arguments after -- go to tap.
import { build, fail, installDependencies } from './lib/project.mjs'
import { say } from './lib/run.mjs'
import { runTap } from './lib/tap.mjs'

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
const repeat = `SEED=${seed} DURATION_SECONDS=${duration} npm run torture`
say(`Torture: ${RUNS} runs of ${duration} s each. To repeat: ${repeat}`)

runTap([`--timeout=${RUNS * (duration + AROUND_SECONDS)}`, ...process.argv.slice(2), 'test/scenarios/torture.test.ts'], { DURATION_SECONDS: String(duration), SEED: String(seed) }, repeat)
