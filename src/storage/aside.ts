/**
 * Takes blobs out of the registry's sight with one rename each, on the same file system, and removes them after: what a
 * claim may have to wait for is the rename alone. What a crash leaves here was garbage already.
 */
import { join } from 'node:path'
import { hexOf, type Digest } from '../oci/digest.js'
import { codeOf } from './contain.js'
import * as paths from './paths.js'
import type { Extent, TreeWriter } from './write.js'

/** Beside `blobs` and `repositories`: the registry never looks there. */
const ASIDE = 'delgate-swept'
const ATTEMPTS = 3

/** Removes for good what was taken away. @returns what that freed */
export type Remove = () => Promise<Extent>

export class Aside {
  #count = 0

  constructor (private readonly writer: TreeWriter) {}

  /**
   * Takes one blob away.
   * @returns `undefined` when it is not there
   */
  async take (digest: Digest): Promise<Remove | undefined> {
    const from = paths.blobDirectory(digest)
    const to = join(ASIDE, `${hexOf(digest)}-${this.#count++}`)
    try {
      return await this.#move(from, to) ? async () => await this.writer.remove(to) : undefined
    } catch (error) {
      // `blobs` may be a mount of its own: then there is nothing better than to remove in place.
      if (codeOf(error) !== 'EXDEV') throw error
      const extent = await this.writer.remove(from)
      return async () => extent
    }
  }

  /** Removes the place, with what an earlier process left there, or a removal that failed. While nothing is being taken away. */
  async clear (): Promise<void> {
    await this.writer.remove(ASIDE)
  }

  /** @returns false when there is nothing to move */
  async #move (from: string, to: string): Promise<boolean> {
    let outcome = await this.writer.rename(from, to)
    // The place is made when it is first needed, and whoever finds it empty removes it.
    for (let attempt = 1; outcome === 'nowhere' && attempt <= ATTEMPTS; attempt++) {
      await this.writer.ensure(ASIDE)
      outcome = await this.writer.rename(from, to)
    }
    if (outcome === 'nowhere') throw new Error(`${ASIDE} is gone as soon as it is made`)
    return outcome === 'moved'
  }
}
