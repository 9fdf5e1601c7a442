/** `delgate jobs`: the newest first. */
import type { Job } from '../../interface/jobs.js'
import { deleteScope } from '../../interface/challenge.js'
import { EXIT, type ExitCode } from '../failure.js'
import { Table } from '../output.js'
import type { Session } from '../session.js'
import { ago, bytes, targetText } from '../words.js'
import type { JobOptions } from './job.js'

export interface JobsOptions extends JobOptions {
  readonly state?: string
  readonly limit?: string
}

const COLUMNS = [{ title: 'ID' }, { title: 'STATE' }, { title: 'AGE', right: true }, { title: 'FREED', right: true }, { title: 'WHAT' }]

export async function listJobs ({ state, limit = '100', repository = [] }: JobsOptions, { client, output }: Session): Promise<ExitCode> {
  const query = new URLSearchParams({ limit, ...(state === undefined ? {} : { state }) })
  const answer = await client.json<{ jobs: readonly Job[], total: number }>('GET', `/delgate/v1/jobs?${query.toString()}`, { scopes: repository.map(deleteScope) })
  await output.document(answer)
  if (output.json) return EXIT.done
  await new Table(output, COLUMNS).rows(answer.jobs.map(job => [job.id, stateOf(job), ago(job.createdAt), job.withheld === true ? '-' : bytes(job.receipt.bytesFreed), what(job)]))
  if (answer.total > answer.jobs.length) output.note(`${answer.total - answer.jobs.length} more; --limit shows up to 1000`)
  return EXIT.done
}

const stateOf = ({ state, phase, trash }: Job): string => state === 'queued' || state === 'running' ? `${state} (${phase})` : trash?.state === 'kept' ? `${state}, can be undone` : trash?.state === 'undone' ? 'undone' : state

const what = (job: Job): string => `${job.undoes === undefined ? targetText(job.target) : `undo of ${job.undoes}`}${job.by?.user === undefined ? '' : `, by ${job.by.user}`}`
