/** `delgate gc`: collects what nothing uses. */
import type { Job } from '../../interface/jobs.js'
import { confirmYes } from '../confirm.js'
import { EXIT, type ExitCode } from '../failure.js'
import type { Session } from '../session.js'
import { settle, type WaitOptions } from '../settle.js'

export interface GcOptions extends WaitOptions {
  readonly untagged?: boolean
  readonly yes?: boolean
}

export async function collect ({ untagged = false, yes = false, wait }: GcOptions, session: Session): Promise<ExitCode> {
  const { client, output } = session
  if (untagged && !yes) await confirm(session)
  const job = await client.json<Job>('POST', '/delgate/v1/collections', { body: { untagged } })
  const [ended = job] = await settle([{ job, scopes: [] }], { wait }, session)
  await output.document(ended)
  return ended.state === 'failed' || ended.state === 'cancelled' ? EXIT.failed : EXIT.done
}

/** Manifests without a tag may be what somebody pulls by digest. */
async function confirm (session: Session): Promise<void> {
  await session.output.line('This deletes every manifest that no tag reaches, in all repositories.')
  await confirmYes('Delete them?', session)
}
