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

/** Writes down how each job ended, and tells others what it removed. */
export function recordEnds (store: JobStore, audit: Pick<AuditLog, 'record'>, notifier: Pick<Notifier, 'notify'>): void {
  store.watchAll((job, before) => {
    if (isOpen(job) || (before !== undefined && !isOpen(before))) return
    void audit.record(endOf(job))
    if (job.kind === 'undo') return
    void notifier.notify({ job: job.id, at: job.endedAt ?? new Date().toISOString(), receipt: job.receipt, asker: job.by ?? {} })
  })
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
