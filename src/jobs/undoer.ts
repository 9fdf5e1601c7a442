/** Undoes jobs: a job of its own for each, in the journal before anything is put back, so that a crash does not leave half of it. */
import { CodedError, jobNotEnded, jobNotKept, publicReason, unavailable } from '../errors.js'
import type { Anchor } from '../storage/anchor.js'
import type { Kept } from '../trash/record.js'
import type { Trash } from '../trash/trash.js'
import type { Undo } from '../trash/undo.js'
import type { Asker } from './deleter.js'
import { hasEnded, isOpen, newJob, type Job } from './job.js'
import type { JobStore } from './store.js'

export interface UndoerParts {
  readonly undo: Undo
  readonly trash: Pick<Trash, 'forget'>
  readonly store: JobStore
  /** Whether the registry's tree is what it was. */
  readonly anchor: Pick<Anchor, 'check'>
  readonly log: { error (details: object, message: string): void }
}

export class Undoer {
  constructor (private readonly parts: UndoerParts) {}

  /**
   * Puts back what a job removed.
   * @returns the job that did it, which has ended
   * @throws CodedError 409 while the job runs, or when something newer is in the way; 410 when it cannot be undone any more
   */
  async undo (id: string, { by, traceparent }: Asker = {}): Promise<Job> {
    const { undo, store, anchor } = this.parts
    await anchor.check()
    refuse(store.get(id)!)
    return await undo.reserve(id, async plans => {
      // Another may have done it while this one waited.
      refuse(store.get(id)!)
      await undo.check(id, plans)
      const job: Job = { ...newJob('undo', store.get(id)!.target, [], by, traceparent), undoes: id }
      await store.save(job).catch(error => { throw unavailable(`nothing was undone, since it could not be recorded (${(error as NodeJS.ErrnoException).code ?? 'unknown error'}): make room for, or mend, Delgate's state directory`) })
      return await this.#carryOut(job, plans)
    })
  }

  /** Finishes what an earlier process began. Before the first request is served. */
  async recover (): Promise<void> {
    const { undo, store } = this.parts
    for (const job of store.open().filter(({ kind }) => kind === 'undo')) {
      await undo.reserve(job.undoes!, async plans => {
        await undo.check(job.undoes!, plans)
        await this.#carryOut(job, plans)
      }).catch(async (error: unknown) => { if (isOpen(store.get(job.id)!)) await this.#fail(job, error as Error) })
    }
  }

  async #carryOut (job: Job, plans: readonly Kept[]): Promise<Job> {
    const { undo, trash, store } = this.parts
    let done: Job
    try {
      const restored = await undo.restore(job.undoes!, plans)
      const undone = store.get(job.undoes!)
      if (undone?.trash !== undefined) await store.save({ ...undone, trash: { ...undone.trash, state: 'undone' } })
      done = { ...ended(job), state: 'done', unlinked: true, restored }
      await store.save(done)
    } catch (error) {
      await this.#fail(job, error as Error)
      throw new CodedError(500, 'INTERNAL', 'not everything could be put back; its job says why. Nothing of it is lost: undo it again', { job: job.id })
    }
    // What is left of it has no use any more, and is found at the next start if it cannot be removed now.
    await trash.forget([job.undoes!]).catch((err: unknown) => { this.parts.log.error({ err, jobId: job.undoes }, 'what was kept of a job that is undone could not be removed from the trash') })
    return done
  }

  async #fail (job: Job, error: Error): Promise<void> {
    this.parts.log.error({ err: error, jobId: job.id }, 'a job could not be undone')
    await this.parts.store.keep({ ...ended(job), state: 'failed', error: { message: publicReason(error) } }).catch(() => {})
  }
}

function refuse (job: Job): void {
  if (!hasEnded(job) || isOpen(job)) throw jobNotEnded(job.id, job.state)
  if (job.trash?.state === 'kept') return
  if (job.trash === undefined) throw jobNotKept(job.id, 'nothing was kept of it (trash.keepFor)')
  throw jobNotKept(job.id, job.trash.state === 'undone' ? 'it was undone already' : 'what was kept of it is gone: its time was up, or its room was needed')
}

const ended = (job: Job): Job => {
  const now = new Date().toISOString()
  return { ...job, phase: 'ended', startedAt: job.createdAt, endedAt: now }
}
