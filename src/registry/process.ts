import { join } from 'node:path'
import { withAbort } from '../deadline.js'
import { runChild } from './child.js'
import { collectOutcome } from './collect-outcome.js'
import { Drain } from './drain.js'
import { Launcher, noteProcess } from './launch.js'
import type { Running } from './launch.js'
import { PidFile } from './pid-file.js'
import type { CollectOutcome, ControllerLog, RegistryController, RegistrySource } from './port.js'
import { endUnnoted, ownerVariable } from './unnoted.js'
import { findBinary, freePort, makeDirectory, prepareConfig, registryEnvironment, takesFixedPort } from './process-setup.js'
import type { ConfigFile } from './process-setup.js'

/** Wait before the first restart after a crash; it doubles each time. Seconds. */
const BACKOFF_MINIMUM_SECONDS = 0.5
/** Longest wait before a restart after a crash. Seconds. */
const BACKOFF_MAXIMUM_SECONDS = 30
/** A registry that ran this long ran well: its next crash starts with the shortest wait again. Seconds. */
const RAN_WELL_SECONDS = 60

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

/**
 * Runs the registry as a child process and keeps it running. A restart starts the new registry beside the old one, which
 * then finishes what it has begun: there is always one that takes requests.
 */
export class ProcessController implements RegistryController {
  readonly kind = 'process'
  /** One for the registry that serves, one for the one before it, in turns. */
  readonly #pidFiles: readonly PidFile[]
  readonly #collectPidFile: PidFile
  readonly #closing = new AbortController()
  readonly #collecting = new Set<Promise<unknown>>()
  #binary = ''
  #config: ConfigFile = { path: '', text: '' }
  #environment: Record<string, string | undefined> = {}
  #launcher!: Launcher
  #takesFixedPort = false
  #port = 0
  #current: Running | undefined
  #drain: Drain | undefined
  #crashes = 0
  #timer: NodeJS.Timeout | undefined
  #told: () => void = () => {}
  /** Starts and ends happen one after the other: a crash during a restart cannot start one registry too many. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor (private readonly options: ProcessOptions, private readonly log: ControllerLog) {
    this.#pidFiles = ['registry.pid', 'registry-2.pid'].map(name => new PidFile(join(options.stateDirectory, name), 'registry'))
    this.#collectPidFile = new PidFile(join(options.stateDirectory, 'collect.pid'), 'collection')
  }

  url (): string { return `http://127.0.0.1:${this.#port}` }

  /** Known once it was started: not where the configuration names a port that two registries would both want. */
  get restartsSeamlessly (): boolean { return !this.#takesFixedPort }

  onEnd (listener: () => void): void { this.#told = listener }

  /** The registry's process id while it runs; for logs and status. */
  get pid (): number | undefined { return this.#current?.child.pid }

  async start (): Promise<RegistrySource> {
    const { binary, config, stateDirectory, storageRoot, environment } = this.options
    this.#binary = findBinary(binary, environment)
    makeDirectory('state.directory', stateDirectory)
    this.#config = prepareConfig(config, stateDirectory, storageRoot)
    this.#environment = { ...registryEnvironment(environment, this.#config, this.options), ...ownerVariable(stateDirectory) }
    this.#takesFixedPort = takesFixedPort(this.#config, this.#environment)
    this.#launcher = new Launcher({ ...this.options, binary: this.#binary, config: this.#config.path, environment: this.#environment }, this.log)
    await this.#endOrphans()
    process.once('exit', this.#onExit)
    try {
      // So that a broken configuration is an error at once, it is waited for.
      await this.#inTurn(async () => { this.#serveBy(await this.#launcher.launchListening(this.#freePidFile(), this.#closing.signal)) })
    } catch (error) {
      await this.stop()
      throw error
    }
    return { configText: this.#config.text, configFrom: this.#config.path, environment: this.#environment }
  }

  async stop (): Promise<void> {
    this.#closing.abort()
    await this.#inTurn(() => this.#end())
    await this.#drain?.ended
    await Promise.all(this.#collecting)
    process.off('exit', this.#onExit)
  }

  /**
   * When the new registry does not start, the old one goes on serving. An abort of `signal` ends the wait for the new one.
   * @throws SetupError with what the new registry said
   */
  async restart (signal: AbortSignal, switched: () => Promise<unknown> = async () => {}): Promise<void> {
    await this.#inTurn(async () => {
      if (this.#closing.signal.aborted) throw new Error('the registry is being stopped')
      if (this.#takesFixedPort) await this.#restartAlone(signal)
      else await this.#replace(signal, switched)
    })
  }

  /**
   * May run beside a registry that drains: that takes no new requests, and the caller waits for those that write, whichever
   * registry has them. What it still sends are files that it has opened; they stay readable when they are unlinked.
   */
  async collect (signal: AbortSignal): Promise<CollectOutcome> {
    const run = withAbort([signal, this.#closing.signal], signal => runChild([this.#binary, 'garbage-collect', this.#config.path], {
      env: this.#environment,
      signal,
      onSpawn: pid => { noteProcess(this.#collectPidFile, pid, this.log) }
    }))
    this.#collecting.add(run)
    const { exitCode, output } = await run
    this.#collecting.delete(run)
    this.#collectPidFile.clear()
    return collectOutcome(exitCode, output)
  }

  /** The collection first: it must never run beside a registry that takes pushes. */
  async #endOrphans (): Promise<void> {
    const { stateDirectory, stopTimeoutSeconds } = this.options
    const said = (pid: number): void => { this.log.warn({ pid }, 'ended a process that an earlier run left behind') }
    for (const file of [this.#collectPidFile, ...this.#pidFiles]) {
      const pid = await file.endOrphan(stopTimeoutSeconds)
      if (pid !== undefined) said(pid)
    }
    for (const pid of await endUnnoted(stateDirectory, stopTimeoutSeconds)) said(pid)
  }

  async #replace (signal: AbortSignal, switched: () => Promise<unknown>): Promise<void> {
    // One registry at a time drains, or a row of quick restarts would leave a row of them. What is cut are downloads.
    this.#drain?.hurry()
    await this.#drain?.ended
    const next = await withAbort([signal, this.#closing.signal], async signal => await this.#launcher.launchListening(this.#freePidFile(), signal))
    const old = this.#current
    clearTimeout(this.#timer)
    this.#crashes = 0
    this.#serveBy(next)
    const released = switched()
    if (old !== undefined) this.#drain = new Drain(old, async hurry => { await this.#launcher.end(old, hurry) }, released, this.#closing.signal)
  }

  /** An abort of `signal` ends the wait for running requests: the registry is killed, and started all the same. */
  async #restartAlone (signal: AbortSignal): Promise<void> {
    await this.#end(signal)
    if (this.#closing.signal.aborted) throw new Error('the registry is being stopped')
    this.#crashes = 0
    await this.#launch()
  }

  #freePidFile (): PidFile {
    const draining = this.#drain?.isOver === false ? this.#drain.running : undefined
    return this.#pidFiles.find(file => file !== this.#current?.pidFile && file !== draining?.pidFile)!
  }

  /** From now on requests go to this registry. */
  #serveBy (running: Running): void {
    this.#current = running
    this.#port = running.port
    this.#watch(running)
  }

  async #launch (): Promise<void> {
    const port = await freePort(this.#port) ?? await freePort() ?? this.#port
    try {
      this.#serveBy(await this.#launcher.launch(port, this.#freePidFile()))
    } catch (error) {
      this.#scheduleLaunch()
      throw error
    }
  }

  /** Ends the registry and cancels a planned start. */
  async #end (hurry?: AbortSignal): Promise<void> {
    clearTimeout(this.#timer)
    const running = this.#current
    this.#current = undefined // its end is planned: see #watch
    if (running !== undefined) await this.#launcher.end(running, hurry)
  }

  #watch (running: Running): void {
    const startedAt = Date.now()
    const { child, pidFile } = running
    void child.ended.then((end) => {
      if (this.#current !== running) return
      this.#current = undefined
      pidFile.clear()
      if (Date.now() - startedAt >= RAN_WELL_SECONDS * 1000) this.#crashes = 0
      this.log.error({ pid: child.pid, ...end, output: child.output.toString() }, 'registry ended unexpectedly')
      this.#told()
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
        if (this.#current === undefined && !this.#closing.signal.aborted) await this.#launch()
      }).catch((error: unknown) => this.log.error({ err: error }, 'registry cannot be started'))
    }, waitSeconds * 1000)
  }

  #inTurn<Result> (work: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(work)
    this.#turn = result.catch(() => undefined)
    return result
  }

  /** The last resort, when Delgate ends without `stop`. */
  readonly #onExit = (): void => {
    this.#current?.child.signal('SIGTERM')
    if (this.#drain?.isOver === false) this.#drain.running.child.signal('SIGTERM')
  }
}
