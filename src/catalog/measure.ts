/** Sizes of blobs that are not known yet: of those that came since everything was measured, and so are few. */
import type { Digest } from '../oci/digest.js'
import type { Weights } from '../references/weights.js'
import { each } from '../storage/concurrency.js'
import type { TreeReader } from '../storage/read.js'

export class Measure {
  constructor (private readonly reader: Pick<TreeReader, 'blobSize'>, private readonly weights: Pick<Weights, 'measured'>) {}

  /** Measures them. @returns whether there was any that could be measured now */
  async take (digests: readonly Digest[]): Promise<boolean> {
    let found = false
    await each(digests, async digest => {
      const bytes = await this.reader.blobSize(digest)
      if (bytes === undefined) return
      this.weights.measured(digest, bytes)
      found = true
    })
    return found
  }

  /** Weighs, and once more when something had to be measured first. */
  async weigh<T extends { readonly unmeasured: readonly Digest[] }> (weigh: () => T): Promise<T> {
    const weight = weigh()
    return weight.unmeasured.length > 0 && await this.take(weight.unmeasured) ? weigh() : weight
  }
}
