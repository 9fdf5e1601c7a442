/**
 * Takes blobs out of the registry's sight with one rename each, on the same file system, and removes them after: what a
 * claim may have to wait for is the rename alone. What a crash leaves here was garbage already.
 */
import { mkdir, readdir, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { hexOf, type Digest } from '../oci/digest.js'
import { codeOf, isMissing, unlessMissing } from './contain.js'
import * as paths from './paths.js'
import type { Extent, TreeWriter } from './write.js'

/** Beside `blobs` and `repositories`: the registry never looks there. */
const ASIDE = 'delgate-swept'

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
    const where = await this.writer.locate(from)
    if (where === 'missing') return undefined
    if (where === 'outside') throw new Error(`${from} is reached through a symbolic link; nothing was removed there`)
    const to = join(ASIDE, `${hexOf(digest)}-${this.#count++}`)
    try {
      await this.#rename(from, to)
      return async () => await this.writer.remove(to)
    } catch (error) {
      if (isMissing(error)) return undefined
      // `blobs` may be a mount of its own: then there is nothing better than to remove in place.
      if (codeOf(error) !== 'EXDEV') throw error
      const extent = await this.writer.remove(from)
      return async () => extent
    }
  }

  /** Removes the place itself, once it is empty. */
  async tidy (): Promise<void> {
    await rmdir(join(this.writer.root, ASIDE)).catch(() => {})
  }

  /** Removes what an earlier process left. */
  async clear (): Promise<void> {
    for (const name of await unlessMissing(readdir(join(this.writer.root, ASIDE))) ?? []) await this.writer.remove(join(ASIDE, name))
    await this.tidy()
  }

  async #rename (from: string, to: string): Promise<void> {
    const { root } = this.writer
    try {
      await this.writer.rename(from, to)
    } catch (error) {
      if (!isMissing(error)) throw error
      // The place is made when it is first needed.
      await mkdir(join(root, ASIDE), { recursive: true })
      await this.writer.rename(from, to)
    }
  }
}
