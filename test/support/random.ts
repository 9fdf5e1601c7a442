/** Chance that can be repeated: the same seed, the same choices. */

/** Numbers from 0 to 1 (mulberry32), and choices made from them. */
export class Chance {
  #state: number
  constructor (seed: number) { this.#state = seed }

  next (): number {
    this.#state = (this.#state + 0x6D2B79F5) | 0
    let x = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61)
    return ((x ^ (x >>> 14)) >>> 0) / 4294967296
  }

  /** A whole number from 0 to below the limit. */
  upTo (limit: number): number { return Math.floor(this.next() * limit) }
  happens (probability: number): boolean { return this.next() < probability }
  one<T> (of: readonly T[]): T { return of[this.upTo(of.length)]! }
  /** Each with this probability, in their order. */
  some<T> (of: readonly T[], probability: number): T[] { return of.filter(() => this.happens(probability)) }
}
