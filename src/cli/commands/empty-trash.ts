/** `delgate empty-trash`: frees what the trash keeps, for good. */
import type { Status } from '../answers.js'
import { confirmYes } from '../confirm.js'
import { EXIT, type ExitCode } from '../failure.js'
import type { Session } from '../session.js'
import { bytes, count } from '../words.js'

export interface EmptyTrashOptions {
  readonly dryRun?: boolean
  readonly yes?: boolean
}

/** What the gate says it freed. */
interface Emptied {
  readonly jobs: number
  readonly bytesFreed: number
}

const NOTHING: Emptied = { jobs: 0, bytesFreed: 0 }

export async function emptyTrash ({ dryRun = false, yes = false }: EmptyTrashOptions, session: Session): Promise<ExitCode> {
  const { client, output } = session
  if (!yes && !dryRun && session.ask === undefined) await confirmYes('', session)
  const { trash } = await client.status()
  if (trash.jobs === 0 && trash.bytes === 0) {
    await output.document({ dryRun, ...NOTHING })
    await output.line('Nothing is in the trash.')
    return EXIT.done
  }
  if (dryRun) {
    await output.document({ dryRun, jobs: trash.jobs, bytesFreed: trash.bytes })
    await output.line(`Nothing was deleted (dry run). It would free ${bytes(trash.bytes)}, and ${count(trash.jobs, 'job')} could not be undone any more.`)
    return EXIT.done
  }
  if (!yes) await confirm(trash, session)
  const emptied = await client.json<Emptied>('POST', '/delgate/v1/trash/empty')
  await output.document({ dryRun, ...emptied })
  await output.line(`${bytes(emptied.bytesFreed)} freed; ${count(emptied.jobs, 'job')} cannot be undone any more`)
  if (emptied.jobs < trash.jobs) await showRest(session)
  return EXIT.done
}

async function confirm (trash: Status['trash'], session: Session): Promise<void> {
  await session.output.line(`The trash keeps ${bytes(trash.bytes)} of ${count(trash.jobs, 'job')}. What is emptied cannot be undone any more.`)
  await confirmYes(`Empty the trash, which frees ${bytes(trash.bytes)}?`, session)
}

/** Of a job that still runs, the gate frees nothing before it has ended. */
async function showRest ({ client, output }: Session): Promise<void> {
  const { trash } = await client.json<Status>('GET', '/delgate/v1/status')
  if (trash.jobs > 0) await output.line(`${count(trash.jobs, 'job')} in the trash still: what is kept of a job that has not ended goes when it has`)
}
