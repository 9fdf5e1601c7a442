// npm run fuzz: random input for long. --seconds N for each kind of case (default 60), --seed N to repeat a run (default: from
// the clock), --case N to repeat one case. Other arguments are the test files (default: all of test/fuzz).
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { fail, installDependencies } from './lib/project.mjs'
import { root, say } from './lib/run.mjs'
import { runTap } from './lib/tap.mjs'

const SECONDS_DEFAULT = 60
/** A file has this many kinds of cases at most. */
const KINDS = 8
/** What a file may take beside its cases, seconds. */
const AROUND_SECONDS = 300

const { seconds, seed, only, files } = given()
await installDependencies()
const repeat = `npm run fuzz -- --seed ${seed} --seconds ${seconds}`
say(`Fuzzing: ${seconds} s for each kind of case. To repeat: ${repeat}`)

runTap(['--jobs=1', `--timeout=${KINDS * seconds + AROUND_SECONDS}`, ...files], { FUZZ_SECONDS: String(seconds), FUZZ_SEED: String(seed), ...(only === undefined ? {} : { FUZZ_CASE: String(only) }) }, repeat)

function given () {
  try {
    const { values, positionals } = parseArgs({ options: { seconds: { type: 'string' }, seed: { type: 'string' }, case: { type: 'string' } }, allowPositionals: true })
    const [seconds, seed, only] = [values.seconds ?? SECONDS_DEFAULT, values.seed ?? Math.floor(Date.now() / 1000) % 1_000_000, values.case ?? 1].map(Number)
    if (!(seconds > 0) || !Number.isInteger(seed) || !Number.isInteger(only)) fail('--seconds must be a length of time, --seed and --case whole numbers.')
    const all = readdirSync(join(root, 'test', 'fuzz')).filter((name) => name.endsWith('.test.ts')).map((name) => join('test', 'fuzz', name))
    return { seconds, seed, only: values.case === undefined ? undefined : only, files: positionals.length > 0 ? positionals : all }
  } catch (error) {
    return fail(error.message)
  }
}
