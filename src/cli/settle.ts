/** Jobs that were accepted: waited for, or left to themselves with a word on how to look at them. */
import { hasEnded, type Job } from '../interface/jobs.js'
import { Interrupted } from './failure.js'
import { detached, follow } from './follow.js'
import { paint } from './output.js'
import type { Session } from './session.js'
import { count, jobText, shareOf } from './words.js'

export interface WaitOptions { readonly wait?: boolean | undefined }

export interface Accepted {
  readonly job: Job
  /** What a token must allow to see it. */
  readonly scopes: readonly string[]
}

/**
 * @returns the jobs, as they were seen last
 * @throws Interrupted after Ctrl-C: they go on
 */
export async function settle (accepted: readonly Accepted[], { wait = false }: WaitOptions, session: Session): Promise<Job[]> {
  const { output, command } = session
  const ended: Job[] = []
  for (const { job, scopes } of accepted) {
    const last = wait && !hasEnded(job) ? await waited(job, scopes, { done: ended.length, all: accepted }, session) : job
    ended.push(last)
    await output.line(`${jobText(last)}${hasEnded(last) ? '' : `; see it end with: ${command(`job ${last.id}`)}`}`)
    for (const warning of last.receipt.warnings) await output.line(paint('yellow', `warning: ${warning}`))
  }
  return ended
}

async function waited (job: Job, scopes: readonly string[], { done, all }: { done: number, all: readonly Accepted[] }, session: Session): Promise<Job> {
  const { output } = session
  let last = job
  try {
    for await (const now of follow(session, job.id, scopes)) {
      last = now
      if (hasEnded(now)) break
      if (output.isTerminal) output.progress(`${all.length > 1 ? `${done} of ${count(all.length, 'job')} · ` : ''}${jobText(now)}`, (done + shareOf(now)) / all.length)
    }
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error
    const rest = all.slice(done)
    throw detached(rest.map(one => one.job.id), session, [...new Set(rest.flatMap(({ job: { target } }) => 'repository' in target ? target.repository : []))])
  }
  return last
}
