/** Deletions and the jobs that they start. */
import type { OutgoingHttpHeaders } from 'node:http'
import { expectStatus, header, json, request, type Answer } from './http.js'
import { until } from './temporary.js'

/** What a job removed and kept. */
export interface Receipt {
  readonly tags: ReadonlyArray<{ readonly repository: string, readonly tag: string, readonly digest: string }>
  readonly manifests: ReadonlyArray<{ readonly repository: string, readonly digest: string }>
  readonly layerLinks: ReadonlyArray<{ readonly repository: string, readonly digest: string }>
  readonly blobs: ReadonlyArray<{ readonly digest: string, readonly bytes: number }>
  readonly directories: number
  readonly bytesFreed: number
  readonly bytesInTrash: number
  readonly kept: ReadonlyArray<{ readonly digest: string, readonly bytes?: number, readonly by: ReadonlyArray<{ readonly repository: string, readonly tags: readonly string[] }> }>
  readonly warnings: readonly string[]
  readonly counts: { readonly tags: number, readonly manifests: number, readonly layerLinks: number, readonly blobs: number }
}

/** A job as Delgate shows it. */
export interface Job {
  readonly id: string
  readonly kind: string
  readonly target: unknown
  readonly state: 'queued' | 'running' | 'done' | 'failed' | 'cancelled'
  readonly phase: string
  readonly createdAt: string
  readonly startedAt?: string
  readonly endedAt?: string
  readonly receipt?: Receipt
  readonly trash?: { readonly state: string, readonly until: string }
  readonly undoes?: string
  readonly restored?: Pick<Receipt, 'tags' | 'manifests' | 'blobs'>
  readonly error?: unknown
  readonly attempts: number
  /** When a failed job is tried again. */
  readonly nextAttemptAt?: string
}

export interface DeleteOptions {
  readonly headers?: OutgoingHttpHeaders
}

/** Sends a DELETE. */
export async function del (base: string, path: string, { headers }: DeleteOptions = {}): Promise<Answer> {
  return request(base, 'DELETE', path, { headers })
}

/** Whether nothing more will happen: a failed job that will be tried again has not ended. */
export const hasEnded = ({ state, nextAttemptAt }: Job): boolean =>
  state === 'done' || state === 'cancelled' || (state === 'failed' && nextAttemptAt === undefined)

/** The job at a `Location`. */
export async function jobAt (base: string, location: string, { headers }: DeleteOptions = {}): Promise<Job> {
  const answer = await request(base, 'GET', new URL(location, base).pathname, { headers })
  return json<Job>(expectStatus(answer, 200, `GET ${location}`))
}

/** Waits until the job that an answer points to has ended, in whatever way. */
export async function jobEnded (base: string, answer: Answer, options: DeleteOptions = {}): Promise<Job> {
  const location = header(answer, 'location')
  if (location === undefined) throw new Error(`no Location (status ${answer.status})`)
  if (!/^(?:https?:\/\/[^/]+)?\/delgate\/v1\/jobs\/[\w.-]+$/.test(location)) throw new Error(`no job's Location: ${location}`)
  return until(`${location} ends`, async () => {
    const job = await jobAt(base, location, options)
    return hasEnded(job) ? job : undefined
  }, 60_000)
}

/** Deletes, insists on 202, and returns the ended job, whose state is the caller's to judge. */
export async function deleteAndWait (base: string, path: string, options: DeleteOptions = {}): Promise<Job> {
  return jobEnded(base, expectStatus(await del(base, path, options), 202, `DELETE ${path}`), options)
}

/** Deletes, waits, and returns the receipt; throws unless the job is done. */
export async function deleted (base: string, path: string, options: DeleteOptions = {}): Promise<Receipt> {
  return receiptOf(await deleteAndWait(base, path, options))
}

/** The receipt of a job that is done. */
export function receiptOf (job: Job): Receipt {
  if (job.state !== 'done' || job.receipt === undefined) throw new Error(`the job is not done: ${JSON.stringify(job)}`)
  return job.receipt
}

/** Every job that Delgate remembers. */
export async function allJobs (base: string, { headers }: DeleteOptions = {}): Promise<Job[]> {
  const answer = await request(base, 'GET', '/delgate/v1/jobs?limit=1000', { headers })
  return json<{ jobs: Job[] }>(expectStatus(answer, 200, 'GET jobs')).jobs
}
