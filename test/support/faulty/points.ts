/** Which faults are tried: each step of a job with each kind of fault that can happen there, in an order from the seed. */
import type { Chance } from '../random.js'
import type { Fault, Mode, Step } from './gate.js'

/** A fault while a job runs, and perhaps another while the next start recovers from it. */
export interface Point {
  readonly fault: Fault
  readonly again?: Fault
}

const CODES = ['ENOSPC', 'EACCES', 'EIO', 'EROFS'] as const
/** How many steps in a row fail. */
const CALLS = [1, 1, 3, 12] as const

const MODES: Readonly<Record<Step['type'], readonly Mode[]>> = {
  change: ['before', 'after', 'power', 'fail'],
  write: ['before', 'torn', 'after', 'power', 'fail'],
  spawn: ['before', 'after', 'fail'],
  request: ['before']
}

/** Each so many points the recovery is attacked too. */
const AGAIN_EVERY = 6

/**
 * Endlessly many: every step once, then every step again with another fault, and so on; now and then the recovery is
 * attacked, too. What is tried twice meets other timing.
 * @param steps of the job, and of a start after it was interrupted
 * @param isManaged whether Delgate runs the registry, which is then killed at each step, too
 */
export function * pointsOf (steps: readonly Step[], recovery: readonly Step[], chance: Chance, isManaged: boolean): Generator<Point> {
  for (let count = 1; ;) {
    const modes = steps.map(({ type }) => shuffled([...MODES[type], ...(isManaged ? ['registry'] as const : [])], chance))
    for (let round = 0; modes.some(left => left.length > round); round++) {
      for (const at of shuffled([...steps.keys()], chance)) {
        const mode = modes[at]![round]
        if (mode === undefined) continue
        yield { fault: faultAt(at, mode, chance) }
        if (++count % AGAIN_EVERY === 0) yield twice(steps, recovery, chance)
      }
    }
  }
}

function twice (steps: readonly Step[], recovery: readonly Step[], chance: Chance): Point {
  const second = chance.upTo(recovery.length)
  return { fault: faultAt(chance.upTo(steps.length), 'before', chance), again: faultAt(second, chance.one(MODES[recovery[second]!.type]), chance) }
}

function faultAt (index: number, mode: Mode, chance: Chance): Fault {
  return { at: index + 1, mode, ...(mode === 'fail' ? { code: chance.one(CODES), calls: chance.one(CALLS) } : {}) }
}

function shuffled<T> (of: readonly T[], chance: Chance): T[] {
  const all = [...of]
  for (let last = all.length - 1; last > 0; last--) {
    const other = chance.upTo(last + 1);
    [all[last], all[other]] = [all[other]!, all[last]!]
  }
  return all
}
