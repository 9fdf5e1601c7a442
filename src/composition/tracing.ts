/** Traces, where the usual variables ask for them; where they do not, nothing of it is even loaded. */
import { isOpen } from '../jobs/job.js'
import type { JobStore } from '../jobs/store.js'
import type { Tracing } from '../tracing/tracing.js'
import { tracingWanted } from '../tracing/wanted.js'
import type { Log } from './collection.js'

/** @returns `undefined` where nobody asked for traces */
export async function createTracing (environment: NodeJS.ProcessEnv, version: string, log: Log): Promise<Tracing | undefined> {
  const { isWanted, problem } = tracingWanted(environment)
  if (problem !== undefined) log.warn({}, problem)
  if (!isWanted) return undefined
  const { Tracing } = await import('../tracing/tracing.js')
  return new Tracing({ version, log })
}

export function traceJobs (store: JobStore, { jobs }: Pick<Tracing, 'jobs'>): void {
  store.watchAll((job, before) => { jobs.changed(job, before === undefined, isOpen(job)) })
}
