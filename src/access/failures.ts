/** Counts wrong credentials by where they come from, so that nobody can try passwords one after the other. */
import { networkOf } from '../network.js'

export interface FailureLimits {
  /** So many within the time are let try. Count. */
  readonly attempts: number
  /** Seconds. */
  readonly seconds: number
}

interface Counted {
  count: number
  /** Milliseconds. */
  readonly until: number
}

/** Networks that are remembered at most: the oldest are forgotten first. */
const NETWORKS_MAXIMUM = 10_000

export class Failures {
  readonly #counts = new Map<string, Counted>()

  constructor (private readonly limits: FailureLimits, private readonly now: () => number = Date.now) {}

  /** How long this address is not let try again, seconds; 0 when it may. */
  waitSeconds (address: string): number {
    const known = this.#counts.get(networkOf(address))
    if (known === undefined || known.count < this.limits.attempts) return 0
    return Math.max(0, Math.ceil((known.until - this.now()) / 1000))
  }

  /**
   * Wrong credentials came from here, or such as may be: counted before they are looked at, those that come at once do
   * not all pass.
   * @returns takes it back: they were right
   */
  count (address: string): () => void {
    const network = networkOf(address)
    const counted = this.#counted(network)
    counted.count++
    return () => {
      counted.count--
      if (counted.count === 0 && this.#counts.get(network) === counted) this.#counts.delete(network)
    }
  }

  #counted (network: string): Counted {
    const known = this.#counts.get(network)
    if (known !== undefined && known.until > this.now()) return known
    this.#counts.delete(network)
    if (this.#counts.size >= NETWORKS_MAXIMUM) this.#counts.delete(this.#counts.keys().next().value!)
    const counted = { count: 0, until: this.now() + this.limits.seconds * 1000 }
    this.#counts.set(network, counted)
    return counted
  }
}
