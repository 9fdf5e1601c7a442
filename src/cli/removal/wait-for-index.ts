/** A gate that has just begun does not know all that is stored: of what a glob matches, the rest would stay in silence. */
import type { Status } from '../answers.js'
import { EXIT, Failure } from '../failure.js'
import { pause } from '../pause.js'
import type { Session } from '../session.js'

const LOOK_MS = 1_000
const PATIENCE_MS = 600_000

export const isStillReading = (): Failure =>
  new Failure(EXIT.unreachable, 'nothing was deleted: the gate still reads what is stored, and does not know all that a glob may match; try again later, or name the repositories')

/** @throws Failure when it takes too long; Interrupted after Ctrl-C */
export async function waitForIndex ({ client, output, signal }: Pick<Session, 'client' | 'output' | 'signal'>, patienceMs = PATIENCE_MS): Promise<void> {
  for (const start = Date.now(); ;) {
    const { index } = await client.json<Status>('GET', '/delgate/v1/status')
    if (index.complete) return
    if (Date.now() - start > patienceMs) throw isStillReading()
    output.progress(`waits until the gate knows all that is stored: ${index.repositories} repositories so far`)
    await pause(LOOK_MS, signal)
  }
}
