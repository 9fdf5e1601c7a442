/** The command line as users run it: a process of its own, from the build; in a pipe, or at a terminal. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { once } from 'node:events'
import { run, type Ended } from './processes.js'
import { until } from './temporary.js'

const MAIN = resolve('dist/main.js')

export interface CliOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
  readonly timeout?: number
  /** Told what it writes to stdout, as it does. */
  readonly onOutput?: (text: string) => void
}

/** The environment without settings of whoever runs the tests, nor what `docker login` has left here. */
function cliEnvironment (env: Readonly<Record<string, string>> = {}): Record<string, string> {
  if (!existsSync(MAIN)) throw new Error('dist/main.js is missing: npm run build')
  const kept = Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined && !/^(?:DELGATE_|NODE_OPTIONS|TAP|TS_NODE|NO_COLOR|FORCE_COLOR)/.test(entry[0]))
  return { ...Object.fromEntries(kept), DOCKER_CONFIG: '/nonexistent', TERM: 'xterm', ...env }
}

/** Runs one command in a pipe. */
export async function cli (args: readonly string[], { env, ...options }: CliOptions = {}): Promise<Ended> {
  // `run` adds to the environment of this process: what must not be there is emptied.
  const emptied = Object.fromEntries(Object.keys(process.env).filter(name => /^(?:DELGATE_|NODE_OPTIONS|TAP|TS_NODE|NO_COLOR)/.test(name)).map(name => [name, '']))
  return await run(process.execPath, [MAIN, ...args], { env: { ...emptied, ...cliEnvironment(env) }, timeout: 60_000, ...options })
}

/** The same, which must end with 0. @returns its JSON */
export async function cliJson<T = Record<string, unknown>> (args: readonly string[], options?: CliOptions): Promise<T> {
  const { code, stdout, stderr } = await cli([...args, '--json'], options)
  if (code !== 0) throw new Error(`delgate ${args.join(' ')} ended with ${code}: ${stderr}${stdout}`)
  return JSON.parse(stdout) as T
}

export interface Terminal {
  /** What was shown so far. */
  output (): string
  /** Waits until something is shown. */
  shows (pattern: RegExp): Promise<void>
  type (text: string): void
  /** The exit code. */
  ended (): Promise<number | null>
}

const quoted = (text: string): string => `'${text.replaceAll('\'', '\'\\\'\'')}'`

/** Runs one command at a terminal of its own: `script` of util-linux makes one. */
export function atTerminal (args: readonly string[], { env }: CliOptions = {}): Terminal {
  const command = [process.execPath, MAIN, ...args].map(quoted).join(' ')
  const child = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], { timeout: 60_000, env: cliEnvironment(env), stdio: ['pipe', 'pipe', 'pipe'] })
  const chunks: Buffer[] = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => { chunks.push(chunk) })
  child.stdin.on('error', () => {})
  const closed = once(child, 'close') as Promise<[number | null]>
  const output = (): string => Buffer.concat(chunks).toString()
  return {
    output,
    shows: async pattern => {
      await until(`the terminal shows ${String(pattern)}`, () => {
        if (pattern.test(output())) return true
        if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode} and has shown: ${output()}`)
        return false
      }, 30_000).catch((error: Error) => { throw new Error(`${error.message}; it has shown: ${output()}`) })
    },
    type: text => { child.stdin.write(text) },
    ended: async () => (await closed)[0]
  }
}
