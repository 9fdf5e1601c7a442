/**
 * File operations by the hundred thousand, beside running requests. On a local file system whose answers come from
 * memory, a direct call takes a few microseconds and the way through the thread pool five times that; so calls are
 * direct, in slices of time between which the event loop turns. As soon as one is slow (a cold disk), and always on
 * network file systems, which may hang, they go through the thread pool.
 */
import { close, closeSync, constants, lstat, lstatSync, open, openSync, opendirSync, promises, read, readSync, statfs, type Dir, type Dirent, type Stats } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { promisify } from 'node:util'
import { codeOf, isMissing, unlessMissing } from './contain.js'
import type { Stamp } from './stamp.js'

/** How long the event loop is kept at most, but for the last operation. Milliseconds. */
const SLICE_MS = 2
/** A direct call that takes longer has waited for a disk, or for the processor. Milliseconds. */
const SLOW_MS = 0.2
/** What a slow call counts; a fast one takes one off. Two of them close to each other are no accident. */
const SLOW_COUNTS = 20
const TOO_SLOW = 30
/** So many operations then go through the thread pool before a direct one is tried again. */
const POOLED_WHEN_SLOW = 256
/** Operations in the thread pool at once. */
const POOLED_AT_ONCE = 16
/** Entries of a directory that are taken at once. */
const ENTRIES_AT_ONCE = 512
const ENTRIES_BETWEEN_BREATHS = 64
/** Enough for nearly every link and manifest. Bytes. */
const USUAL_BYTES = 32 * 1024

/** Local file systems by their magic numbers (statfs(2)): ext2 to 4, xfs, btrfs, tmpfs, overlayfs, zfs, f2fs. */
const LOCAL = new Set([0xEF53, 0x58465342, 0x9123683E, 0x01021994, 0x794C7630, 0x2FC12FC1, 0xF2F52010])

/** A symbolic link in the last place is refused (ELOOP); a pipe does not wait for a writer. */
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

const pooled = { open: promisify(open), read: promisify(read), close: promisify(close), lstat: promisify(lstat) as (path: string) => Promise<Stats>, statfs: promisify(statfs) }

export type Found = { readonly kind: 'directory', readonly stamp: Stamp } | { readonly kind: 'missing' | 'symbolic link' | 'other' }
export type Unread = 'missing' | 'irregular' | 'large'

export class PacedDisk {
  /** How many operations there were, for measurements and tests. */
  readonly work = { stats: 0, lists: 0, reads: 0, pooled: 0 }
  readonly #scratch = Buffer.allocUnsafeSlow(USUAL_BYTES)
  readonly #waiting: Array<() => void> = []
  #sliceEnd = 0
  #turn: Promise<void> | undefined
  #poolFor = Number.POSITIVE_INFINITY
  #slowness = 0
  #open = 0

  /** Whether direct calls are safe here, as far as that is known. */
  get isLocal (): boolean { return this.#poolFor !== Number.POSITIVE_INFINITY }

  /** Finds out whether direct calls are safe. @param path a directory of the tree */
  async begin (path: string): Promise<void> {
    const type = await pooled.statfs(path).then(found => found.type, () => 0)
    this.#poolFor = LOCAL.has(type) ? 0 : Number.POSITIVE_INFINITY
  }

  /** Lets the event loop turn when its time is due; to be called in long calculations. */
  async breathe (): Promise<void> {
    if (performance.now() < this.#sliceEnd) return
    // One turn for all who wait: otherwise each would get a slice of its own before the loop goes on.
    this.#turn ??= turn().then(() => {
      this.#turn = undefined
      this.#sliceEnd = performance.now() + SLICE_MS
    })
    await this.#turn
  }

  /** What is there; links are not followed. */
  stat (path: string): Found | Promise<Found> {
    this.work.stats++
    return this.run(() => foundDirectly(path), async () => foundOf(await unlessMissing(pooled.lstat(path))))
  }

  /** Lists a directory, however large: calls `found` for each entry. */
  async list (path: string, found: (entry: Dirent) => void): Promise<void> {
    this.work.lists++
    await this.breathe()
    if (this.#poolFor > 0) await this.#throughPool(async () => { await this.#each(await promises.opendir(path, { bufferSize: ENTRIES_AT_ONCE }), found) })
    else await this.#each(opendirSync(path, { bufferSize: ENTRIES_AT_ONCE }), found)
  }

  /**
   * Reads a file whole.
   * @param maximum what is larger is not read; bytes
   * @param parse takes the bytes, which are its own only until it returns
   */
  read<T> (path: string, maximum: number, parse: (bytes: Buffer) => T): T | Unread | Promise<T | Unread> {
    this.work.reads++
    return this.run(() => orUnread(() => this.#readDirectly(path, maximum, parse)), async () => {
      try {
        return await readPooled(path, maximum, parse)
      } catch (error) {
        return unread(error)
      }
    })
  }

  async #each (directory: Dir, found: (entry: Dirent) => void): Promise<void> {
    const isPooled = this.#poolFor > 0
    try {
      for (let count = 1; ; count++) {
        const entry = isPooled ? await directory.read() : directory.readSync()
        if (entry === null) return
        found(entry)
        if (count % ENTRIES_BETWEEN_BREATHS === 0) await this.breathe()
      }
    } finally {
      if (isPooled) await directory.close()
      else directory.closeSync()
    }
  }

  #readDirectly<T> (path: string, maximum: number, parse: (bytes: Buffer) => T): T | Unread {
    const file = openSync(path, READ_FLAGS)
    try {
      let buffer = this.#scratch
      let size = readSync(file, buffer, 0, buffer.length, 0)
      if (size === buffer.length) size = readSync(file, buffer = Buffer.allocUnsafe(maximum + 1), 0, maximum + 1, 0)
      return size > maximum ? 'large' : parse(buffer.subarray(0, size))
    } finally {
      closeSync(file)
    }
  }

  /** Any operation, directly or through the thread pool. */
  run<T> (direct: () => T, pool: () => Promise<T>): T | Promise<T> {
    if (this.#poolFor > 0) return this.#throughPool(pool)
    const start = performance.now()
    if (start >= this.#sliceEnd) return this.breathe().then(() => this.run(direct, pool))
    try {
      return direct()
    } finally {
      this.#rate(performance.now() - start)
    }
  }

  #rate (took: number): void {
    this.#slowness = took > SLOW_MS ? this.#slowness + SLOW_COUNTS : Math.max(0, this.#slowness - 1)
    if (this.#slowness < TOO_SLOW) return
    this.#slowness = TOO_SLOW - SLOW_COUNTS
    this.#poolFor = POOLED_WHEN_SLOW
  }

  async #throughPool<T> (pool: () => Promise<T>): Promise<T> {
    while (this.#open >= POOLED_AT_ONCE) await new Promise<void>(resolve => { this.#waiting.push(resolve) })
    this.#open++
    this.work.pooled++
    try {
      return await pool()
    } finally {
      this.#open--
      this.#poolFor = Math.max(0, this.#poolFor - 1)
      this.#waiting.shift()?.()
    }
  }
}

async function readPooled<T> (path: string, maximum: number, parse: (bytes: Buffer) => T): Promise<T | Unread> {
  const file = await pooled.open(path, READ_FLAGS)
  try {
    let buffer = Buffer.allocUnsafe(Math.min(USUAL_BYTES, maximum + 1))
    let { bytesRead } = await pooled.read(file, buffer, 0, buffer.length, 0)
    if (bytesRead === buffer.length && bytesRead <= maximum) ({ bytesRead } = await pooled.read(file, buffer = Buffer.allocUnsafe(maximum + 1), 0, maximum + 1, 0))
    return bytesRead > maximum ? 'large' : parse(buffer.subarray(0, bytesRead))
  } finally {
    await pooled.close(file)
  }
}

function orUnread<T> (work: () => T | Unread): T | Unread {
  try {
    return work()
  } catch (error) {
    return unread(error)
  }
}

function unread (error: unknown): Unread {
  if (isMissing(error)) return 'missing'
  if (['ELOOP', 'EISDIR', 'ENXIO', 'EAGAIN'].includes(codeOf(error))) return 'irregular'
  throw error
}

function foundDirectly (path: string): Found {
  try {
    return foundOf(lstatSync(path, { throwIfNoEntry: false }))
  } catch (error) {
    if (isMissing(error)) return { kind: 'missing' }
    throw error
  }
}

function foundOf (stats: Stats | undefined): Found {
  if (stats === undefined) return { kind: 'missing' }
  if (stats.isDirectory()) return { kind: 'directory', stamp: { inode: stats.ino, modifiedAt: stats.mtimeMs, changedAt: stats.ctimeMs } }
  return { kind: stats.isSymbolicLink() ? 'symbolic link' : 'other' }
}
