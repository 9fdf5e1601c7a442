/** Time that passes between two looks at the gate. */
import { setTimeout as delay } from 'node:timers/promises'
import { Interrupted } from './failure.js'

/** @throws Interrupted after Ctrl-C */
export async function pause (milliseconds: number, signal: AbortSignal): Promise<void> {
  await delay(milliseconds, undefined, { signal }).catch(() => { throw new Interrupted() })
}
