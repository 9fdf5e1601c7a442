/**
 * Runs collections for jobs, one at a time. Jobs that arrive meanwhile, or shortly after each other, share the next
 * one. A job that failed is tried again, later and later.
 */
import type { Collection, CollectionOutcome, CollectionPhase, CollectionRequest } from '../collection/request.js'
import { addToReceipt } from '../deletion/receipt.js'
import type { CallerCredentials } from './credentials.js'
import { isOpen, keepUntilOf, type Job, type JobPhase } from './job.js'
import type { JobStore } from './store.js'

export interface RunnerSettings {
  /** A collection begins when no job has arrived for this long, seconds… */
  readonly quietSeconds: number
  /** …or when the oldest has waited this long, seconds. */
  readonly maximumDelaySeconds: number
  /** The first pause before a failed job is tried again, seconds; it doubles each time up to the maximum. */
  readonly retryMinimumSeconds: number
  readonly retryMaximumSeconds: number
  /** How long to wait for pushes to let go of what a job had to leave, seconds. */
  readonly leftoversSeconds: number
  /** How often a job is tried in all. */
  readonly attempts: number
}

interface Log {
  info (details: object, message: string): void
  warn (details: object, message: string): void
  error (details: object, message: string): void
}

export class JobRunner {
  #timer: NodeJS.Timeout | undefined
  #oldestAt: number | undefined
  #running: Promise<void> | undefined
  #closed = false
  #collections = 0
  #postponed = 0
  /** Jobs that a collection, or somebody who cancels, is dealing with. */
  readonly #taken = new Set<string>()

  constructor (private readonly store: JobStore, private readonly collection: Pick<Collection, 'run'>, private readonly settings: RunnerSettings, private readonly log: Log, private readonly credentials?: CallerCredentials) {}

  /** How many collections have been run since the start. */
  get collections (): number { return this.#collections }
  get isRunning (): boolean { return this.#running !== undefined }

  /** Takes up what an earlier process left. */
  resume (): void {
    if (this.store.open().length > 0) this.#schedule(0)
  }

  /** A job waits for the next collection. */
  notify (): void {
    this.#oldestAt ??= Date.now()
    const age = (Date.now() - this.#oldestAt) / 1000
    this.#schedule(Math.max(0, Math.min(this.settings.quietSeconds, this.settings.maximumDelaySeconds - age)))
  }

  /** Cancels a job that waits; `undefined` when it is not waiting (any more). What it left is for the next collection. */
  async cancel (id: string): Promise<Job | undefined> {
    const job = this.store.get(id)
    if (job === undefined || job.state !== 'queued' || this.#taken.has(id)) return undefined
    this.#taken.add(id)
    const { nextAttemptAt: _, ...rest } = job
    const cancelled: Job = { ...rest, state: 'cancelled', endedAt: new Date().toISOString() }
    await this.store.save(cancelled).finally(() => { this.#taken.delete(id) })
    this.credentials?.forget(id)
    return cancelled
  }

  /** Ends after the collection that runs now. What waits is taken up at the next start. */
  async close (): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await this.#running
  }

  #schedule (seconds: number): void {
    if (this.#closed || this.#running !== undefined) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      let pauseSeconds: number | undefined
      this.#running = this.#batch().catch(error => {
        this.log.error({ err: error }, 'a collection could not be recorded; it will be tried again')
        pauseSeconds = this.settings.retryMaximumSeconds
      }).finally(() => {
        this.#running = undefined
        if (pauseSeconds === undefined) this.#next()
        else this.#schedule(pauseSeconds)
      })
    }, seconds * 1000)
  }

  /** What is left decides when the next collection begins. */
  #next (): void {
    const open = this.store.open().filter(isDue)
    if (open.length === 0) return
    const dueIn = Math.min(...open.map(job => job.nextAttemptAt === undefined ? 0 : Date.parse(job.nextAttemptAt) - Date.now()))
    if (dueIn > 0) this.#schedule(dueIn / 1000)
    else this.notify()
  }

  async #batch (): Promise<void> {
    this.#oldestAt = undefined
    // A failed job whose time has not come yet goes along: the collection is made anyway.
    const jobs = this.#due()
    if (jobs.length === 0) return
    const mine = new Set<string>()
    try {
      await this.#collect(jobs, mine)
    } finally {
      mine.forEach(id => this.#taken.delete(id))
    }
    await this.store.prune()
  }

  /** Jobs that a collection may take up, the oldest first. */
  #due (): Job[] {
    return this.store.open().filter(job => isDue(job) && !this.#taken.has(job.id))
  }

  /** @param mine gains the jobs, so that they can be let go of afterwards */
  #take (jobs: readonly Job[], mine: Set<string>): Job[] {
    jobs.forEach(({ id }) => { this.#taken.add(id); mine.add(id) })
    return jobs.map(job => {
      const running: Job = { ...withoutRetry(job), state: 'running', attempts: job.attempts + 1 }
      this.store.note(running)
      return running
    })
  }

  async #collect (jobs: readonly Job[], mine: Set<string>): Promise<void> {
    this.#collections++
    this.log.info({ jobs: jobs.map(job => job.id) }, 'collection begins')
    let current = this.#take(jobs, mine)
    const onPhase = (phase: CollectionPhase): void => {
      current = current.map(job => ({ ...job, phase }))
      this.log.info({ phase, jobs: current.length }, 'collection phase')
      for (const job of current) this.store.note(job)
    }
    const join = async (): Promise<CollectionRequest[]> => {
      const late = this.#take(this.#due(), mine)
      current = [...current, ...late.map(job => ({ ...job, phase: 'collect' as const }))]
      return late.map(job => this.#toRequest(job))
    }
    const outcome = await this.collection.run({ requests: current.map(job => this.#toRequest(job)), onPhase, join })
    await this.#finish(current, outcome)
  }

  async #finish (jobs: readonly Job[], outcome: CollectionOutcome): Promise<void> {
    const endedAt = new Date().toISOString()
    if (outcome.outcome === 'collected') {
      this.#postponed = 0
      await this.#record(jobs, job => {
        const { error: _, ...rest } = job
        const further: Job = { ...rest, unlinked: true, receipt: merge(job, outcome.receipts) }
        // A push still relies on something that the job would have freed: it is looked at again once that is over.
        if (outcome.unfinished.has(job.id)) return { ...further, state: 'queued', phase: 'waiting', leftovers: true, attempts: 0, nextAttemptAt: after(this.settings.leftoversSeconds) }
        return { ...further, state: 'done', phase: 'ended', endedAt }
      })
      this.log.info({ jobs: jobs.map(job => job.id) }, 'collection done')
      return
    }
    if (outcome.outcome === 'postponed') {
      const nextAttemptAt = this.#later(++this.#postponed)
      // Nothing was tried, so it does not count as an attempt.
      await this.#record(jobs, job => ({ ...job, state: 'queued', phase: 'waiting', attempts: job.attempts - 1, nextAttemptAt }))
      this.log.info({ reason: outcome.reason, nextAttemptAt }, 'collection postponed')
      return
    }
    const error = outcome.output === undefined ? { message: outcome.reason } : { message: outcome.reason, output: outcome.output }
    await this.#record(jobs, job => {
      const failed: Job = { ...job, state: 'failed', endedAt, error }
      return job.attempts < this.settings.attempts ? { ...failed, nextAttemptAt: this.#later(job.attempts) } : failed
    })
    this.log.error({ ...error, jobs: jobs.map(job => job.id) }, 'collection failed')
  }

  #toRequest (job: Job): CollectionRequest {
    return {
      id: job.id,
      plans: job.plans,
      since: Date.parse(job.createdAt),
      unlinked: job.unlinked,
      ...(job.target.type === 'garbage' || job.target.type === 'untagged' ? { tidy: job.target.type } : {}),
      keepUntil: keepUntilOf(job),
      leftovers: job.leftovers,
      authorization: this.credentials?.of(job.id)
    }
  }

  async #record (jobs: readonly Job[], change: (job: Job) => Job): Promise<Job[]> {
    return await Promise.all(jobs.map(async job => {
      const changed = change(job)
      await this.store.save(changed)
      if (!isOpen(changed)) this.credentials?.forget(changed.id)
      return changed
    }))
  }

  #later (attempt: number): string {
    const seconds = Math.min(this.settings.retryMaximumSeconds, this.settings.retryMinimumSeconds * 2 ** (attempt - 1))
    return after(seconds)
  }
}

const after = (seconds: number): string => new Date(Date.now() + seconds * 1000).toISOString()

/** Whether a collection should take the job up; while its links are being removed it is not ready for one. */
const isDue = (job: Job): boolean => isOpen(job) && job.phase !== 'unlink'

function withoutRetry (job: Job): Job {
  const { nextAttemptAt: _, endedAt: __, ...rest } = job
  return { ...rest, phase: 'waiting' satisfies JobPhase, startedAt: job.startedAt ?? new Date().toISOString() }
}

/** The unlinking is in the receipt already; the collection adds its part. */
function merge (job: Job, receipts: ReadonlyMap<string, Job['receipt']>): Job['receipt'] {
  const more = receipts.get(job.id)
  if (more === undefined) return job.receipt
  const known = new Set(job.receipt.manifests.map(({ repository, digest }) => `${repository}@${digest}`))
  return addToReceipt(job.receipt, { ...more, manifests: more.manifests.filter(({ repository, digest }) => !known.has(`${repository}@${digest}`)) })
}
