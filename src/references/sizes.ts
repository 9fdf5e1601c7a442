/** Sizes of blobs as they were measured on the disk, each with its digest. A blob's content never changes, so neither does its size. */
import { FIRST_FREE_FIELD, type DigestTable } from './digests.js'
import { HALF } from './format.js'
import { GRAPH_FIELDS } from './graph.js'

/** How many fields sizes need in each digest's record, after those of the graph. */
export const SIZE_FIELDS = 2
/** A size plus one, in two halves; 0 where it is not known. */
const [HIGH, LOW] = [FIRST_FREE_FIELD + GRAPH_FIELDS, FIRST_FREE_FIELD + GRAPH_FIELDS + 1]

export class Sizes {
  constructor (private readonly digests: DigestTable) {}

  /** Bytes; `undefined` where nobody has measured it. */
  get (id: number): number | undefined {
    const { cells } = this.digests
    const stored = cells.get(id, HIGH) * HALF + (cells.get(id, LOW) >>> 0)
    return stored === 0 ? undefined : stored - 1
  }

  set (id: number, bytes: number): void {
    const { cells } = this.digests
    cells.set(id, HIGH, Math.floor((bytes + 1) / HALF))
    cells.set(id, LOW, (bytes + 1) | 0)
  }
}
