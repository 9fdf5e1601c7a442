/** What is written down: decisions as they are made, and what came of them. */
import { AuditLog } from '../audit/log.js'
import type { Settings } from '../config/schema.js'
import { isOpen, type Job } from '../jobs/job.js'
import type { JobStore } from '../jobs/store.js'
import { join } from 'node:path'
import type { Log } from './collection.js'

const AUDIT_FILE = 'audit.jsonl'

export async function createAudit ({ audit, state }: Settings, log: Log): Promise<AuditLog> {
  return await AuditLog.open({ ...audit, file: audit.file ?? join(state.directory, AUDIT_FILE) }, problem => {
    if (problem === undefined) log.info({}, 'decisions can be written down again')
    else log.warn({ problem }, 'decisions cannot be written down; deletions go on, and what waits is written as soon as that is possible')
  })
}

/** Writes down how each job ended. */
export function recordEnds (store: JobStore, audit: Pick<AuditLog, 'record'>): void {
  store.watchAll(job => {
    if (!isOpen(job)) void audit.record(endOf(job))
  })
}

function endOf (job: Job): Parameters<AuditLog['record']>[0] {
  const outcome = job.state === 'done' || job.state === 'cancelled' ? job.state : 'failed'
  return {
    action: job.kind === 'delete' ? 'delete' : 'collect',
    outcome,
    who: job.by ?? {},
    target: job.target,
    job: job.id,
    bytes: job.receipt.bytesFreed,
    ...(job.error === undefined ? {} : { reason: job.error.message })
  }
}
