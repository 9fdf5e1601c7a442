/** Child processes of the tests. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'

/** How a program ended, and what it said. */
export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  readonly input?: Buffer | string
  /** Milliseconds until it is ended. */
  readonly timeout?: number
  /** How it is ended then. Default: SIGKILL. */
  readonly killSignal?: NodeJS.Signals
  /** Told what it writes to stdout, as it does. */
  readonly onOutput?: (text: string) => void
}

/** Runs a program to its end; the exit code is the caller's to judge. */
export async function run (path: string, args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const child = spawn(path, [...args], {
    env: { ...process.env, ...options.env },
    cwd: options.cwd,
    timeout: options.timeout ?? 120_000,
    killSignal: options.killSignal ?? 'SIGKILL'
  })
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => {
    stdout.push(chunk)
    options.onOutput?.(chunk.toString())
  })
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk))
  // A program that needs no input may have ended before it was written.
  child.stdin.on('error', () => {})
  child.stdin.end(options.input)
  const [code] = await once(child, 'close') as [number | null]
  return { code, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() }
}

/** Runs a program that must succeed. */
export async function mustRun (path: string, args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const ended = await run(path, args, options)
  if (ended.code !== 0) throw new Error(`${path} ${args.join(' ')} ended with ${ended.code}\n${ended.stdout}\n${ended.stderr}`)
  return ended
}

/** Ends a child, politely first; resolves when it is gone. */
export async function stop (child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM', patience = 5_000): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  const timer = setTimeout(() => { child.kill('SIGKILL') }, patience)
  child.kill(signal)
  await exited
  clearTimeout(timer)
}
