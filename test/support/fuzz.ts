/**
 * Many cases made at random, each from the seed and its number, so that one can be repeated by itself. In the suite a few
 * seconds; for long: `npm run fuzz`.
 */
import type { Test } from 'tap'
import { Chance } from './random.js'

const number = (name: string): number | undefined => process.env[name] === undefined ? undefined : Number(process.env[name])

export const SEED = number('FUZZ_SEED') ?? 1
/** How long each kind of case is tried; without it, as many cases as the test says. */
const SECONDS = number('FUZZ_SECONDS')
/** The only case to try. */
const ONLY = number('FUZZ_CASE')
/** The suite does not wait any longer for a kind of case, milliseconds. */
const SHORT_MS = 2_500
/** A case that takes longer hangs, milliseconds. */
export const HANG_MS = 1_000
const SHOWN = 5
const STEP = 1_000_003

export interface Fuzzing {
  /** How many cases the suite tries. */
  readonly cases: number
  /** How long one may take, milliseconds. Default: `HANG_MS`. */
  readonly within?: number
}

/** @param attempt throws when something is wrong; what it returns is counted */
export async function fuzz (t: Test, what: string, { cases, within = HANG_MS }: Fuzzing, attempt: (chance: Chance, number: number) => Promise<string | void> | string | void): Promise<void> {
  await t.test(what, async t => {
    const duration = SECONDS === undefined ? SHORT_MS : SECONDS * 1000
    t.setTimeout(duration + 120_000)
    const counts = new Map<string, number>()
    const end = performance.now() + duration
    let [tried, failed] = [0, 0]
    const last = ONLY ?? (SECONDS === undefined ? cases : Number.MAX_SAFE_INTEGER)
    for (let at = ONLY ?? 1; at <= last && failed < SHOWN && performance.now() < end; at++) {
      const again = async (): Promise<Outcome> => await one(new Chance(SEED * STEP + at), at, within, attempt)
      // On a busy machine anything may be slow once; what hangs, hangs again.
      let outcome = await again()
      if (outcome.isSlow === true) outcome = await again()
      tried++
      if (outcome.error !== undefined) failed++
      if (outcome.error !== undefined) t.fail(`seed ${SEED}, case ${at}: ${outcome.error}\nto repeat: npm run fuzz -- --seed ${SEED} --case ${at}`)
      counts.set(outcome.kind, (counts.get(outcome.kind) ?? 0) + 1)
    }
    t.comment(`${what}: ${tried} cases, seed ${SEED}${[...counts].map(([kind, count]) => kind === '' ? '' : `; ${kind}: ${count}`).join('')}`)
    t.equal(failed, 0, `${tried} cases`)
  })
}

interface Outcome { readonly kind: string, readonly error?: string, readonly isSlow?: boolean }

async function one (chance: Chance, at: number, within: number, attempt: (chance: Chance, number: number) => Promise<string | void> | string | void): Promise<Outcome> {
  const start = performance.now()
  try {
    const kind = await bounded(Promise.resolve(attempt(chance, at)), within * 10) ?? ''
    const took = performance.now() - start
    return took > within ? { kind, error: `it took ${Math.round(took)} ms`, isSlow: true } : { kind }
  } catch (error) {
    return { kind: 'failed', error: error instanceof Error ? error.stack ?? error.message : String(error) }
  }
}

/** Fails when it does not end at all. */
async function bounded<T> (work: Promise<T>, milliseconds: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => { timer = setTimeout(() => { reject(new Error(`not within ${milliseconds} ms`)) }, milliseconds) })
  return await Promise.race([work, late]).finally(() => { clearTimeout(timer) })
}

/** Throws unless it holds; the case is shown. */
export function must (holds: boolean, what: string, shown?: unknown): asserts holds {
  if (!holds) throw new Error(shown === undefined ? what : `${what}: ${JSON.stringify(shown)?.slice(0, 2000)}`)
}
