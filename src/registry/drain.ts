import type { Running } from './launch.js'

/** The end of a registry whose place another has taken: it finishes what it has begun. */
export class Drain {
  readonly #hurry = new AbortController()
  #isOver = false
  /** Resolves when it is gone. Never rejects. */
  readonly ended: Promise<void>

  /**
   * @param end ends it, politely until the signal aborts
   * @param released when it may be told to end: nothing that must not be cut runs in it any more
   * @param closing an abort has it told at once
   */
  constructor (readonly running: Running, end: (hurry: AbortSignal) => Promise<void>, released: Promise<unknown>, closing: AbortSignal) {
    this.ended = Promise.race([released.catch(() => {}), aborted(closing), running.child.ended])
      .then(async () => { await end(this.#hurry.signal) })
      .finally(() => { this.#isOver = true })
  }

  get isOver (): boolean { return this.#isOver }

  /** Once it has been released it is not let finish, but killed. */
  hurry (): void { this.#hurry.abort() }
}

async function aborted (signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise(resolve => { signal.addEventListener('abort', resolve, { once: true }) })
}
