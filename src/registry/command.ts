import { withAbort } from '../deadline.js'
import { join } from 'node:path'
import { runChild } from './child.js'
import { collectOutcome } from './collect-outcome.js'
import { PidFile } from './pid-file.js'
import type { CollectOutcome, ControllerLog, RegistryController, RegistrySource } from './port.js'
import { makeDirectory, readConfig } from './process-setup.js'

/** How long a collection that an earlier run left behind may take to end after SIGTERM. Seconds. */
const ORPHAN_GRACE_SECONDS = 30

export interface CommandOptions {
  /** Where Delgate reaches the registry. */
  readonly url: string
  /** Program and arguments; no shell. */
  readonly collect: readonly string[]
  readonly restart: readonly string[]
  /** The registry's configuration file, to learn from; optional. */
  readonly config: string | undefined
  /** Directory for the process id of a running collection. */
  readonly stateDirectory: string
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** Runs configured commands, for a registry that something else supervises (systemd, an orchestrator, a script). */
export class CommandController implements RegistryController {
  readonly kind = 'command'
  readonly restartsSeamlessly = false
  readonly #url: string
  readonly #pidFile: PidFile
  readonly #closing = new AbortController()
  readonly #running = new Set<Promise<unknown>>()

  constructor (private readonly options: CommandOptions, private readonly log: ControllerLog) {
    this.#url = options.url.replace(/\/+$/, '')
    this.#pidFile = new PidFile(join(options.stateDirectory, 'collect.pid'), 'collection')
  }

  url (): string { return this.#url }

  async start (): Promise<RegistrySource> {
    const { config, environment, stateDirectory } = this.options
    const configText = config === undefined ? undefined : readConfig(config)
    makeDirectory('state.directory', stateDirectory)
    const pid = await this.#pidFile.endOrphan(ORPHAN_GRACE_SECONDS)
    if (pid !== undefined) this.log.warn({ pid }, 'ended a collection that an earlier run left behind')
    return { configText, configFrom: config, environment }
  }

  /** Ends commands that are running; the registry keeps running. */
  async stop (): Promise<void> {
    this.#closing.abort()
    await Promise.all(this.#running)
  }

  async collect (signal: AbortSignal): Promise<CollectOutcome> {
    const { exitCode, output } = await this.#run(this.options.collect, signal, true)
    return collectOutcome(exitCode, output)
  }

  /** @throws Error with the end of the command's output when it fails. */
  async restart (signal: AbortSignal): Promise<void> {
    const { exitCode, output } = await this.#run(this.options.restart, signal, false)
    if (exitCode !== 0) throw new Error(`the restart command (${this.options.restart[0]}) failed with ${exitCode ?? 'no exit code'}: ${output.trim()}`)
  }

  async #run (argv: readonly string[], signal: AbortSignal, isCollection: boolean): ReturnType<typeof runChild> {
    const run = withAbort([signal, this.#closing.signal], signal => runChild(argv, {
      env: this.options.environment,
      signal,
      onSpawn: pid => { if (isCollection) this.#note(pid) }
    }))
    this.#running.add(run)
    const result = await run
    this.#running.delete(run)
    if (isCollection) this.#pidFile.clear()
    return result
  }

  #note (pid: number): void {
    try {
      this.#pidFile.write(pid)
    } catch (error) { // a full disk must not keep the collection from running
      this.log.warn({ err: error, pid }, 'process id could not be written: after a crash of Delgate this command would be left running')
    }
  }
}
