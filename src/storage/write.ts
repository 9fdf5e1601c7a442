/**
 * Removes from the registry's tree: verbs without policy. Nothing is followed through a symbolic link, and nothing
 * outside the tree is touched.
 */
import { randomBytes } from 'node:crypto'
import { lstatSync, renameSync, rmdirSync, unlinkSync, type Dirent, type Stats } from 'node:fs'
import { lstat, mkdir, rename, rm, rmdir, unlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Digest } from '../oci/digest.js'
import type { RepositoryName } from '../oci/name.js'
import { codeOf, contained, unlessMissing, type Containment } from './contain.js'
import { PacedDisk } from './paced.js'
import * as paths from './paths.js'
import { isPrunable } from './paths.js'

/** What a removal took away, or would take. */
export interface Extent {
  /** Sizes of the files, bytes. */
  readonly bytes: number
  readonly directories: number
}

/** To give back the room of a larger file may take a file system long. Bytes. */
const LARGE_BYTES = 65_536

export const NOTHING: Extent = { bytes: 0, directories: 0 }
export const plus = (a: Extent, b: Extent): Extent => ({ bytes: a.bytes + b.bytes, directories: a.directories + b.directories })

export class TreeWriter {
  readonly #disk = new PacedDisk()

  /** @param root the directory `docker/registry/v2` of the storage */
  constructor (readonly root: string) {}

  /** Whether a path is inside the tree, and not by way of a symbolic link. */
  async locate (relative: string): Promise<Containment> {
    await this.#disk.prepare(this.root)
    return await contained(this.root, relative, this.#disk)
  }

  /** Moves a file or directory, both ends of which were found to be inside the tree. */
  async rename (from: string, to: string): Promise<void> {
    const [old, now] = [join(this.root, from), join(this.root, to)]
    await this.#disk.run(() => { renameSync(old, now) }, async () => { await rename(old, now) })
  }

  /** Removes a directory with all that is in it; what is missing already counts as nothing. */
  async remove (relative: string): Promise<Extent> {
    return await this.#visit(relative, true)
  }

  /** What `remove` would take. */
  async measure (relative: string): Promise<Extent> {
    return await this.#visit(relative, false)
  }

  /**
   * Removes directories that are empty, and their parents as long as those are empty too.
   * @param start directories to begin with; they need not exist
   * @param mayRemove asked in the very moment before one goes, with nothing in between
   * @returns how many were removed
   */
  async pruneUp (start: readonly string[], mayRemove: (directory: string) => boolean = () => true): Promise<number> {
    let removed = 0
    for (const first of new Set(start)) {
      for (let directory = first; isPrunable(directory); directory = dirname(directory)) {
        const outcome = await this.#removeEmpty(directory, mayRemove)
        if (outcome === 'kept') break
        if (outcome === 'removed') removed++
      }
    }
    return removed
  }

  /** Writes the link that lets a repository serve a blob, as the registry's upload commit does. */
  async linkLayer (repository: RepositoryName, digest: Digest, target: Digest): Promise<void> {
    await this.#write(paths.layerLink(repository, digest), target)
  }

  /** Writes the link that makes a stored manifest part of a repository. */
  async linkRevision (repository: RepositoryName, digest: Digest): Promise<void> {
    await this.ensure(paths.layersDirectory(repository))
    await this.#write(paths.revisionLink(repository, digest), digest)
  }

  /** Stores a blob as a whole or not at all. */
  async storeBlob (digest: Digest, bytes: Buffer | string): Promise<void> {
    const path = join(this.root, paths.blobData(digest))
    await mkdir(dirname(path), { recursive: true })
    // Not called `data`: the registry does not see it before it is whole.
    const temporary = `${path}.${randomBytes(4).toString('hex')}`
    try {
      await writeFile(temporary, bytes, { flush: true })
      await rename(temporary, path)
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    }
  }

  /** Stores a manifest and links it in a repository, as the registry's manifest PUT does. */
  async linkManifest (repository: RepositoryName, digest: Digest, bytes: string): Promise<void> {
    await this.storeBlob(digest, bytes)
    await this.linkRevision(repository, digest)
  }

  /** Makes sure that a directory exists. */
  async ensure (relative: string): Promise<void> {
    await mkdir(join(this.root, relative), { recursive: true })
  }

  async #write (relative: string, text: string): Promise<void> {
    const path = join(this.root, relative)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, text)
  }

  async #visit (relative: string, removing: boolean): Promise<Extent> {
    return await this.#exists(dirname(relative)) ? await visit(this.#disk, join(this.root, relative), removing) : NOTHING
  }

  /** @throws when a symbolic link leads there */
  async #exists (directory: string): Promise<boolean> {
    const where = await this.locate(directory)
    if (where === 'outside') throw new Error(`${directory} is reached through a symbolic link; nothing was removed there`)
    return where === 'inside'
  }

  async #removeEmpty (relative: string, mayRemove: (directory: string) => boolean): Promise<'removed' | 'missing' | 'kept'> {
    if (!await this.#exists(dirname(relative))) return 'missing'
    if (!mayRemove(relative)) return 'kept'
    try {
      // Not awaited, so that the answer of `mayRemove` still holds.
      rmdirSync(join(this.root, relative))
      return 'removed'
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return 'missing'
      if (['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(codeOf(error))) return 'kept'
      throw error
    }
  }
}

async function visit (disk: PacedDisk, path: string, removing: boolean): Promise<Extent> {
  const own = await lookAt(disk, path)
  if (own === undefined) return NOTHING
  if (!own.isDirectory()) return await visitFile(disk, path, own.size, removing)
  const entries: Dirent[] = []
  if (await unlessMissing(disk.list(path, entry => { entries.push(entry) }).then(() => true)) === undefined) return NOTHING
  let total: Extent = { bytes: 0, directories: 1 }
  // In order of name: a tag's `current` goes before its history, so that the tag is gone first.
  for (const { name } of entries.sort((a, b) => a.name < b.name ? -1 : 1)) total = plus(total, await visit(disk, `${path}/${name}`, removing))
  if (removing) await unlessMissing(run(disk, () => { rmdirSync(path) }, async () => { await rmdir(path) }))
  return total
}

async function visitFile (disk: PacedDisk, path: string, bytes: number, removing: boolean): Promise<Extent> {
  if (!removing) return { bytes, directories: 0 }
  const removed = bytes > LARGE_BYTES ? unlink(path) : run(disk, () => { unlinkSync(path) }, async () => { await unlink(path) })
  return await unlessMissing(removed.then(() => ({ bytes, directories: 0 }))) ?? NOTHING
}

const lookAt = async (disk: PacedDisk, path: string): Promise<Stats | undefined> =>
  await unlessMissing(run(disk, () => lstatSync(path, { throwIfNoEntry: false }), async () => await unlessMissing(lstat(path))))

/** What is thrown directly is thrown where it is awaited, too. */
const run = async <T>(disk: PacedDisk, direct: () => T, pool: () => Promise<T>): Promise<T> => await disk.run(direct, pool)
