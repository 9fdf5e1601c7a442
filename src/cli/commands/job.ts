/** `delgate job ID`: follows a job until it has ended. */
import { hasEnded, type Job } from '../../interface/jobs.js'
import { deleteScope } from '../../interface/challenge.js'
import { Refusal } from '../client.js'
import { EXIT, Failure, Interrupted, type ExitCode } from '../failure.js'
import { detached, follow } from '../follow.js'
import { paint } from '../output.js'
import type { Session } from '../session.js'
import { freedText, jobText, removedText, shareOf } from '../words.js'

export interface JobOptions {
  /** Which repositories a token must allow to delete in, where rights come as tokens. */
  readonly repository?: readonly string[]
}

/** Ids are what the gate makes; anything else would be another path. */
const ID = /^[\w.-]{1,64}$/

/** @throws Failure when it is none */
export function jobId (text: string): string {
  if (!ID.test(text)) throw new Failure(EXIT.usage, `${text} is not the id of a job; delgate jobs lists them`)
  return text
}

export async function followJob (text: string, { repository = [] }: JobOptions, session: Session): Promise<ExitCode> {
  const id = jobId(text)
  const { output } = session
  let last: Job | undefined
  try {
    for await (const job of follow(session, id, repository.map(deleteScope))) {
      if (output.json) await output.write(`${JSON.stringify(job)}\n`)
      else if (output.isTerminal && !hasEnded(job)) output.progress(jobText(job), shareOf(job))
      else if (last === undefined || last.phase !== job.phase || last.state !== job.state) await output.line(phaseLine(job))
      last = job
    }
  } catch (error) {
    throw error instanceof Interrupted ? detached([id], session, repository) : unknownTo(error, id, session)
  }
  if (last === undefined || output.json) return exitOf(last)
  for (const warning of last.receipt.warnings) await output.line(paint('yellow', `warning: ${warning}`))
  return exitOf(last)
}

export const exitOf = (job: Pick<Job, 'state'> | undefined): ExitCode => job?.state === 'done' ? EXIT.done : EXIT.failed

function phaseLine (job: Job): string {
  return hasEnded(job) || job.withheld === true ? jobText(job) : `${job.id} ${job.state} ${job.phase}: ${removedText(job.receipt)}, ${freedText(job.receipt)}`
}

/** A token that does not name the job's repositories does not show it. */
export function unknownTo (error: unknown, id: string, { client }: Pick<Session, 'client'>): unknown {
  if (!(error instanceof Refusal) || error.code !== 'JOB_UNKNOWN') return error
  return new Failure(EXIT.unknown, client.usesTokens ? `there is no job ${id}, or none that this token shows: name its repositories with --repository NAME` : `there is no job ${id}; delgate jobs lists them`)
}
