/**
 * File operations by the hundred thousand, beside running requests. On a local file system whose answers come from
 * memory, a direct call takes a few microseconds and the way through the thread pool five times that; so calls are
 * direct, in slices of time between which the event loop turns. As soon as one is slow (a cold disk), and always on
 * network file systems, which may hang, they go through the thread pool.
 */
import { fstatSync, opendirSync, promises, readdirSync, type Dir, type Dirent } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { DIRECTORY, HANDLES, HAS_HANDLES, withOpen, withOpenPooled } from './opened.js'
import { readDirectly, readPooled, statDirectly, statPooled, type Found, type Parse, type Unread } from './raw.js'

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
/** A directory that is smaller is listed in one call. Links (two more than it has directories), and bytes. */
const SMALL_LINKS = 258
const SMALL_BYTES = 32_768

/** Local file systems by their magic numbers (statfs(2)): ext2 to 4, xfs, btrfs, tmpfs, overlayfs, zfs, f2fs. */
const LOCAL = new Set([0xEF53, 0x58465342, 0x9123683E, 0x01021994, 0x794C7630, 0x2FC12FC1, 0xF2F52010])

export class PacedDisk {
  /** How many operations there were, for measurements and tests. */
  readonly work = { stats: 0, lists: 0, reads: 0, pooled: 0 }
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
    const type = await promises.statfs(path).then(found => found.type, () => 0)
    this.#poolFor = LOCAL.has(type) ? 0 : Number.POSITIVE_INFINITY
  }

  /** Finds that out, unless it is known already that they are. */
  async prepare (path: string): Promise<void> {
    if (!this.isLocal) await this.begin(path)
  }

  /** Lets the event loop turn when its time is due; to be called in long calculations. */
  async breathe (): Promise<void> {
    // Who is late in the turn finds its time used up by the others, and waits for the next.
    while (performance.now() >= this.#sliceEnd) {
      // One turn for all who wait: otherwise each would get a slice of its own before the loop goes on.
      this.#turn ??= turn().then(() => {
        this.#turn = undefined
        this.#sliceEnd = performance.now() + SLICE_MS
      })
      await this.#turn
    }
  }

  /** What is there; links are not followed. */
  stat (path: string): Found | Promise<Found> {
    this.work.stats++
    return this.run(() => statDirectly(path), () => statPooled(path))
  }

  /** Lists a directory, however large: calls `found` for each entry. */
  async list (path: string, found: (entry: Dirent) => void): Promise<void> {
    this.work.lists++
    await this.breathe()
    const by = (handle: number): string => HAS_HANDLES ? `${HANDLES}/${handle}/.` : path
    if (this.#poolFor > 0) {
      await this.#throughPool(async () => {
        await this.#each(await withOpenPooled(path, DIRECTORY, async handle => await promises.opendir(by(handle), { bufferSize: ENTRIES_AT_ONCE })), found)
      })
      return
    }
    const large = withOpen(path, DIRECTORY, handle => {
      if (!isSmall(handle)) return opendirSync(by(handle), { bufferSize: ENTRIES_AT_ONCE })
      readdirSync(by(handle), { withFileTypes: true }).forEach(found)
      return undefined
    })
    if (large !== undefined) await this.#each(large, found)
  }

  /** Reads a file whole. @param maximum what is larger is not read; bytes */
  read<T> (path: string, maximum: number, parse: Parse<T>): T | Unread | Promise<T | Unread> {
    this.work.reads++
    return this.run(() => readDirectly(path, maximum, parse), () => readPooled(path, maximum, parse))
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

/** Whether listing it takes a moment only. */
function isSmall (directory: number): boolean {
  const { nlink, size } = fstatSync(directory)
  return nlink > 1 && nlink <= SMALL_LINKS && size <= SMALL_BYTES
}
