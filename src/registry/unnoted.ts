/**
 * Children of an earlier Delgate that no file knows of: it was killed just after it had started one, or the disk was full.
 * Each child has in its environment whose it is. On Linux; elsewhere such a child is not found.
 */
import { resolve } from 'node:path'
import { endMarked, isRunning, markOf, type ProcessMark } from './pid-file.js'
import { SetupError } from './port.js'
import { processesWith, startOf } from './process-table.js'

const VARIABLE = 'DELGATE_CHILD'

interface Owner extends ProcessMark { readonly state: string }

/** For the environment of each child of this process. */
export function ownerVariable (stateDirectory: string): Record<string, string> {
  return { [VARIABLE]: JSON.stringify({ ...markOf(process.pid), state: resolve(stateDirectory) } satisfies Owner) }
}

/**
 * Ends them.
 * @param graceSeconds between SIGTERM and SIGKILL
 * @returns the numbers of the processes that were ended
 * @throws SetupError when their Delgate still runs, or one does not go away
 */
export async function endUnnoted (stateDirectory: string, graceSeconds: number): Promise<number[]> {
  const ended: number[] = []
  for (const { pid, value } of processesWith(VARIABLE)) {
    const owner = parse(value)
    const mark = { pid, started: startOf(pid) ?? '' }
    if (owner?.state !== resolve(stateDirectory) || pid === process.pid || !isRunning(mark)) continue
    if (isRunning(owner)) throw new SetupError(`another Delgate (process ${owner.pid}) runs process ${pid} with this state directory: stop it, or set state.directory`)
    await endMarked(mark, graceSeconds, 'process')
    ended.push(pid)
  }
  return ended
}

function parse (value: string): Owner | undefined {
  try {
    const { pid, started, state } = JSON.parse(value) as Owner
    return { pid, started, state }
  } catch {
    return undefined // somebody else's
  }
}
