/** Asks the gate for deletions, one after the other. What is refused does not stop the others. */
import type { Job } from '../../interface/jobs.js'
import { EXIT, Failure, Interrupted } from '../failure.js'
import type { Session } from '../session.js'
import { count } from '../words.js'
import { requestPath, type Deletion } from './deletion.js'
import { explain } from './rehearse.js'

export type Outcome =
  | { readonly deletion: Deletion, readonly job: Job }
  | { readonly deletion: Deletion, readonly failure: Failure }

/** @throws Interrupted after Ctrl-C, with how far it came; Failure when the gate is gone */
export async function carryOut (deletions: readonly Deletion[], session: Session): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  for (const deletion of deletions) {
    if (deletions.length > 1) session.output.progress(`${outcomes.length} of ${deletions.length} · ${deletion.text}`, outcomes.length / deletions.length)
    try {
      outcomes.push({ deletion, job: await session.client.json<Job>('DELETE', requestPath(deletion, false), { scopes: deletion.scopes }) })
    } catch (error) {
      const failure = await explain(error, deletion, session)
      if (failure instanceof Interrupted) throw new Interrupted(`interrupted: ${outcomes.length} of ${count(deletions.length, 'deletion')} had been asked for and go on; see: ${session.command('jobs')}`)
      if (!(failure instanceof Failure)) throw error
      if (failure.exitCode === EXIT.unreachable) throw outcomes.length === 0 ? failure : new Failure(failure.exitCode, `after ${outcomes.length} of ${count(deletions.length, 'deletion')}: ${failure.message}`)
      outcomes.push({ deletion, failure })
      session.output.note(`delgate: ${failure.message}`)
    }
  }
  return outcomes
}
