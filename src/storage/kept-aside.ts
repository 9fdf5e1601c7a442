/**
 * The trash as it lies on the disk, on the registry's own file system: verbs without policy.
 *
 *   delgate-trash/<job>/record-<n>.json    what was removed from one repository, and until when it is kept
 *   delgate-trash/<job>/tree/<path>        links, by the path that they had: each directory is moved with one rename
 *   delgate-trash/blobs/<alg>-<hex>        content, whichever job needs it: a second name of the file, given before it loses the first
 */
import { lstat, rmdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { algorithmOf, hexOf, parseDigest, type Digest } from '../oci/digest.js'
import { codeOf, unlessMissing } from './contain.js'
import { PacedDisk } from './paced.js'
import * as paths from './paths.js'
import { NOTHING, type Extent, type TreeWriter } from './write.js'

/** Beside `blobs` and `repositories`: the registry never looks there. */
const TRASH = 'delgate-trash'
const BLOBS = join(TRASH, 'blobs')

const nameOf = (digest: Digest): string => join(BLOBS, `${algorithmOf(digest)}-${hexOf(digest)}`)
const treeOf = (job: string): string => join(TRASH, job, 'tree')

export class KeptAside {
  readonly #disk = new PacedDisk()

  constructor (private readonly writer: TreeWriter) {}

  /** Whether links can be moved here with a rename: `repositories` may be a mount of its own. */
  async isBeside (): Promise<boolean> {
    const [root, repositories] = await Promise.all(['', paths.REPOSITORIES].map(async path => await unlessMissing(lstat(join(this.writer.root, path)))))
    return root === undefined || repositories === undefined || root.dev === repositories.dev
  }

  /** Ids of the jobs that something is kept of. */
  async jobs (): Promise<string[]> { return (await this.#list(TRASH)).filter(name => name !== 'blobs').sort() }

  /** What is kept besides links: digests, or names that are none. */
  async blobs (): Promise<Array<{ digest: Digest | undefined, remove: () => Promise<void> }>> {
    return (await this.#list(BLOBS)).map(name => ({ digest: parseDigest(name.replace('-', ':')), remove: async () => { await this.writer.remove(join(BLOBS, name)) } }))
  }

  /** It is on the disk when this resolves. */
  async writeRecord (job: string, number: number, text: string): Promise<void> {
    await this.writer.writeOwn(join(TRASH, job, `record-${number}.json`), text)
  }

  async records (job: string): Promise<string[]> {
    const files = (await this.#list(join(TRASH, job))).filter(name => name.startsWith('record-') && name.endsWith('.json'))
    return await Promise.all(files.map(async file => {
      const path = join(TRASH, job, file)
      const read = await this.#disk.read(join(this.writer.root, path), await this.#sizeOf(path) ?? 0, bytes => ({ text: bytes.toString() }))
      if (typeof read === 'string') throw new Error(`${path} cannot be read, or is being changed`)
      return read.text
    }))
  }

  /** Sizes of the links that are kept of a job, bytes. */
  async size (job: string): Promise<number> { return (await this.writer.measure(treeOf(job))).bytes }

  /** Moves a directory of links here. @returns what went, and what that takes here */
  async take (job: string, path: string): Promise<Extent> {
    const { bytes, directories } = await this.writer.measure(path)
    if (directories === 0) return NOTHING
    const place = join(treeOf(job), path)
    await this.writer.ensure(dirname(place))
    try {
      await this.#move(path, place)
    } catch (error) {
      // It was moved before, by a run that was interrupted, and has come again since.
      if (!['ENOTEMPTY', 'EEXIST'].includes(codeOf(error))) throw error
      return await this.writer.remove(path)
    }
    return { bytes: 0, directories, inTrash: bytes }
  }

  /**
   * Moves a directory of links back, unless one is there.
   * @param within where this directory is not there, it is not moved back either
   */
  async restore (job: string, path: string, within?: string): Promise<void> {
    if ((within !== undefined && !await this.#isThere(within)) || await this.#isThere(path)) return
    await this.writer.ensure(dirname(path))
    await this.#move(join(treeOf(job), path), path)
  }

  /** Keeps the content of a blob. @returns its size, bytes; `undefined` when there is no such blob */
  async keepBlob (digest: Digest): Promise<number | undefined> {
    const bytes = await this.blobSize(digest)
    return bytes === undefined || await this.writer.link(paths.blobData(digest), nameOf(digest)) === 'missing' ? undefined : bytes
  }

  /** Puts content back into its place. @returns whether it was not there */
  async restoreBlob (digest: Digest): Promise<boolean> {
    return await this.writer.link(nameOf(digest), paths.blobData(digest)) === 'linked'
  }

  /** Size of a blob in its place, bytes. */
  async blobSize (digest: Digest): Promise<number | undefined> { return await this.#sizeOf(paths.blobData(digest)) }

  /** Size of a blob that is kept, bytes. */
  async keptSize (digest: Digest): Promise<number | undefined> { return await this.#sizeOf(nameOf(digest)) }

  async dropBlob (digest: Digest): Promise<void> { await this.writer.remove(nameOf(digest)) }

  /** The records go first: what a crash leaves has none. */
  async drop (job: string): Promise<void> { await this.writer.remove(join(TRASH, job)) }

  /** Removes the place itself, once it is empty. */
  async tidy (): Promise<void> {
    for (const directory of [BLOBS, TRASH]) await rmdir(join(this.writer.root, directory)).catch(() => {})
  }

  /** Makes sure that a repository has the directory that registry 2.8 lists it by. */
  async ensureLayers (repository: Parameters<typeof paths.layersDirectory>[0]): Promise<void> {
    await this.writer.ensure(paths.layersDirectory(repository))
  }

  /** What was put back survives a power cut when this resolves. */
  async flush (): Promise<void> { await this.writer.flush() }

  async #move (from: string, to: string): Promise<void> {
    if (await this.writer.rename(from, to) === 'nowhere') throw new Error(`${dirname(to)} is gone again; nothing was moved there`)
  }

  async #list (directory: string): Promise<string[]> {
    const names: string[] = []
    await unlessMissing(this.#disk.list(join(this.writer.root, directory), ({ name }) => { names.push(name) }))
    return names
  }

  async #sizeOf (path: string): Promise<number | undefined> {
    return (await unlessMissing(lstat(join(this.writer.root, path))))?.size
  }

  async #isThere (path: string): Promise<boolean> { return await this.#sizeOf(path) !== undefined }
}
