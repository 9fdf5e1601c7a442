/** Sizes of blobs that are not known yet: few where everything was measured before, all of them at the first start. */
import type { Digest } from '../oci/digest.js'
import type { Weights } from '../references/weights.js'
import { each } from '../storage/concurrency.js'
import type { TreeReader } from '../storage/read.js'

/** For one answer so many blobs are looked at, at some 0.2 ms each: more than a push around the gate has, fewer than anybody would wait for. */
const LOOKS = 250
/** So many that are not stored are remembered. */
const MISSING_MAXIMUM = 100_000

/** What one answer may still spend: how many blobs it may look at. */
export interface Allowance { left: number }

export class Measure {
  /** What was looked for, and is not stored: it is looked for again when all others have been. */
  readonly #missing = new Set<Digest>()

  constructor (private readonly reader: Pick<TreeReader, 'blobSize'>, private readonly weights: Pick<Weights, 'measured'>, private readonly looks = LOOKS) {}

  /** For one answer. */
  allowance (): Allowance { return { left: this.looks } }

  /** Measures them, as far as that is allowed. @returns whether any was found, and whether all were looked for at some time */
  async take (digests: readonly Digest[], allowance: Allowance): Promise<{ readonly found: boolean, readonly all: boolean }> {
    const isMissing = (digest: Digest): boolean => this.#missing.has(digest)
    const fresh = digests.filter(digest => !isMissing(digest))
    const looked = [...fresh, ...digests.filter(isMissing)].slice(0, allowance.left)
    allowance.left -= looked.length
    let found = false
    await each(looked, async digest => {
      const bytes = await this.reader.blobSize(digest)
      if (bytes === undefined) this.#note(digest)
      else {
        this.#missing.delete(digest)
        this.weights.measured(digest, bytes)
        found = true
      }
    })
    return { found, all: fresh.length <= looked.length }
  }

  /** Weighs, and once more when something had to be measured first; `measured`: whether nothing is left out. */
  async weigh<T extends { readonly unmeasured: readonly Digest[] }> (weigh: () => T | Promise<T>, allowance: Allowance): Promise<T & { readonly measured: boolean }> {
    const weight = await weigh()
    if (weight.unmeasured.length === 0) return { ...weight, measured: true }
    const { found, all } = await this.take(weight.unmeasured, allowance)
    return { ...found ? await weigh() : weight, measured: all }
  }

  #note (digest: Digest): void {
    if (this.#missing.size >= MISSING_MAXIMUM) this.#missing.clear()
    this.#missing.add(digest)
  }
}
