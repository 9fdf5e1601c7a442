/** Counts wrong credentials by where they come from, so that nobody can try passwords one after the other. */
export interface FailureLimits {
  /** So many within the time are let try. Count. */
  readonly attempts: number
  /** Seconds. */
  readonly seconds: number
}

/** Addresses that are remembered at most: the oldest are forgotten first. */
const ADDRESSES_MAXIMUM = 10_000

export class Failures {
  readonly #counts = new Map<string, { count: number, readonly until: number }>()

  constructor (private readonly limits: FailureLimits, private readonly now: () => number = Date.now) {}

  /** How long this address is not let try again, seconds; 0 when it may. */
  waitSeconds (address: string): number {
    const known = this.#counts.get(address)
    if (known === undefined || known.count < this.limits.attempts) return 0
    return Math.max(0, Math.ceil((known.until - this.now()) / 1000))
  }

  /** Wrong credentials came from here. */
  count (address: string): void {
    const known = this.#counts.get(address)
    if (known !== undefined && known.until > this.now()) {
      known.count++
      return
    }
    this.#counts.delete(address)
    if (this.#counts.size >= ADDRESSES_MAXIMUM) this.#counts.delete(this.#counts.keys().next().value!)
    this.#counts.set(address, { count: 1, until: this.now() + this.limits.seconds * 1000 })
  }
}
