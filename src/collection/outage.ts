/**
 * A registry that ended by itself, and that Delgate starts again: until it answers, everything is held, as while it is
 * restarted. So clients wait for it, and are told to come back when that takes too long.
 */
import type { Admission } from '../traffic/admission.js'

export interface OutageParts {
  readonly admission: Pick<Admission, 'suspend'>
  /** Resolves when the registry answers; rejects when the signal aborts. */
  readonly ready: (signal: AbortSignal) => Promise<void>
  readonly log: { info (details: object, message: string): void }
}

const ENDED = 'the registry ended by itself and is being started again; Delgate\'s log says what it said last'

export class Outage {
  readonly #closing = new AbortController()
  #waiting: Promise<void> | undefined
  #ends = 0

  constructor (private readonly parts: OutageParts) {}

  /** How often the registry has ended. */
  get ends (): number { return this.#ends }
  /** Why everything is held; `undefined` when nothing is. */
  get problem (): string | undefined { return this.#waiting === undefined ? undefined : ENDED }

  /** The registry has ended. */
  begin (): void {
    this.#ends++
    if (!this.#closing.signal.aborted) this.#waiting ??= this.#wait().finally(() => { this.#waiting = undefined })
  }

  /** Does not wait for the registry any more: the gate is closing. What is held is the caller's to refuse. */
  async close (): Promise<void> {
    this.#closing.abort()
    await this.#waiting
  }

  async #wait (): Promise<void> {
    const { admission, ready, log } = this.parts
    admission.suspend(true)
    for (let seen = 0; seen !== this.#ends;) {
      seen = this.#ends
      // It may have ended again since it answered.
      await ready(this.#closing.signal).catch(() => undefined)
      if (this.#closing.signal.aborted) return
    }
    admission.suspend(false)
    log.info({}, 'the registry answers again')
  }
}
