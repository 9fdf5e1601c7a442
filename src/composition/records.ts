/** What is written down: decisions as they are made, and what came of them. */
import { join } from 'node:path'
import { AuditLog } from '../audit/log.js'
import type { Settings } from '../config/schema.js'
import { isOpen, type Job } from '../jobs/job.js'
import type { JobStore } from '../jobs/store.js'
import { Notifier } from '../notifications/notifier.js'
import type { Log } from './collection.js'

export async function createAudit ({ audit }: Settings, log: Log): Promise<AuditLog> {
  return await AuditLog.open(audit, problem => {
    if (problem === undefined) log.info({}, 'decisions can be written down again')
    else log.warn({ problem }, 'decisions cannot be written down; deletions go on, and what waits is written as soon as that is possible')
  })
}

export async function createNotifier ({ notifications, state }: Settings, log: Log): Promise<Notifier> {
  return await Notifier.open(notifications, { directory: join(state.directory, 'notifications'), log })
}

/**
 * Writes down how each job ended, and tells others what it removed. An end is marked in the journal until it has been told: a
 * process that ended in between leaves the mark, and the next one tells it, with the same ids.
 * @returns what waits at the end until all has been told
 */
export function recordEnds (store: JobStore, audit: Pick<AuditLog, 'record'>, notifier: Pick<Notifier, 'notify'>, log: Log): { close (): Promise<void> } {
  const telling = new Set<Promise<void>>()
  const tell = (job: Job): void => {
    if (job.kind === 'undo') return
    const told = tellOf(job, store, notifier).catch((err: unknown) => { log.warn({ err, jobId: job.id }, 'it could not be recorded that others were told of a job; they are told again after the next start') })
    telling.add(told)
    void told.then(() => { telling.delete(told) })
  }
  for (const job of store.list()) if (job.untold === true && !isOpen(job)) tell(job)
  store.watchAll((job, before) => {
    if (isOpen(job) || (before !== undefined && !isOpen(before))) return
    void audit.record(endOf(job))
    tell(job)
  })
  return { async close () { await Promise.all(telling) } }
}

async function tellOf (job: Job, store: Pick<JobStore, 'amend'>, notifier: Pick<Notifier, 'notify'>): Promise<void> {
  await notifier.notify({ job: job.id, at: job.endedAt ?? new Date().toISOString(), receipt: job.receipt, asker: job.by ?? {} })
  if (job.untold === true) await store.amend(job.id, ({ untold: _, ...told }) => told)
}

function endOf (job: Job): Parameters<AuditLog['record']>[0] {
  const outcome = job.state === 'done' || job.state === 'cancelled' ? job.state : 'failed'
  return {
    action: job.kind === 'collection' ? 'collect' : job.kind,
    outcome,
    who: job.by ?? {},
    target: job.target,
    job: job.id,
    bytes: job.receipt.bytesFreed,
    ...(job.error === undefined ? {} : { reason: job.error.message })
  }
}
