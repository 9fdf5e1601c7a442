/**
 * Removes from the registry's tree: verbs without policy. Nothing is followed through a symbolic link, and nothing
 * outside the tree is touched.
 */
import { randomBytes } from 'node:crypto'
import { rmdirSync } from 'node:fs'
import { lstat, mkdir, readdir, rename, rm, rmdir, unlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Digest } from '../oci/digest.js'
import type { RepositoryName } from '../oci/name.js'
import { codeOf, contained, unlessMissing } from './contain.js'
import * as paths from './paths.js'
import { isPrunable } from './paths.js'

/** What a removal took away, or would take. */
export interface Extent {
  /** Sizes of the files, bytes. */
  readonly bytes: number
  readonly directories: number
}

export const NOTHING: Extent = { bytes: 0, directories: 0 }
export const plus = (a: Extent, b: Extent): Extent => ({ bytes: a.bytes + b.bytes, directories: a.directories + b.directories })

export class TreeWriter {
  /** @param root the directory `docker/registry/v2` of the storage */
  constructor (readonly root: string) {}

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
    return await this.#exists(dirname(relative)) ? await visit(join(this.root, relative), removing) : NOTHING
  }

  /** @throws when a symbolic link leads there */
  async #exists (directory: string): Promise<boolean> {
    const where = await contained(this.root, directory)
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

async function visit (path: string, removing: boolean): Promise<Extent> {
  const own = await unlessMissing(lstat(path))
  if (own === undefined) return NOTHING
  if (!own.isDirectory()) return await visitFile(path, removing)
  const entries = await unlessMissing(readdir(path, { withFileTypes: true }))
  if (entries === undefined) return NOTHING
  let total: Extent = { bytes: 0, directories: 1 }
  // In order of name: a tag's `current` goes before its history, so that the tag is gone first.
  for (const entry of entries.sort((a, b) => a.name < b.name ? -1 : 1)) {
    const inner = join(path, entry.name)
    total = plus(total, entry.isDirectory() ? await visit(inner, removing) : await visitFile(inner, removing))
  }
  if (removing) await unlessMissing(rmdir(path))
  return total
}

async function visitFile (path: string, removing: boolean): Promise<Extent> {
  return await unlessMissing(lstat(path).then(async ({ size }) => {
    if (removing) await unlink(path)
    return { bytes: size, directories: 0 }
  })) ?? NOTHING
}
