/** What deletions removed and may be undone: for how long, and what of it is still needed. How it lies on the disk: storage/kept-aside.ts. */
import type { Taker } from '../deletion/execute.js'
import type { Digest } from '../oci/digest.js'
import type { RepositoryName } from '../oci/name.js'
import { each } from '../storage/concurrency.js'
import type { KeptAside } from '../storage/kept-aside.js'
import type { Extent } from '../storage/write.js'
import { formatRecord, parseRecord, type Kept, type TrashRecord } from './record.js'

/** Between two looks at what is over, milliseconds. */
const LOOK_MS = 1000

export interface TrashOptions {
  /** When more is kept, the oldest goes. Bytes. */
  readonly maximumBytes: number | undefined
  /** Whether links of a job are still being removed: until it has ended, nothing of it is freed. */
  readonly isRunning: (job: string) => boolean
  /** Told of jobs that cannot be undone any more. */
  readonly onPurged: (jobs: readonly string[]) => Promise<void>
  /** Told what a purge gave back, bytes. */
  readonly onFreed?: ((bytes: number) => void) | undefined
  readonly log: { info (details: object, message: string): void, warn (details: object, message: string): void }
}

/** A job that asks for its links to be kept. */
export interface Keeping {
  readonly id: string
  /** Milliseconds since the epoch; `undefined`: nothing is kept. */
  readonly keepUntil?: number | undefined
}

/** What deletions and sweeps need of the trash. */
export type Keeper = Pick<Trash, 'begin' | 'needed' | 'keep' | 'settle'>

interface Entry {
  readonly records: TrashRecord[]
  /** Sizes of its links, bytes. */
  bytes: number
  /** It is to be freed as soon as the job has ended. */
  isOver?: boolean
}

export class Trash {
  /** The oldest first: ids sort by the time of creation. */
  readonly #entries = new Map<string, Entry>()
  /** Content that is kept, with its size in bytes. */
  readonly #blobs = new Map<Digest, number>()
  /** How many records need some content. */
  readonly #needs = new Map<Digest, number>()
  /** Jobs that are being undone: nothing of theirs goes meanwhile. */
  readonly #reserved = new Set<string>()
  /** Jobs of which nothing is kept any more, and something is there still. */
  readonly #doomed = new Set<string>()
  #turn: Promise<unknown> = Promise.resolve()
  #timer: NodeJS.Timeout | undefined
  #closed = false
  #limiting = false

  private constructor (private readonly disk: KeptAside, private readonly options: TrashOptions) {}

  /**
   * Finds what an earlier process kept.
   * @param isKept whether a job's deletion can still be undone; `undefined` where the job is not known
   */
  static async open (disk: KeptAside, options: TrashOptions, isKept: (job: string) => boolean | undefined): Promise<Trash> {
    const trash = new Trash(disk, options)
    for (const job of await disk.jobs()) await trash.#load(job, isKept(job) ?? true)
    for (const { digest, remove } of await disk.blobs()) {
      // What is in its place, too, is linked again when it goes.
      const isWanted = digest !== undefined && trash.isNeeded(digest) && await disk.blobSize(digest) === undefined
      if (isWanted) trash.#blobs.set(digest, await disk.keptSize(digest) ?? 0)
      else await remove()
    }
    await disk.tidy()
    trash.#schedule()
    return trash
  }

  /** How many jobs can be undone, and what that takes, bytes. */
  get stats (): { jobs: number, bytes: number } { return { jobs: this.#entries.size, bytes: this.#bytes() } }

  /** Of which jobs something is kept. */
  jobs (): string[] { return [...this.#entries.keys()] }

  /** The repositories that something is kept of, for these jobs. */
  repositories (jobs: readonly string[]): RepositoryName[] {
    return [...new Set(jobs.flatMap(job => this.#entries.get(job)?.records.map(({ plan }) => plan.repository) ?? []))]
  }

  /** Keeps what there is of a job until it is released; `undefined` when nothing is, or somebody else has reserved it. */
  reserve (job: string): { plans: readonly Kept[], release: () => void } | undefined {
    const entry = this.#entries.get(job)
    if (entry === undefined || this.#reserved.has(job)) return undefined
    this.#reserved.add(job)
    return { plans: entry.records.map(({ plan }) => plan), release: () => { this.#reserved.delete(job) } }
  }

  /** The job whose trash has this manifest of a repository. */
  holderOf (repository: RepositoryName, manifest: Digest): string | undefined {
    return [...this.#entries].find(([, { records }]) => records.some(({ plan }) => plan.repository === repository && plan.manifests.includes(manifest)))?.[0]
  }

  /**
   * Something is about to be unlinked for a job.
   * @returns what takes the links; `undefined` where nothing is to be kept
   */
  async begin ({ id, keepUntil }: Keeping, plan: Kept): Promise<Taker | undefined> {
    if (keepUntil === undefined || keepUntil <= Date.now()) return undefined
    const entry = await this.#exclusive(async () => {
      const entry = this.#entries.get(id) ?? { records: [], bytes: 0 }
      // What a manifest lists need not be stored here; what is not cannot be kept, and is not missed.
      const stored: Digest[] = []
      await each([...new Set([...plan.candidates, ...plan.spared?.layers ?? [], ...plan.spared?.manifests ?? []])], async digest => { if (await this.has(digest)) stored.push(digest) })
      const record = { until: keepUntil, plan: { ...plan, candidates: stored } }
      await this.disk.writeRecord(id, entry.records.length, formatRecord(record))
      this.#add(id, entry, [record])
      return entry
    })
    this.#schedule()
    return {
      remove: async path => {
        const extent = await this.disk.take(id, path)
        entry.bytes += extent.inTrash ?? 0
        return extent
      }
    }
  }

  /** Whether something that is kept needs this content. */
  isNeeded (digest: Digest): boolean { return this.#needs.has(digest) }

  /** All content that something needs. */
  needed (): Digest[] { return [...this.#needs.keys()] }

  /** Keeps content that may be removed right after, where something needs it. Whether it was removed is said by `settle`. */
  async keep (digest: Digest): Promise<void> {
    if (!this.isNeeded(digest)) return
    await this.#exclusive(async () => {
      const bytes = await this.disk.keepBlob(digest)
      if (bytes !== undefined) this.#blobs.set(digest, bytes)
    })
  }

  /**
   * Content that was to be kept was removed, or was not.
   * @param extent what its removal took away; `undefined`: nothing
   * @returns the same, as it is with the trash
   */
  async settle<T extends Extent | undefined> (digest: Digest, extent: T): Promise<T> {
    if (!this.#blobs.has(digest)) return extent
    if (extent !== undefined) return { ...extent, bytes: 0, inTrash: extent.bytes }
    // It may have been removed by an earlier sweep: then this is all that is left of it.
    await this.#exclusive(async () => { if (await this.disk.blobSize(digest) !== undefined) await this.#drop(digest) })
    return extent
  }

  /**
   * The oldest go when there is too much; before them what is too much by itself, or it would take all others along. What jobs
   * have put there that still run does not count yet: how much it becomes is not known, and none of it could go.
   */
  async limit (): Promise<void> {
    const { maximumBytes } = this.options
    if (maximumBytes === undefined || this.#limiting) return
    this.#limiting = true
    try {
      const isOver = (): boolean => this.#bytes() - this.jobs().filter(job => !this.#isFree(job)).reduce((sum, job) => sum + this.#bytesOf(job), 0) > maximumBytes
      if (!isOver()) return
      const jobs = this.jobs().filter(job => this.#isFree(job))
      for (const job of [...jobs.filter(job => this.#bytesOf(job) > maximumBytes), ...jobs]) {
        if (!isOver()) return
        if (!this.#entries.has(job) || !this.#isFree(job)) continue
        this.options.log.info({ job, maximumBytes }, 'the trash is over its size; what is kept of the largest or the oldest job is freed')
        await this.purge([job])
      }
    } finally {
      this.#limiting = false
    }
  }

  /** Frees what is kept of jobs; of one that still runs, once that has ended. @returns what that gave back at once */
  async empty (jobs: readonly string[]): Promise<{ jobs: number, bytesFreed: number }> {
    for (const job of jobs) {
      const entry = this.#entries.get(job)
      if (entry !== undefined) entry.isOver = true
    }
    return await this.purge(jobs)
  }

  /** Frees what is kept of jobs that have ended, and says so. */
  async purge (jobs: readonly string[]): Promise<{ jobs: number, bytesFreed: number }> {
    const known = jobs.filter(job => this.#entries.has(job) && this.#isFree(job))
    // Nobody begins to undo it from here on.
    known.forEach(job => this.#reserved.add(job))
    try {
      const before = this.#bytes()
      await this.options.onPurged(known)
      await this.forget(known)
      const bytesFreed = before - this.#bytes()
      this.options.onFreed?.(bytesFreed)
      return { jobs: known.length, bytesFreed }
    } finally {
      known.forEach(job => this.#reserved.delete(job))
    }
  }

  /** Frees what is kept of jobs, such as one that was undone. */
  async forget (jobs: readonly string[]): Promise<void> {
    for (const job of jobs) {
      this.#remove(job)
      this.#doomed.add(job)
    }
    // What cannot be removed now is tried again.
    await this.#clear().finally(() => { this.#schedule() })
  }

  /** Whether content is there, in its place or kept. */
  async has (digest: Digest): Promise<boolean> { return this.#blobs.has(digest) || await this.disk.blobSize(digest) !== undefined }

  /** Puts content back into its place. @returns its size, bytes; `undefined` when it is there already */
  async restoreBlob (digest: Digest): Promise<number | undefined> {
    return await this.disk.restoreBlob(digest) ? this.#blobs.get(digest) : undefined
  }

  close (): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  async #load (job: string, isKept: boolean): Promise<void> {
    let records: TrashRecord[]
    try {
      records = (await this.disk.records(job)).map(parseRecord)
    } catch (err) {
      this.options.log.warn({ err, job }, 'what the trash has of a job cannot be read; it is left where it is, and cannot be undone')
      return
    }
    if (records.length === 0 || !isKept) await this.disk.drop(job)
    else this.#add(job, { records: [], bytes: await this.disk.size(job) }, records)
  }

  #add (job: string, entry: Entry, records: readonly TrashRecord[]): void {
    entry.records.push(...records)
    this.#entries.set(job, entry)
    for (const { plan } of records) for (const digest of plan.candidates) this.#needs.set(digest, (this.#needs.get(digest) ?? 0) + 1)
  }

  #remove (job: string): void {
    const records = this.#entries.get(job)?.records ?? []
    this.#entries.delete(job)
    for (const digest of records.flatMap(({ plan }) => plan.candidates)) {
      const needs = this.#needs.get(digest)! - 1
      if (needs > 0) this.#needs.set(digest, needs)
      else this.#needs.delete(digest)
    }
  }

  /** Removes what nothing needs any more. */
  async #clear (): Promise<void> {
    for (const job of this.#doomed) {
      await this.#exclusive(async () => { await this.disk.drop(job) })
      this.#doomed.delete(job)
    }
    for (const digest of this.#blobs.keys()) {
      await this.#exclusive(async () => { if (!this.isNeeded(digest)) await this.#drop(digest) })
    }
    await this.#exclusive(async () => { await this.disk.tidy() })
  }

  async #drop (digest: Digest): Promise<void> {
    await this.disk.dropBlob(digest)
    this.#blobs.delete(digest)
  }

  #bytes (): number {
    const links = [...this.#entries.values()].reduce((sum, { bytes }) => sum + bytes, 0)
    return [...this.#blobs.values()].reduce((sum, bytes) => sum + bytes, links)
  }

  /** What would be freed with one job alone, bytes. */
  #bytesOf (job: string): number {
    const { records, bytes } = this.#entries.get(job)!
    const own = new Set(records.flatMap(({ plan }) => plan.candidates).filter(digest => this.#needs.get(digest) === 1))
    return [...own].reduce((sum, digest) => sum + (this.#blobs.get(digest) ?? 0), bytes)
  }

  #schedule (): void {
    if (this.#timer !== undefined || this.#closed || this.#entries.size + this.#doomed.size + this.#blobs.size === 0) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      const over = [...this.#entries].filter(([job, { records, isOver }]) => this.#isFree(job) && (isOver === true || records.every(({ until }) => until <= Date.now()))).map(([job]) => job)
      const cleared = over.length > 0 ? this.purge(over) : this.#doomed.size > 0 || this.#entries.size === 0 ? this.#clear() : Promise.resolve()
      cleared.then(async () => { await this.limit() }).catch((err: unknown) => { this.options.log.warn({ err }, 'what nobody can undo any more could not be removed from the trash; it is tried again') }).finally(() => { this.#schedule() })
    }, LOOK_MS)
    this.#timer.unref()
  }

  /** Whether nobody is adding to what is kept of a job, or putting it back. */
  #isFree (job: string): boolean { return !this.#reserved.has(job) && !this.options.isRunning(job) }

  /**
   * One after the other: content is not freed while it is being kept, and the place is not removed while something is
   * about to come into it.
   */
  async #exclusive<T> (work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work)
    this.#turn = done.catch(() => {})
    return await done
  }
}
