import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { signalGroup } from './child.js'
import { SetupError } from './port.js'
import { startOf } from './process-table.js'

/** How often the end of a process that is not a child is looked for. Seconds. */
const LOOK_SECONDS = 0.05
/** How long a killed process may take to disappear. Seconds. */
const KILL_SECONDS = 10

/** A process, told apart from a later one that got the same number by when it started. */
export interface ProcessMark {
  readonly pid: number
  readonly started: string
}

/**
 * Remembers one child on disk, so that after a `kill -9` of Delgate the next start ends what was left running:
 * a second registry on the same data, or worse a `garbage-collect` beside a registry that takes pushes.
 */
export class PidFile {
  /** @param what the child, for messages: "registry". */
  constructor (private readonly path: string, private readonly what: string) {}

  /** Notes a running child of this process. */
  write (pid: number): void {
    const mark = { ...markOf(pid), owner: markOf(process.pid) }
    try {
      writeFileSync(`${this.path}.new`, JSON.stringify(mark) + '\n', { mode: 0o600 })
      renameSync(`${this.path}.new`, this.path)
    } catch (error) {
      this.#removeUnfinished()
      throw error
    }
  }

  /** The child has ended. */
  clear (): void {
    rmSync(this.path, { force: true })
    this.#removeUnfinished()
  }

  /**
   * Ends the child of an earlier Delgate, when it is still there and really that one.
   * @param graceSeconds between SIGTERM and SIGKILL.
   * @returns the number of the process that was ended, or `undefined`.
   * @throws SetupError when that earlier Delgate still runs, or the process does not go away.
   */
  async endOrphan (graceSeconds: number): Promise<number | undefined> {
    const { pid, started, owner } = this.#read()
    const mark = { pid, started }
    if (isRunning(mark) && isRunning(owner)) {
      throw new SetupError(`another Delgate (process ${owner.pid}) runs the ${this.what} with this state directory: stop it, or set state.directory`)
    }
    if (isRunning(mark)) {
      await endMarked(mark, graceSeconds, this.what)
      this.clear()
      return pid
    }
    this.clear()
    return undefined
  }

  #removeUnfinished (): void {
    try {
      rmSync(`${this.path}.new`, { force: true })
    } catch {
      // Nobody reads it, and the next note goes over it.
    }
  }

  #read (): ProcessMark & { readonly owner: ProcessMark } {
    const none = { pid: 0, started: '' }
    try {
      const { pid, started, owner } = JSON.parse(readFileSync(this.path, 'utf8')) as ProcessMark & { owner: ProcessMark }
      return { pid, started, owner: { pid: owner.pid, started: owner.started } }
    } catch {
      return { ...none, owner: none } // none was noted, or not completely: nothing that could be ended safely
    }
  }
}

/**
 * Ends what an earlier Delgate left running.
 * @param graceSeconds between SIGTERM and SIGKILL
 * @throws SetupError when it does not go away
 */
export async function endMarked (mark: ProcessMark, graceSeconds: number, what: string): Promise<void> {
  signalGroup(mark.pid, 'SIGTERM')
  if (!await hasEnded(mark, graceSeconds)) signalGroup(mark.pid, 'SIGKILL')
  if (!await hasEnded(mark, KILL_SECONDS)) throw new SetupError(`the ${what} that an earlier Delgate left running (process ${mark.pid}) does not end: stop it`)
}

export function markOf (pid: number): ProcessMark {
  return { pid, started: startOf(pid) ?? '' }
}

export function isRunning ({ pid, started }: ProcessMark): boolean {
  return Number.isInteger(pid) && pid > 1 && started !== '' && startOf(pid) === started
}

async function hasEnded (mark: ProcessMark, withinSeconds: number): Promise<boolean> {
  const end = Date.now() + withinSeconds * 1000
  while (isRunning(mark)) {
    if (Date.now() >= end) return false
    await delay(LOOK_SECONDS * 1000)
  }
  return true
}
