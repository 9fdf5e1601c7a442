/**
 * Tells whether a directory has changed since it was listed, for the price of one `lstat`: adding, removing or renaming
 * an entry changes the directory's times, and another directory under the same name has another inode.
 */
import type { Stats } from 'node:fs'

export interface Stamp {
  readonly inode: number
  /** Milliseconds since the epoch, with fractions. */
  readonly modifiedAt: number
  readonly changedAt: number
  /** Its links: two more than the directories in it; 1 where the file system does not count (btrfs, and ext4 beyond 65,000). */
  readonly links: number
}

/** Whether the number of links says how many directories there are. */
export const isCounted = ({ links }: Stamp): boolean => links > 1

export const stampOf = ({ ino, mtimeMs, ctimeMs, nlink }: Stats): Stamp => ({ inode: ino, modifiedAt: mtimeMs, changedAt: ctimeMs, links: nlink })

/**
 * A directory that changed less than this before it was listed may change again without its times showing it: they
 * advance in ticks of the kernel (4 to 10 ms), on some file systems in whole seconds, and on network file systems by
 * another machine's clock. Milliseconds. (The same trap as in git's documentation, racy-git.)
 */
const SETTLED_AFTER_MS = 2_500

export const sameStamp = (a: Stamp | undefined, b: Stamp): boolean =>
  a !== undefined && a.inode === b.inode && a.modifiedAt === b.modifiedAt && a.changedAt === b.changedAt && a.links === b.links

/**
 * Whether any later change must give another stamp.
 * @param listedAt the time before the listing began, which began after the stamp was taken; milliseconds since the epoch
 */
export const isSettled = (stamp: Stamp, listedAt: number): boolean =>
  listedAt - Math.max(stamp.modifiedAt, stamp.changedAt) > SETTLED_AFTER_MS
