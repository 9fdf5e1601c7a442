/** `delgate cancel ID`: cancels a job that still waits. What it has deleted stays deleted. */
import type { Job } from '../../interface/jobs.js'
import { deleteScope } from '../../interface/challenge.js'
import { EXIT, type ExitCode } from '../failure.js'
import { repositoryFlags } from '../follow.js'
import type { Session } from '../session.js'
import { jobText } from '../words.js'
import { jobId, unknownTo, type JobOptions } from './job.js'

export async function cancelJob (text: string, { repository = [] }: JobOptions, session: Session): Promise<ExitCode> {
  const id = jobId(text)
  const { client, output, command } = session
  const job = await client.json<Job>('POST', `/delgate/v1/jobs/${id}/cancel`, { scopes: repository.map(deleteScope) }).catch((error: unknown) => { throw unknownTo(error, id, session) })
  await output.document(job)
  await output.line([
    jobText(job),
    ...(job.kind === 'delete' ? ['it stays deleted, and what it left unused is for the next collection'] : []),
    ...(job.trash?.state === 'kept' ? [`put it back with: ${command(`undo ${id}${repositoryFlags(repository, session)}`)}`] : [])
  ].join('; '))
  return EXIT.done
}
