import { withAbort } from '../deadline.js'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { OutputTail } from './port.js'
import { isGroupAlive } from './process-table.js'

/** How long a program may take to end after SIGTERM, before SIGKILL, unless told otherwise. Seconds. */
const END_GRACE_SECONDS = 5
/** How long the last output of an ended program is waited for. What it left running may keep the pipe open for ever. Seconds. */
const LAST_OUTPUT_SECONDS = 0.25

/** A program that runs: its output is read, its end kept. */
export interface Child {
  readonly pid: number
  /** The end of what it wrote so far, standard output and error together. */
  readonly output: OutputTail
  /** Resolves when it has ended; `code` is `undefined` when a signal ended it. Never rejects. */
  readonly ended: Promise<ChildEnd>
  /** Sends a signal to the program and everything it started in its process group. */
  signal (name: NodeJS.Signals): void
}

/** How a program ended. */
export interface ChildEnd {
  readonly code: number | undefined
  readonly signal: NodeJS.Signals | undefined
}

/** How to run a program. */
export interface ChildOptions {
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Called with its process id before anything else can happen: if Delgate is killed now, it must be known. */
  readonly onSpawn?: (pid: number) => void
}

/**
 * Starts a program without a shell, in a process group of its own: a Ctrl-C in the terminal reaches Delgate alone,
 * which then ends its children in good order.
 * @throws Error of the operating system when it cannot be started.
 */
export async function startChild (argv: readonly string[], { env = process.env, onSpawn }: ChildOptions = {}): Promise<Child> {
  const child = spawn(argv[0]!, argv.slice(1), { env, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  if (child.pid !== undefined) onSpawn?.(child.pid)
  const output = new OutputTail()
  child.stdout.on('data', (chunk: Buffer) => output.append(chunk))
  child.stderr.on('data', (chunk: Buffer) => output.append(chunk))
  const ended = endOf(child)
  await once(child, 'spawn')
  const pid = child.pid!
  return { pid, output, ended, signal: (name) => signalGroup(pid, name) }
}

function endOf (child: ChildProcess): Promise<ChildEnd> {
  return new Promise((resolve) => {
    child.once('error', () => { /* `once(child, 'spawn')` reports it */ })
    child.once('exit', (code, signal) => {
      const finish = () => {
        // Whatever still holds the pipes must not keep Delgate from ending.
        for (const pipe of [child.stdout, child.stderr]) (pipe as Socket | null)?.unref()
        resolve({ code: code ?? undefined, signal: signal ?? undefined })
      }
      const timer = setTimeout(finish, LAST_OUTPUT_SECONDS * 1000)
      child.once('close', () => { clearTimeout(timer); finish() })
    })
  })
}

/** How often the end of what a child started itself is looked for. Seconds. */
const LOOK_SECONDS = 0.02

/** Signals a process group; that it has ended meanwhile is fine (macOS says EPERM while its end was not yet noticed). */
export function signalGroup (pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(-pid, name)
  } catch (error) {
    if (!['ESRCH', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}

/**
 * Ends a child and what it started: SIGTERM, and SIGKILL for what is still there after the grace or as soon as `hurry` aborts.
 * @returns whether all ended by themselves.
 */
export async function endChild (child: Child, graceSeconds: number, hurry?: AbortSignal): Promise<boolean> {
  child.signal('SIGTERM')
  const waiting = new AbortController()
  const tooLong = withAbort(hurry === undefined ? [waiting.signal] : [waiting.signal, hurry], signal =>
    delay(graceSeconds * 1000, undefined, { signal }).catch(() => undefined).then(() => false))
  const itself = await Promise.race([child.ended.then(() => groupEnds(child.pid, waiting.signal)), tooLong])
  waiting.abort()
  if (!itself) child.signal('SIGKILL')
  await child.ended
  return itself
}

/** Waits for the rest of a process group: a wrapper script may end at once, and the registry below it go on with its requests. */
async function groupEnds (pid: number, signal: AbortSignal): Promise<true> {
  while (!signal.aborted && isGroupAlive(pid)) await delay(LOOK_SECONDS * 1000)
  return true
}

/** What a program that was run to its end left behind. */
export interface RunResult {
  /** `undefined`: it could not be started, or a signal ended it. */
  readonly exitCode: number | undefined
  readonly output: string
}

/** Runs a program to its end, or ends it when `signal` aborts. Never rejects: what went wrong is in the output. */
export async function runChild (argv: readonly string[], options: ChildOptions & {
  readonly signal: AbortSignal
}): Promise<RunResult> {
  const { signal } = options
  if (signal.aborted) return { exitCode: undefined, output: 'not started: aborted' }
  let child: Child
  try {
    child = await startChild(argv, options)
  } catch (error) {
    return { exitCode: undefined, output: `${argv[0]} cannot be started: ${(error as Error).message}` }
  }
  const abort = () => { void endChild(child, END_GRACE_SECONDS) }
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  const end = await child.ended
  signal.removeEventListener('abort', abort)
  const how = signal.aborted ? '\naborted' : end.signal === undefined ? '' : `\nended by ${end.signal}`
  return { exitCode: signal.aborted ? undefined : end.code, output: child.output.toString() + how }
}
