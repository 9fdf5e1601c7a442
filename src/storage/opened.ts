/**
 * Files and directories of the tree, opened by their paths. Whoever checks a path and then opens it may be sent elsewhere in
 * between, when a directory on the way is replaced by a symbolic link; so what is open is asked where it is.
 */
import { close, closeSync, constants, existsSync, open, openSync, readlink, readlinkSync } from 'node:fs'
import { promisify } from 'node:util'

/** What is open, by its number (proc_pid_fd(5)). Elsewhere than on Linux there is no such thing, and paths are believed. */
export const HANDLES = '/proc/self/fd'
export const HAS_HANDLES = existsSync(HANDLES)
/** What Linux adds to the path of what was removed since it was opened. */
const REMOVED = ' (deleted)'

/** In the last place a symbolic link is refused (ELOOP, for a directory ENOTDIR); a pipe does not wait for a writer. */
export const FILE = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
export const DIRECTORY = FILE | constants.O_DIRECTORY

const pooled = { open: promisify(open), close: promisify(close), readlink: promisify(readlink) as (path: string) => Promise<string> }

/**
 * Opens a path, without symbolic links before the root of the tree, and does something with what is there.
 * @throws ELOOP when a symbolic link leads there
 */
export function withOpen<T> (path: string, flags: number, work: (handle: number) => T): T {
  for (let isAgain = false; ; isAgain = true) {
    const handle = openSync(path, flags)
    try {
      if (!HAS_HANDLES || isAt(path, readlinkSync(`${HANDLES}/${handle}`))) return work(handle)
    } catch (error) {
      throw named(error, path)
    } finally {
      closeSync(handle)
    }
    // It may have been moved, as what is removed is, and is missing now.
    if (isAgain) throw strayed(path)
  }
}

/** The same, through the thread pool. */
export async function withOpenPooled<T> (path: string, flags: number, work: (handle: number) => Promise<T>): Promise<T> {
  for (let isAgain = false; ; isAgain = true) {
    const handle = await pooled.open(path, flags)
    try {
      if (!HAS_HANDLES || isAt(path, await pooled.readlink(`${HANDLES}/${handle}`))) return await work(handle)
    } catch (error) {
      throw named(error, path)
    } finally {
      await pooled.close(handle)
    }
    if (isAgain) throw strayed(path)
  }
}

/** Whether a path is reached through handles already, so that only its last name counts. */
const isHeld = (path: string): boolean => path.startsWith(`${HANDLES}/`)

const isAt = (path: string, found: string): boolean => found === path || found === path + REMOVED || isHeld(path)

/** A handle says nothing to whoever reads the message. */
function named (error: unknown, path: string): unknown {
  if (isHeld((error as NodeJS.ErrnoException).path ?? '')) (error as NodeJS.ErrnoException).path = path
  return error
}

const strayed = (path: string): Error => Object.assign(new Error(`${path} is reached through a symbolic link`), { code: 'ELOOP', path })
