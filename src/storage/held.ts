/**
 * Directories of the tree, held open. Whoever checks a path and then acts on it may be sent elsewhere in between, when a
 * directory on the way is replaced by a symbolic link. A directory that is open stays what it is: its entries are reached
 * through its handle (`/proc/self/fd/<handle>/<name>`), and only of the last name it matters that nobody follows it.
 */
import { closeSync, constants, lstatSync, mkdirSync, open, openSync, readlinkSync } from 'node:fs'
import { mkdir, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { codeOf, contained, isMissing } from './contain.js'
import { DIRECTORY, HANDLES, HAS_HANDLES } from './opened.js'
import type { PacedDisk } from './paced.js'

/** A directory; close it when nothing is to be done in it any more. */
export interface Held {
  /** Where its entries are: `<path>/<name>`. */
  readonly path: string
  close (): void
}

/** The root itself may be a symbolic link. */
const ROOT_FLAGS = DIRECTORY & ~constants.O_NOFOLLOW
const openPooled = promisify(open)
/** Where roots really are. */
const realRoots = new Map<string, string>()

const run = async <T>(disk: PacedDisk, direct: () => T, pool: () => Promise<T>): Promise<T> => await disk.run(direct, pool)

/** Opens a directory by its last name. @throws ENOTDIR or ELOOP for a symbolic link */
export async function holdEntry (disk: PacedDisk, path: string, flags = DIRECTORY): Promise<Held> {
  if (!HAS_HANDLES) return { path, close: () => {} }
  const handle = await run(disk, () => openSync(path, flags), async () => await openPooled(path, flags))
  return { path: `${HANDLES}/${handle}`, close: () => { closeSync(handle) } }
}

/**
 * Opens a directory of the tree.
 * @param isMade whether what is missing on the way is made
 * @returns `outside`: it is reached through a symbolic link
 */
export async function hold (disk: PacedDisk, root: string, relative: string, isMade = false): Promise<Held | 'missing' | 'outside'> {
  if (!HAS_HANDLES) return await holdByPath(disk, root, relative, isMade)
  const held = await holdDirectly(disk, root, relative)
  return held ?? await walk(disk, root, relative.split('/').filter(name => name !== '' && name !== '.'), isMade)
}

/** In one go, and asks the handle where that is; `undefined` when it is not where it should be. */
async function holdDirectly (disk: PacedDisk, root: string, relative: string): Promise<Held | undefined> {
  const known = realRoots.get(root)
  if (known === undefined) return undefined
  let held: Held | undefined
  try {
    held = await holdEntry(disk, join(root, relative))
    const { path } = held
    if (await run(disk, () => readlinkSync(path), async () => await readlink(path)) === join(known, relative)) return held
  } catch (error) {
    if (!isMissing(error) && codeOf(error) !== 'ELOOP') throw error
  }
  held?.close()
  return undefined
}

/**
 * Step by step: each directory through the handle of the one that it is in.
 * @throws Error where something else stands in the place of one that is to be made
 */
async function walk (disk: PacedDisk, root: string, names: readonly string[], isMade: boolean): Promise<Held | 'missing' | 'outside'> {
  let held: Held
  try {
    if (isMade) await mkdir(root, { recursive: true })
    held = await holdEntry(disk, root, ROOT_FLAGS)
    realRoots.set(root, await readlink(held.path))
  } catch (error) {
    if (isMissing(error)) return 'missing'
    throw error
  }
  for (const [at, name] of names.entries()) {
    const path = `${held.path}/${name}`
    try {
      if (isMade) await make(path)
      const next = await holdEntry(disk, path)
      held.close()
      held = next
    } catch (error) {
      const isLink = isSymbolicLink(path)
      held.close()
      if (isLink) return 'outside'
      if (isMade && codeOf(error) === 'ENOTDIR') throw new Error(`${names.slice(0, at + 1).join('/')} could not be made: something else stands in its place`)
      if (isMissing(error)) return 'missing'
      throw error
    }
  }
  return held
}

async function make (path: string): Promise<void> {
  await mkdir(path).catch((error: unknown) => { if (codeOf(error) !== 'EEXIST') throw error })
}

function isSymbolicLink (path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true
  } catch {
    return false
  }
}

async function holdByPath (disk: PacedDisk, root: string, relative: string, isMade: boolean): Promise<Held | 'missing' | 'outside'> {
  const where = await contained(root, relative, disk)
  if (where === 'outside' || (where === 'missing' && !isMade)) return where
  const path = join(root, relative)
  if (where === 'missing') await run(disk, () => { mkdirSync(path, { recursive: true }) }, async () => { await mkdir(path, { recursive: true }) })
  return { path, close: () => {} }
}
