/**
 * Removes from the registry's tree: verbs without policy. Nothing is followed through a symbolic link, and nothing
 * outside the tree is touched.
 */
import { randomBytes } from 'node:crypto'
import { constants, lstatSync, renameSync, rmdirSync, unlinkSync, type Dirent, type Stats } from 'node:fs'
import { copyFile, link, lstat, open, rename, rm, rmdir, unlink, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { flushDirectory } from '../flush.js'
import type { Digest } from '../oci/digest.js'
import type { RepositoryName } from '../oci/name.js'
import { codeOf, isMissing, unlessMissing } from './contain.js'
import { Changes } from './changes.js'
import { hold, holdEntry, type Held } from './held.js'
import { PacedDisk } from './paced.js'
import * as paths from './paths.js'
import { isPrunable } from './paths.js'

/** What a removal took away, or would take. */
export interface Extent {
  /** Sizes of the files, bytes. */
  readonly bytes: number
  readonly directories: number
  /** Sizes of the files that were moved into the trash instead, bytes. */
  readonly inTrash?: number
}

/** To give back the room of a larger file may take a file system long. Bytes. */
const LARGE_BYTES = 65_536

export const NOTHING: Extent = { bytes: 0, directories: 0 }
export const plus = (a: Extent, b: Extent): Extent => ({ bytes: a.bytes + b.bytes, directories: a.directories + b.directories, ...inTrash((a.inTrash ?? 0) + (b.inTrash ?? 0)) })
const inTrash = (bytes: number): Pick<Extent, 'inTrash'> => bytes === 0 ? {} : { inTrash: bytes }

export class TreeWriter {
  readonly #disk = new PacedDisk()
  readonly #changes = new Changes()
  #flushing: Promise<void> = Promise.resolve()

  /** @param root the directory `docker/registry/v2` of the storage */
  constructor (readonly root: string) {}

  /**
   * Moves a file or directory.
   * @returns `missing`: it is not there; `nowhere`: the directory that it should go to is not
   */
  async rename (from: string, to: string): Promise<'moved' | 'missing' | 'nowhere'> {
    return await this.#in(dirname(from), async source => await this.#in(dirname(to), async target => {
      const [old, now] = [`${source.path}/${basename(from)}`, `${target.path}/${basename(to)}`]
      try {
        this.#changes.note(dirname(from), dirname(to))
        await this.#disk.run(() => { renameSync(old, now) }, async () => { await rename(old, now) })
        return 'moved'
      } catch (error) {
        if (!isMissing(error)) throw error
        return await lookAt(this.#disk, old) === undefined ? 'missing' : 'nowhere'
      }
    }, () => 'nowhere'), () => 'missing')
  }

  /**
   * Gives a file a second name, or copies it where the file system has no such thing. The new name is there at once or not at all.
   * @returns `missing`: there is no such file; `exists`: the name is taken
   */
  async link (from: string, to: string): Promise<'linked' | 'missing' | 'exists'> {
    return await this.#in(dirname(from), async source => await this.#in(dirname(to), async target => {
      this.#changes.note(dirname(to))
      return await linkOrCopy(`${source.path}/${basename(from)}`, `${target.path}/${basename(to)}`)
    }, () => { throw new Error(`${dirname(to)} could not be made`) }, true), () => 'missing')
  }

  /** Writes a file of Delgate's own as a whole or not at all; it is on the disk when this resolves. */
  async writeOwn (relative: string, content: string): Promise<void> {
    await this.#write(relative, content)
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
    await this.#write(paths.blobData(digest), bytes)
  }

  /** Stores a manifest and links it in a repository, as the registry's manifest PUT does. */
  async linkManifest (repository: RepositoryName, digest: Digest, bytes: string): Promise<void> {
    await this.storeBlob(digest, bytes)
    await this.linkRevision(repository, digest)
  }

  /** Makes sure that a directory exists. */
  async ensure (relative: string): Promise<void> {
    this.#changes.note(dirname(relative))
    const held = await this.#hold(relative, true)
    held?.close()
  }

  /** All that was changed before survives a power cut when this resolves. */
  async flush (): Promise<void> {
    const flushing = this.#flushing.catch(() => {}).then(async () => { await this.#changes.flush(async directory => await this.#flushOne(directory)) })
    this.#flushing = flushing
    await flushing
  }

  /** @returns whether it is there */
  async #flushOne (directory: string): Promise<boolean> {
    return await this.#in(directory, async ({ path }) => { await flushDirectory(path); return true }, () => false)
  }

  /** Writes a file as a whole or not at all; it is on the disk when this resolves. What other names it has, by links, keeps its content. */
  async #write (relative: string, content: Buffer | string): Promise<void> {
    await this.#in(dirname(relative), async ({ path }) => {
      // Not called by its name: the registry does not see it before it is whole.
      const temporary = `${path}/${basename(relative)}.${randomBytes(4).toString('hex')}`
      try {
        await writeFile(temporary, content, { flag: 'wx', flush: true })
        await rename(temporary, `${path}/${basename(relative)}`)
        await flushDirectory(path)
      } catch (error) {
        await rm(temporary, { force: true })
        throw error
      }
    }, () => { throw new Error(`${dirname(relative)} could not be made`) }, true)
  }

  async #visit (relative: string, removing: boolean): Promise<Extent> {
    if (removing) this.#changes.note(dirname(relative))
    return await this.#in(dirname(relative), async ({ path }) => await visit(this.#disk, `${path}/${basename(relative)}`, removing), () => NOTHING)
  }

  async #removeEmpty (relative: string, mayRemove: (directory: string) => boolean): Promise<'removed' | 'missing' | 'kept'> {
    return await this.#in(dirname(relative), async ({ path }) => {
      if (!mayRemove(relative)) return 'kept'
      this.#changes.note(dirname(relative))
      try {
        // Not awaited, so that the answer of `mayRemove` still holds.
        rmdirSync(`${path}/${basename(relative)}`)
        return 'removed'
      } catch (error) {
        if (codeOf(error) === 'ENOENT') return 'missing'
        if (['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(codeOf(error))) return 'kept'
        throw error
      }
    }, () => 'missing')
  }

  /** Does something in a directory, or something else where it is missing. @throws when a symbolic link leads there */
  async #in<T> (directory: string, work: (held: Held) => Promise<T>, otherwise: () => T, isMade = false): Promise<T> {
    const held = await this.#hold(directory, isMade)
    if (held === undefined) return otherwise()
    try {
      return await work(held)
    } catch (error) {
      // A handle says nothing to whoever reads the message.
      const { path } = error as NodeJS.ErrnoException
      if (path?.startsWith(`${held.path}/`) === true) (error as NodeJS.ErrnoException).path = join(this.root, directory, path.slice(held.path.length))
      throw error
    } finally {
      held.close()
    }
  }

  async #hold (directory: string, isMade: boolean): Promise<Held | undefined> {
    await this.#disk.prepare(this.root)
    const held = await hold(this.#disk, this.root, directory, isMade)
    if (held === 'outside') throw new Error(`${directory} is reached through a symbolic link; nothing was ${isMade ? 'written' : 'removed'} there`)
    return held === 'missing' ? undefined : held
  }
}

/** @param path reached through the handle of the directory that it is in */
async function visit (disk: PacedDisk, path: string, removing: boolean): Promise<Extent> {
  const own = await lookAt(disk, path)
  if (own === undefined) return NOTHING
  if (!own.isDirectory()) return await visitFile(disk, path, own.size, removing)
  const held = await unlessMissing(holdEntry(disk, path))
  if (held === undefined) return NOTHING
  let total: Extent = { bytes: 0, directories: 1 }
  try {
    const entries: Dirent[] = []
    if (await unlessMissing(disk.list(`${held.path}/.`, entry => { entries.push(entry) }).then(() => true)) === undefined) return NOTHING
    // In order of name: a tag's `current` goes before its history, so that the tag is gone first.
    for (const { name } of entries.sort((a, b) => a.name < b.name ? -1 : 1)) total = plus(total, await visit(disk, `${held.path}/${name}`, removing))
  } finally {
    held.close()
  }
  if (removing) await unlessMissing(run(disk, () => { rmdirSync(path) }, async () => { await rmdir(path) }))
  return total
}

async function visitFile (disk: PacedDisk, path: string, bytes: number, removing: boolean): Promise<Extent> {
  if (!removing) return { bytes, directories: 0 }
  const removed = bytes > LARGE_BYTES ? unlink(path) : run(disk, () => { unlinkSync(path) }, async () => { await unlink(path) })
  return await unlessMissing(removed.then(() => ({ bytes, directories: 0 }))) ?? NOTHING
}

/** How file systems say that they cannot give a file a second name: other device, not supported, not allowed, too many. */
const NO_LINKS: ReadonlySet<string> = new Set(['EXDEV', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EPERM', 'EMLINK'])

async function linkOrCopy (from: string, to: string): Promise<'linked' | 'missing' | 'exists'> {
  try {
    await link(from, to)
    return 'linked'
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return 'missing'
    if (codeOf(error) === 'EEXIST') return 'exists'
    if (!NO_LINKS.has(codeOf(error))) throw error
  }
  const temporary = `${to}.${randomBytes(4).toString('hex')}`
  try {
    await copyFile(from, temporary, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE)
    // It must not be there by its name, and empty, after a power cut.
    const file = await open(temporary)
    await file.sync().finally(async () => { await file.close() })
    await rename(temporary, to)
    return 'linked'
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

const lookAt = async (disk: PacedDisk, path: string): Promise<Stats | undefined> =>
  await unlessMissing(run(disk, () => lstatSync(path, { throwIfNoEntry: false }), async () => await unlessMissing(lstat(path))))

/** What is thrown directly is thrown where it is awaited, too. */
const run = async <T>(disk: PacedDisk, direct: () => T, pool: () => Promise<T>): Promise<T> => await disk.run(direct, pool)
