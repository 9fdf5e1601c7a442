/** `delgate undo ID`: puts back what a job removed, as long as the trash keeps it. */
import type { Job } from '../../interface/jobs.js'
import { deleteScope } from '../../interface/challenge.js'
import type { ExitCode } from '../failure.js'
import type { Session } from '../session.js'
import { jobText } from '../words.js'
import { exitOf, jobId, unknownTo, type JobOptions } from './job.js'

export async function undoJob (text: string, { repository = [] }: JobOptions, { client, output }: Session): Promise<ExitCode> {
  const id = jobId(text)
  const job = await client.json<Job>('POST', `/delgate/v1/jobs/${id}/undo`, { scopes: repository.map(deleteScope) }).catch((error: unknown) => { throw unknownTo(error, id, { client }) })
  await output.document(job)
  await output.line(jobText(job))
  return exitOf(job)
}
