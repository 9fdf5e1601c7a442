// npm run faults: Delgate is killed, or meets a failing disk or a power cut, at every step of every kind of job. --points N for each
// kind with each pair of collector and freshness (default 200), --seed N to repeat a run (default: from the clock), --kinds tag,garbage
// and --pair online+evict to try some only. It says each point as it is tried, and how many there were of each kind.
import { parseArgs } from 'node:util'
import { build, fail, installDependencies } from './lib/project.mjs'
import { say } from './lib/run.mjs'
import { runTap } from './lib/tap.mjs'

const POINTS_DEFAULT = 200
/** Kinds of jobs, with each of two pairs. */
const RUNS = 20
/** What a point may take, seconds. */
const POINT_SECONDS = 20

const { points, seed, kinds, pair } = given()
await installDependencies()
await build()
const repeat = ['npm run faults --', `--points ${points} --seed ${seed}`, ...(kinds === undefined ? [] : [`--kinds ${kinds}`]), ...(pair === undefined ? [] : [`--pair ${pair}`])].join(' ')
say(`Faults: ${points} points for each kind of job with each pair. To repeat: ${repeat}`)

runTap(['--jobs=1', '--reporter=tap', `--timeout=${RUNS * points * POINT_SECONDS}`, ...files()], { FAULTS_POINTS: String(points), FAULTS_SEED: String(seed), ...(kinds === undefined ? {} : { FAULTS_KINDS: kinds }) }, repeat)

/** The tests of what is asked for. */
function files () {
  const pairs = { 'online+evict': 'crash-points-online', 'registry+restart': 'crash-points-registry' }
  if (pair !== undefined && pairs[pair] === undefined) fail(`--pair must be one of ${Object.keys(pairs).join(', ')}.`)
  const names = pair === undefined ? Object.values(pairs) : [pairs[pair]]
  return [...kinds === undefined && pair === undefined ? ['undo-points'] : [], ...names].map(name => `test/scenarios/${name}.test.ts`)
}

function given () {
  try {
    const { values } = parseArgs({ options: { points: { type: 'string' }, seed: { type: 'string' }, kinds: { type: 'string' }, pair: { type: 'string' } } })
    const [points, seed] = [values.points ?? POINTS_DEFAULT, values.seed ?? Math.floor(Date.now() / 1000) % 1_000_000].map(Number)
    if (!Number.isInteger(points) || points < 1 || !Number.isInteger(seed)) fail('--points and --seed must be whole numbers.')
    return { points, seed, kinds: values.kinds, pair: values.pair }
  } catch (error) {
    return fail(error.message)
  }
}
