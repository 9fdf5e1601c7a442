/** Delgate as a process that is made to fail: by `preload.mjs`, which counts its steps and acts at one of them. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { writtenSettings, type PartialSettings } from '../delgate.js'
import { stop } from '../processes.js'
import type { RegistryFiles } from '../registry.js'
import type { RegistryTool } from '../tools.js'

const MAIN = resolve('dist/main.js')
const PRELOAD = new URL('preload.mjs', import.meta.url)
/** A start, or an end, that takes longer hangs. Milliseconds. */
const PATIENCE_MS = 40_000

export type Mode = 'before' | 'after' | 'torn' | 'power' | 'fail' | 'registry'
/** Whether Delgate itself goes on. */
export const survives = (mode: Mode | undefined): boolean => mode === 'fail' || mode === 'registry'

/** What happens at which step. */
export interface Fault {
  /** Number of the step, from 1. */
  readonly at?: number
  /** Or a pattern that the step is the first to match. */
  readonly label?: string
  readonly mode: Mode
  /** For `fail`: the error, and how many steps in a row fail. */
  readonly code?: string
  readonly calls?: number
}

export interface Step {
  readonly type: 'change' | 'write' | 'spawn' | 'request'
  readonly label: string
}

/** What came of a fault, and the steps since it was armed. */
export interface Counted {
  readonly fired?: boolean
  /** The step at which it did. */
  readonly label?: string
  readonly trace: readonly Step[]
}

export interface FaultyOptions extends RegistryFiles {
  readonly tool: RegistryTool
  readonly settings: PartialSettings
  /** Where it listens each time. */
  readonly port: number
}

export class FaultyGate {
  #child: ChildProcess | undefined
  #output = ''
  #exited: Promise<unknown> = Promise.resolve()
  readonly url: string
  readonly #report: string

  constructor (readonly options: FaultyOptions) {
    this.url = `http://127.0.0.1:${options.port}`
    this.#report = join(options.directory, 'report')
  }

  /** What the process wrote that was started last. */
  get output (): string { return this.#output }
  get isRunning (): boolean { return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null }
  /** Resolves when it has ended, in whatever way. */
  get exited (): Promise<unknown> { return this.#exited }

  /**
   * Starts it; with a fault, the steps are counted from the start.
   * @returns false when it ended before it was ready
   */
  async start (fault?: Fault): Promise<boolean> {
    const { directory, storage, config, tool, settings, port } = this.options
    const file = join(directory, 'delgate.yml')
    await writeFile(file, JSON.stringify({ ...writtenSettings(tool, this.options, { settings }), listen: { host: '127.0.0.1', port }, log: { level: 'info' } }))
    await rm(this.#report, { force: true })
    const child = spawn(process.execPath, [`--import=${PRELOAD.href}`, MAIN, '--config', file], {
      env: { ...environment(), FAULT_TREE: join(storage, 'docker/registry/v2'), FAULT_STATE: join(directory, 'state'), FAULT_CONFIG: config, FAULT_REPORT: this.#report, ...(fault === undefined ? {} : { FAULT: JSON.stringify(fault) }) },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc']
    })
    this.#child = child
    this.#output = ''
    this.#exited = once(child, 'exit')
    const ready = new Promise<boolean>(resolve => {
      child.once('exit', () => { resolve(false) })
      for (const stream of [child.stdout!, child.stderr!]) {
        stream.on('data', (chunk: Buffer) => {
          this.#output += chunk.toString()
          if (this.#output.includes('Delgate is ready on')) resolve(true)
        })
      }
    })
    return await within('Delgate is ready or has ended', ready, () => this.#output)
  }

  /** Counts from now on; with a fault, it is ahead. */
  async arm (fault?: Fault): Promise<void> { await this.#tell({ fault }) }

  /** Ends the counting. What happened, whether it still runs or not. */
  async counted (): Promise<Counted> {
    const said = this.isRunning ? await this.#tell({ stop: true }).catch(() => undefined) : undefined
    return said ?? JSON.parse(await readFile(this.#report, 'utf8').catch(() => '{ "trace": [] }')) as Counted
  }

  async stop (signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.#child !== undefined) await stop(this.#child, signal, PATIENCE_MS)
  }

  async #tell (message: object): Promise<Counted> {
    const child = this.#child!
    const answer = Promise.race([once(child, 'message').then(([told]) => told as Counted), this.#exited.then(() => { throw new Error('Delgate has ended') })])
    child.send(message, () => {})
    return await within('Delgate answers its parent', answer, () => this.#output)
  }
}

async function within<T> (what: string, work: Promise<T>, said: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => { timer = setTimeout(() => { reject(new Error(`${what}: not within ${PATIENCE_MS} ms\n${said().slice(-4000)}`)) }, PATIENCE_MS) })
  return await Promise.race([work, late]).finally(() => { clearTimeout(timer) })
}

/** Without what belongs to the tests. */
function environment (): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(?:DELGATE_|REGISTRY_|NODE_OPTIONS|TAP|TS_NODE|FAULT)/.test(name)))
}
