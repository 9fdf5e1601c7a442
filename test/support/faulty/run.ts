/**
 * Scenarios 30 and 33: Delgate is killed, loses its power, or meets a failing disk, at every step of every kind of job: no job is lost or stuck,
 * nothing that was not deleted is damaged, and nothing of what was deleted stays. Here a sample from the seed; all of
 * them: `npm run faults`.
 */
import type { Test } from 'tap'
import { pointsOf, type Point } from './points.js'
import { Stage } from './stage.js'
import { makeStock, type JobKind, type Stock } from './stock.js'
import type { Pair } from '../pairs.js'
import { Chance } from '../random.js'
import { skipWithout, tool, type RegistryTool } from '../tools.js'

const SEED = Number(process.env.FAULTS_SEED ?? 1)
/** Points for each kind of job with each pair, on both registries together. */
const POINTS = Number(process.env.FAULTS_POINTS ?? 1)
const KINDS = process.env.FAULTS_KINDS?.split(',')
/** The only point to try, as it was said; again and again. */
const ONLY = process.env.FAULTS_POINT === undefined ? undefined : JSON.parse(process.env.FAULTS_POINT) as Point
const IS_LONG = process.env.FAULTS_POINTS !== undefined
/** A job may take fewer steps than when it was looked at; so many points in a row may then miss it. */
const MISSES = 25
/** Longest time of one point, in the worst case. Milliseconds. */
const POINT_MS = 20_000
const VERSIONS = ['2.8', '3.1'] as const

interface Tried { readonly points: number, readonly missed: number, readonly steps: number, readonly losses: readonly string[] }

/** Tries so many points, and says what was lost. */
async function tryPoints (t: Test, stage: Stage, kind: JobKind, points: number, chance: Chance): Promise<Tried> {
  const { steps, recovery } = await stage.record(kind)
  const losses: string[] = []
  let [tried, missed, row] = [0, 0, 0]
  for (const next of pointsOf(steps, recovery, chance, stage.isManaged)) {
    if (tried === points || row === MISSES) break
    const point = ONLY ?? next
    const { fired, label } = await stage.attempt(kind, point).catch(async (error: Error) => {
      losses.push(`${JSON.stringify(point)}: ${error.message}`)
      await stage.reset()
      return { fired: true, label: undefined }
    })
    if (IS_LONG) t.comment(`${kind.name} ${tried + 1} of ${points}: ${JSON.stringify(point)} ${label ?? ''}`)
    if (fired === true) tried++
    else missed++
    row = fired === true ? 0 : row + 1
  }
  await stage.pullBare().catch((error: Error) => { losses.push(`in the end: ${error.message}`) })
  return { points: tried, missed, steps: steps.length, losses }
}

async function tryFound (t: Test, stage: Stage, { kinds }: Stock, name: string): Promise<void> {
  for (const { kind, what, point } of FOUND.filter(({ pair }) => pair === name)) {
    const { fired } = await stage.attempt(kinds.find(one => one.name === kind)!, point)
    t.equal(fired, true, what)
  }
}

/** What was lost once, by kind of job. */
const FOUND: ReadonlyArray<{ readonly pair: string, readonly kind: string, readonly what: string, readonly point: Point }> = [
  { pair: 'online+evict', kind: 'tag', what: 'the directory of a link is left', point: { fault: { label: '^unlink tree:.*_layers', mode: 'after' } } },
  { pair: 'online+evict', kind: 'tag', what: 'a link went, and its directory did not', point: { fault: { label: '^rmdir tree:.*revisions/sha256/', mode: 'fail', code: 'EIO', calls: 1 } } },
  { pair: 'online+evict', kind: 'tag', what: 'a blob was taken aside and not removed', point: { fault: { label: '^unlink tree:delgate-swept', mode: 'fail', code: 'EIO', calls: 1 } } },
  { pair: 'online+evict', kind: 'tag', what: 'a refused job has its name in the journal', point: { fault: { label: '^sync state:jobs$', mode: 'fail', code: 'EIO', calls: 1 } } },
  { pair: 'online+evict', kind: 'alias', what: 'an index that was being saved is left', point: { fault: { label: '^sync state:references.tmp', mode: 'before' } } },
  { pair: 'registry+restart', kind: 'tag', what: 'a registry was started and not noted', point: { fault: { label: '^spawn program:serve', mode: 'after' } } },
  { pair: 'registry+restart', kind: 'tag', what: 'a collector was started and not noted', point: { fault: { label: '^spawn program:garbage-collect', mode: 'after' } } }
]

/** Tries what was lost once, and a sample or all points of every kind of job, with one pair on both registries. */
export async function tryPair (t: Test, pair: Pair): Promise<void> {
  const stock = await makeStock()
  const kinds = stock.kinds.filter(({ name }) => KINDS?.includes(name) !== false)
  await t.test(`scenario 30, scenario 33: killed or with a failing disk at any step (${pair.name})`, { skip: skipWithout('registry 2.8', 'registry 3.1') }, async t => {
    t.setTimeout(180_000 + POINTS * kinds.length * POINT_MS)
    let all = 0
    await Promise.all(VERSIONS.map(async (version, at) => {
      const registry: RegistryTool = { ...tool(`registry ${version}`), version }
      const stage = await Stage.open(t, registry, pair, stock)
      if (!IS_LONG) await tryFound(t, stage, stock, pair.name)
      for (const [number, kind] of kinds.entries()) {
        const planned = Math.floor((POINTS + (at + number) % VERSIONS.length) / VERSIONS.length)
        if (planned === 0) continue
        const { points, missed, steps, losses } = await tryPoints(t, stage, kind, planned, new Chance(SEED * 1000 + number * 10 + at))
        for (const loss of losses) t.fail(`${kind.name}, registry ${version}, seed ${SEED}: ${loss}`)
        t.comment(`${pair.name}, registry ${version}, ${kind.name}: ${points} points of ${steps} steps, ${losses.length} losses (${missed} more came too late)`)
        t.equal(points, planned, `${kind.name}, registry ${version}: as many as were planned`)
        all += points
      }
    }))
    t.comment(`${pair.name}: ${all} points, seed ${SEED}`)
    t.equal(all, POINTS * kinds.length)
    t.ok(all > 0)
  })
}
