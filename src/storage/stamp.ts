/**
 * What tells whether a directory's entries are still those that were read: its times, its inode, and how many
 * directories it holds. A directory with the same stamp has the same entries, if the stamp is to be trusted.
 */
import { lstat } from 'node:fs/promises'
import { unlessMissing } from './contain.js'

export interface Stamp {
  readonly isDirectory: boolean
  readonly inode: number
  /** When an entry was last added or removed, milliseconds since the epoch. */
  readonly modifiedAt: number
  /** As kept by the kernel alone: no tool that restores files can set it. Milliseconds since the epoch. */
  readonly changedAt: number
  /**
   * For a directory, two more than the directories in it; 1 where the file system does not count them (btrfs, and ext4
   * beyond 65,000).
   */
  readonly links: number
}

/**
 * A change within this time before the reading may have been followed by one more that bears the same time: kernels
 * note times no finer than their clock's tick, 10 ms at most (git knows this as "racy"). Milliseconds.
 */
const TICK_MS = 50
/** The same for file systems that keep whole seconds, or every other second. Milliseconds. */
const COARSE_TICK_MS = 2_500

/** @returns `undefined` when there is nothing; a symbolic link has a stamp of its own */
export async function stampOf (path: string): Promise<Stamp | undefined> {
  const stats = await unlessMissing(lstat(path))
  return stats === undefined ? undefined : { isDirectory: stats.isDirectory(), inode: stats.ino, modifiedAt: stats.mtimeMs, changedAt: stats.ctimeMs, links: stats.nlink }
}

export const isSame = (a: Stamp | undefined, b: Stamp | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && a.isDirectory === b.isDirectory && a.inode === b.inode && a.modifiedAt === b.modifiedAt && a.changedAt === b.changedAt && a.links === b.links)

/**
 * Whether the same stamp later means the same entries.
 * @param readAt when the stamp was about to be taken, before the entries were read; milliseconds since the epoch
 */
export function isTrusted (stamp: Stamp, readAt: number): boolean {
  if (!stamp.isDirectory) return false
  const latest = Math.max(stamp.modifiedAt, stamp.changedAt)
  const isCoarse = stamp.modifiedAt % 1000 === 0 && stamp.changedAt % 1000 === 0
  return latest < readAt - (isCoarse ? COARSE_TICK_MS : TICK_MS)
}
