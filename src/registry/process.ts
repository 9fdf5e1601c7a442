import { join } from 'node:path'
import { withAbort } from '../deadline.js'
import { endChild, runChild, startChild } from './child.js'
import type { Child } from './child.js'
import { collectOutcome } from './collect-outcome.js'
import { reasonIn, waitListening } from './listening.js'
import { PidFile } from './pid-file.js'
import { SetupError } from './port.js'
import type { CollectOutcome, RegistryController, RegistrySource } from './port.js'
import { findBinary, freePort, makeDirectory, prepareConfig, registryEnvironment } from './process-setup.js'
import type { ConfigFile } from './process-setup.js'

/** Wait before the first restart after a crash; it doubles each time. Seconds. */
const BACKOFF_MINIMUM_SECONDS = 0.5
/** Longest wait before a restart after a crash. Seconds. */
const BACKOFF_MAXIMUM_SECONDS = 30
/** A registry that ran this long ran well: its next crash starts with the shortest wait again. Seconds. */
const RAN_WELL_SECONDS = 60
/** How many ports a first start tries. */
const PORT_ATTEMPTS = 5

/** The part of a pino logger that is used. */
export interface ControllerLog {
  info (fields: object, message: string): void
  warn (fields: object, message: string): void
  error (fields: object, message: string): void
}

export interface ProcessOptions {
  /** The registry's program, a path or a name; looked up when `undefined`. */
  readonly binary: string | undefined
  /** The registry's configuration file; generated when `undefined`. */
  readonly config: string | undefined
  /** Directory for the data of a generated configuration. */
  readonly storageRoot: string
  /** Directory for the secret, the generated configuration, and the process ids. */
  readonly stateDirectory: string
  readonly stopTimeoutSeconds: number
  readonly readyTimeoutSeconds: number
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Shortest and longest wait before a restart after a crash. Seconds. Default 0.5 and 30. */
  readonly backoffSeconds?: { readonly minimum: number, readonly maximum: number }
}

/** Runs the registry as a child process and keeps it running. */
export class ProcessController implements RegistryController {
  readonly kind = 'process'
  readonly #pidFile: PidFile
  readonly #collectPidFile: PidFile
  readonly #closing = new AbortController()
  readonly #collecting = new Set<Promise<unknown>>()
  #binary = ''
  #config: ConfigFile = { path: '', text: '' }
  #environment: Record<string, string | undefined> = {}
  #port = 0
  #child: Child | undefined
  #crashes = 0
  #timer: NodeJS.Timeout | undefined
  /** Starts and ends happen one after the other: a crash during a restart cannot start a second registry. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor (private readonly options: ProcessOptions, private readonly log: ControllerLog) {
    this.#pidFile = new PidFile(join(options.stateDirectory, 'registry.pid'), 'registry')
    this.#collectPidFile = new PidFile(join(options.stateDirectory, 'collect.pid'), 'collection')
  }

  url (): string { return `http://127.0.0.1:${this.#port}` }

  /** The registry's process id while it runs; for logs and status. */
  get pid (): number | undefined { return this.#child?.pid }

  async start (): Promise<RegistrySource> {
    const { binary, config, stateDirectory, storageRoot, environment } = this.options
    this.#binary = findBinary(binary, environment)
    makeDirectory('state.directory', stateDirectory)
    this.#config = prepareConfig(config, stateDirectory, storageRoot)
    this.#environment = registryEnvironment(environment, this.#config, this.options)
    await this.#endOrphans()
    process.once('exit', this.#onExit)
    try {
      await this.#inTurn(() => this.#startFirst())
    } catch (error) {
      await this.stop()
      throw error
    }
    return { configText: this.#config.text, configFrom: this.#config.path, environment: this.#environment }
  }

  async stop (): Promise<void> {
    this.#closing.abort()
    await this.#inTurn(() => this.#end())
    await Promise.all(this.#collecting)
    process.off('exit', this.#onExit)
  }

  /** An abort of `signal` ends the wait for running requests: the registry is killed, and started all the same. */
  async restart (signal: AbortSignal): Promise<void> {
    await this.#inTurn(async () => {
      await this.#end(signal)
      if (this.#closing.signal.aborted) throw new Error('the registry is being stopped')
      this.#crashes = 0
      await this.#launch()
    })
  }

  async collect (signal: AbortSignal): Promise<CollectOutcome> {
    const run = withAbort([signal, this.#closing.signal], signal => runChild([this.#binary, 'garbage-collect', this.#config.path], {
      env: this.#environment,
      signal,
      onStart: ({ pid }) => this.#note(this.#collectPidFile, pid)
    }))
    this.#collecting.add(run)
    const { exitCode, output } = await run
    this.#collecting.delete(run)
    this.#collectPidFile.clear()
    return collectOutcome(exitCode, output)
  }

  /** The collection first: it must never run beside a registry that takes pushes. */
  async #endOrphans (): Promise<void> {
    for (const file of [this.#collectPidFile, this.#pidFile]) {
      const pid = await file.endOrphan(this.options.stopTimeoutSeconds)
      if (pid !== undefined) this.log.warn({ pid }, 'ended a process that an earlier run left behind')
    }
  }

  /** Starts and waits until the registry accepts connections, so that a broken configuration is an error at once. */
  async #startFirst (): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const child = await this.#launch(false)
      if (await waitListening(child, this.#port, this.options.readyTimeoutSeconds, this.#closing.signal)) {
        this.#watch(child)
        return
      }
      const output = child.output.toString()
      await this.#end()
      if (this.#closing.signal.aborted) throw new Error('stopped while the registry was starting')
      const isPortTaken = /address already in use/.test(output)
      if (!isPortTaken || attempt === PORT_ATTEMPTS) throw new SetupError(`the registry (${this.#binary} serve ${this.#config.path}) did not start: ${reasonIn(output)}`)
    }
  }

  async #launch (watched = true): Promise<Child> {
    this.#port = await freePort(this.#port) ?? await freePort() ?? this.#port
    const env = { ...this.#environment, REGISTRY_HTTP_ADDR: `127.0.0.1:${this.#port}` }
    try {
      this.#child = await startChild([this.#binary, 'serve', this.#config.path], { env })
    } catch (error) {
      if (watched) this.#scheduleLaunch()
      throw error
    }
    this.#note(this.#pidFile, this.#child.pid)
    this.log.info({ pid: this.#child.pid, url: this.url() }, 'registry started')
    if (watched) this.#watch(this.#child)
    return this.#child
  }

  /** A full disk must not keep the registry from running. */
  #note (file: PidFile, pid: number): void {
    try {
      file.write(pid)
    } catch (error) {
      this.log.warn({ err: error, pid }, 'process id could not be written: after a crash of Delgate this process would be left running')
    }
  }

  /** Ends the registry and cancels a planned start. */
  async #end (hurry?: AbortSignal): Promise<void> {
    clearTimeout(this.#timer)
    const child = this.#child
    this.#child = undefined // its end is planned: see #watch
    if (child === undefined) return
    const itself = await endChild(child, this.options.stopTimeoutSeconds, hurry)
    if (!itself) this.log.warn({ pid: child.pid }, 'registry did not stop in time and was killed')
    this.#pidFile.clear()
  }

  #watch (child: Child): void {
    const startedAt = Date.now()
    void child.ended.then((end) => {
      if (this.#child !== child) return
      this.#child = undefined
      this.#pidFile.clear()
      if (Date.now() - startedAt >= RAN_WELL_SECONDS * 1000) this.#crashes = 0
      this.log.error({ pid: child.pid, ...end, output: child.output.toString() }, 'registry ended unexpectedly')
      this.#scheduleLaunch()
    })
  }

  #scheduleLaunch (): void {
    if (this.#closing.signal.aborted) return
    const { minimum, maximum } = this.options.backoffSeconds ?? { minimum: BACKOFF_MINIMUM_SECONDS, maximum: BACKOFF_MAXIMUM_SECONDS }
    const waitSeconds = Math.min(minimum * 2 ** this.#crashes++, maximum)
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      void this.#inTurn(async () => {
        if (this.#child === undefined && !this.#closing.signal.aborted) await this.#launch()
      }).catch((error: unknown) => this.log.error({ err: error }, 'registry cannot be started'))
    }, waitSeconds * 1000)
  }

  #inTurn<Result> (work: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(work)
    this.#turn = result.catch(() => undefined)
    return result
  }

  /** The last resort, when Delgate ends without `stop`. */
  readonly #onExit = (): void => { this.#child?.signal('SIGTERM') }
}
