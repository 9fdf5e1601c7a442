/** Lists a directory again if it may have changed since it was listed last. */
import { join } from 'node:path'
import { publicReason } from '../errors.js'
import { isMissing } from '../storage/contain.js'
import type { PacedDisk } from '../storage/paced.js'
import { isSettled, sameStamp, type Stamp } from '../storage/stamp.js'
import type { Damage } from '../storage/state.js'
import type { Watched } from './folder.js'

/** What the index reads with. */
export interface Sources {
  readonly disk: PacedDisk
  /** The directory `docker/registry/v2` of the storage. */
  readonly root: string
  /** Milliseconds since the epoch, by the clock of the file system. */
  readonly now: () => number
  /** Ends the reading. */
  readonly signal: AbortSignal | undefined
}

/**
 * `unreadable`: what is known of it must stay as it is, since nothing better is known; the damage says so, and that
 * nothing may be swept.
 */
export type Listed = 'unchanged' | 'listed' | 'missing' | 'unreadable'

/**
 * @param path relative to the root
 * @param found called for each directory in it; what is odd goes into the list of damages
 */
export async function relist (watched: Watched, path: string, { disk, root, now, signal }: Sources, found: (name: string, damages: Damage[]) => void): Promise<Listed> {
  signal?.throwIfAborted()
  const unreadable = (reason: string): Listed => {
    watched.stamp = undefined
    watched.damages = [{ kind: 'tree', path, reason }]
    return 'unreadable'
  }
  const missing = (): Listed => {
    watched.stamp = undefined
    watched.damages = []
    return 'missing'
  }
  try {
    const there = await disk.stat(`${root}/${path}`)
    if (there.kind === 'symbolic link') return unreadable('it is a symbolic link')
    if (there.kind !== 'directory') return missing()
    if (sameStamp(watched.stamp, there.stamp)) return 'unchanged'
    await read(watched, path, there.stamp, { disk, root, now, signal }, found)
    return 'listed'
  } catch (error) {
    return isMissing(error) ? missing() : unreadable(`it cannot be read: ${publicReason(error)}`)
  }
}

async function read (watched: Watched, path: string, stamp: Stamp, { disk, root, now }: Sources, found: (name: string, damages: Damage[]) => void): Promise<void> {
  const damages: Damage[] = []
  const listedAt = now()
  await disk.list(`${root}/${path}`, entry => {
    if (entry.isSymbolicLink()) damages.push({ kind: 'tree', path: join(path, entry.name), reason: 'it is a symbolic link' })
    else if (entry.isDirectory()) found(entry.name, damages)
  })
  watched.damages = damages
  watched.stamp = isSettled(stamp, listedAt) ? stamp : undefined
}
