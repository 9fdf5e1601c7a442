/** Time that passes only when a test says so. */
import { mock } from 'node:test'
import type { Test } from 'tap'

export interface Clock {
  /** Lets time pass; what falls due on the way happens. */
  pass (seconds: number): Promise<void>
}

/** Stops the clock until the test ends. */
export function stopClock (t: Test): Clock {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: Date.UTC(2026, 0, 1) })
  t.teardown(() => { mock.timers.reset() })
  return {
    async pass (seconds) {
      mock.timers.tick(seconds * 1000)
      await settled()
    }
  }
}

/** Lets everything happen that does not wait for time. */
export async function settled (): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise(resolve => { setImmediate(resolve) })
}

/** A promise whose end can be seen without waiting for it. */
export function watched<T> (promise: Promise<T>): { state: 'pending' | 'fulfilled' | 'rejected', value?: T, error?: unknown } {
  const seen: ReturnType<typeof watched<T>> = { state: 'pending' }
  promise.then(value => { Object.assign(seen, { state: 'fulfilled', value }) }, error => { Object.assign(seen, { state: 'rejected', error }) })
  return seen
}
