/**
 * The journal: every job as one file, written so that a crash or a power cut leaves either the old or the new state:
 * to a temporary file, flushed, renamed, and the directory flushed.
 */
import { EventEmitter } from 'node:events'
import { mkdir, open, readFile, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Digest } from '../oci/digest.js'
import { isOpen, type Job, type JobState } from './job.js'
import type { Reserve } from './reserve.js'

export interface JobStoreLimits {
  /** Ended jobs are forgotten after this many days. */
  readonly keepDays: number
  /** At most this many ended jobs are kept. */
  readonly keepMaximum: number
}

/** Between two tries to take a job off the disk that was refused, milliseconds. */
const WITHDRAW_MS = 500
const SUFFIX = '.json'
const TEMPORARY = '.tmp'
/** How a file system says that it is full: the disk, or what this user may have of it. */
const FULL: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT'])
/** No job's id. */
const ALL = Symbol('all jobs')

export class JobStore {
  readonly #jobs = new Map<string, Job>()
  /** Those of them that something is still owed to. */
  readonly #open = new Set<string>()
  /** Writes of one job follow each other. */
  readonly #writes = new Map<string, Promise<void>>()
  /** Jobs that somebody was told do not exist, and that may be on the disk: the next start would carry them out. */
  readonly #refused = new Set<string>()
  #withdrawing: NodeJS.Timeout | undefined
  readonly #events = new EventEmitter().setMaxListeners(0)

  private constructor (private readonly directory: string, private readonly limits: JobStoreLimits, private readonly reserve: Pick<Reserve, 'release' | 'restore'> | undefined) {}

  /**
   * Opens the journal, making its directory where there is none.
   * @param onDamage told of files that are no jobs; they stay where they are
   * @param reserve room that is given up where the disk is full
   */
  static async open (directory: string, limits: JobStoreLimits, onDamage: (file: string, error: unknown) => void, reserve?: Pick<Reserve, 'release' | 'restore'>): Promise<JobStore> {
    await mkdir(directory, { recursive: true })
    const store = new JobStore(directory, limits, reserve)
    for (const file of (await readdir(directory)).sort()) {
      // What a crash left of a write that was not finished: the state before it is in the file itself.
      if (file.endsWith(TEMPORARY)) await rm(join(directory, file), { force: true })
      if (!file.endsWith(SUFFIX)) continue
      try {
        const job = parseJob(await readFile(join(directory, file), 'utf8'))
        store.#set(job)
      } catch (error) {
        onDamage(file, error)
      }
    }
    await store.prune()
    return store
  }

  get (id: string): Job | undefined { return this.#jobs.get(id) }

  /** All jobs, the newest first. */
  list (): Job[] { return [...this.#jobs.values()].sort((a, b) => a.id < b.id ? 1 : -1) }

  /** How many jobs are in each state. */
  counts (): Record<JobState, number> {
    const counts = { queued: 0, running: 0, done: 0, failed: 0, cancelled: 0 }
    for (const { state } of this.#jobs.values()) counts[state]++
    return counts
  }

  /** Jobs that something is still owed to, the oldest first. */
  open (): Job[] { return [...this.#open].map(id => this.#jobs.get(id)!) }

  /** Blobs that jobs named which ended before they could free them: cancelled, or given up. */
  abandoned (): Digest[] {
    return [...this.#jobs.values()].filter(job => !isOpen(job) && job.state !== 'done').flatMap(job => job.plans.flatMap(plan => plan.candidates))
  }

  /** Records a new state of a job; it is on the disk when this resolves. Of a new job that could not be recorded nothing stays. */
  async save (job: Job): Promise<void> { await this.#save(job.id, () => job) }

  /** Changes what is recorded of a job once all that is being recorded of it has been. Nothing where it has been forgotten. */
  async amend (id: string, change: (job: Job) => Job): Promise<void> {
    await this.#save(id, () => {
      const job = this.#jobs.get(id)
      return job === undefined ? undefined : change(job)
    })
  }

  async #save (id: string, what: () => Job | undefined): Promise<void> {
    const after = (this.#writes.get(id) ?? Promise.resolve()).catch(() => {}).then(async () => {
      const job = what()
      if (job === undefined) return
      await this.#writeSomehow(job).catch(async error => {
        if (!this.#jobs.has(job.id)) this.#refused.add(job.id)
        await this.#withdraw()
        throw error
      })
      this.#set(job)
    })
    this.#writes.set(id, after)
    try {
      await after
    } finally {
      if (this.#writes.get(id) === after) this.#writes.delete(id)
    }
  }

  /** Records a new state in memory even where it cannot be written, so that this process at least goes on with it. */
  async keep (job: Job): Promise<void> {
    this.#set(job)
    await this.save(job)
  }

  /** Records a state that a crash may lose: the one before it leads to the same end. */
  note (job: Job): void {
    const writing = this.#writes.get(job.id)
    if (writing === undefined) return this.#set(job)
    const after = writing.catch(() => {}).then(() => { this.#set(job) })
    this.#writes.set(job.id, after)
    void after.finally(() => { if (this.#writes.get(job.id) === after) this.#writes.delete(job.id) })
  }

  /** Calls `listener` with every new state of a job; call the result to stop. */
  watch (id: string, listener: (job: Job) => void): () => void {
    this.#events.on(id, listener)
    return () => { this.#events.off(id, listener) }
  }

  /** Calls `listener` with every new state of every job, and with the one before it. */
  watchAll (listener: (job: Job, before: Job | undefined) => void): void { this.#events.on(ALL, listener) }

  /** Forgets jobs that ended long ago, and the oldest where there are too many. */
  async prune (now = Date.now()): Promise<void> {
    // Long after its time is up there is nothing in the trash, or nothing that could be read.
    const mayBeUndone = ({ trash }: Job): boolean => trash?.state === 'kept' && Date.parse(trash.until) > now - 86_400_000
    const ended = this.list().filter(job => !isOpen(job) && !mayBeUndone(job))
    const oldest = now - this.limits.keepDays * 86_400_000
    const forgotten = ended.filter((job, rank) => rank >= this.limits.keepMaximum || Date.parse(job.endedAt ?? job.createdAt) < oldest)
    for (const job of forgotten) {
      this.#jobs.delete(job.id)
      this.#open.delete(job.id)
      await rm(join(this.directory, job.id + SUFFIX), { force: true })
    }
  }

  #set (job: Job): void {
    const before = this.#jobs.get(job.id)
    this.#jobs.set(job.id, job)
    if (isOpen(job)) this.#open.add(job.id)
    else this.#open.delete(job.id)
    // What it freed is known now.
    if (before !== undefined && isOpen(before) && !isOpen(job)) void this.reserve?.restore()
    this.#events.emit(job.id, job)
    this.#events.emit(ALL, job, before)
  }

  /** On a full disk with the room that is kept for this. */
  async #writeSomehow (job: Job): Promise<void> {
    await this.#write(job).catch(async (error: NodeJS.ErrnoException) => {
      if (this.reserve === undefined || !FULL.has(error.code)) throw error
      await this.reserve.release()
      await this.#write(job)
    })
  }

  async #write (job: Job): Promise<void> {
    const path = join(this.directory, job.id + SUFFIX)
    const temporary = path + TEMPORARY
    const file = await open(temporary, 'w', 0o600)
    try {
      await file.writeFile(JSON.stringify(job))
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
    await this.#flush()
  }

  /** Makes names in the directory certain. */
  async #flush (): Promise<void> {
    const directory = await open(this.directory, 'r')
    await directory.sync().finally(async () => { await directory.close() })
  }

  /** Takes jobs off the disk that were refused, or the next start would carry them out. Where that fails, it is tried again. */
  async #withdraw (): Promise<void> {
    clearTimeout(this.#withdrawing)
    try {
      for (const id of this.#refused) {
        await rm(join(this.directory, id + SUFFIX), { force: true })
        await rm(join(this.directory, id + SUFFIX + TEMPORARY), { force: true })
        await this.#flush()
        this.#refused.delete(id)
      }
    } catch {
      clearTimeout(this.#withdrawing)
      this.#withdrawing = setTimeout(() => { void this.#withdraw() }, WITHDRAW_MS).unref()
    }
  }
}

/** @throws when the text is no job that can be gone on with */
function parseJob (text: string): Job {
  const job = JSON.parse(text) as Job | null
  const isJob = typeof job === 'object' && job !== null && typeof job.id === 'string' && typeof job.createdAt === 'string' &&
    typeof job.state === 'string' && Array.isArray(job.plans) && typeof job.target === 'object' && typeof job.receipt === 'object'
  if (!isJob) throw new Error('not a job')
  return job
}
