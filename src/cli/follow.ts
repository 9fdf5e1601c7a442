/** Following a job over server-sent events, also over a restart of the gate. */
import { hasEnded, type Job } from '../interface/jobs.js'
import { EXIT, Failure, Interrupted } from './failure.js'
import { pause } from './pause.js'
import type { Session } from './session.js'

/** How long a gate that went away is waited for, milliseconds. */
const PATIENCE_MS = 60_000
const RETRY_MS = 1_000

type Parts = Pick<Session, 'client' | 'signal'>

/**
 * Every state of a job, from now until it has ended.
 * @param scopes what a token must allow to see the job
 * @throws Interrupted after Ctrl-C; Failure when the gate stays away
 */
export async function * follow ({ client, signal }: Parts, id: string, scopes: readonly string[]): AsyncGenerator<Job> {
  const path = `/delgate/v1/jobs/${encodeURIComponent(id)}`
  let awaySince: number | undefined
  for (;;) {
    try {
      for await (const text of client.events(`${path}/events`, { scopes: [...new Set([...scopes, ...client.scopes])] })) {
        awaySince = undefined
        const job = JSON.parse(text) as Job
        yield job
        if (hasEnded(job)) return
      }
    } catch (error) {
      const isAway = error instanceof Failure && error.exitCode === EXIT.unreachable
      if (!isAway || Date.now() - (awaySince ??= Date.now()) > PATIENCE_MS) throw error
    }
    // The gate ended the stream, or went away: the job is in its journal, and goes on when it is back.
    await pause(RETRY_MS, signal)
  }
}

/** What a command about a job needs besides, where rights come as tokens. */
export const repositoryFlags = (repositories: readonly string[], { client }: Pick<Session, 'client'>): string =>
  client.usesTokens ? repositories.map(name => ` --repository ${name}`).join('') : ''

/** What Ctrl-C leaves behind, and how to look at it. */
export function detached (ids: readonly string[], session: Pick<Session, 'command' | 'client'>, repositories: readonly string[]): Interrupted {
  const { command } = session
  const scoped = repositoryFlags(repositories, session)
  const [id = ''] = ids
  return new Interrupted(ids.length === 1
    ? `detached: job ${id} goes on; look at it with: ${command(`job ${id}${scoped}`)}`
    : `detached: ${ids.length} jobs go on; look at them with: ${command(`jobs${scoped}`)}`)
}
