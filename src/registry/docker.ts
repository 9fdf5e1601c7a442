/**
 * The registry as a container of a Docker Engine: collects by `exec`, restarts through the engine. The container is not
 * Delgate's: it is never created, removed or stopped for good. The only importer of dockerode.
 */
import { hostname } from 'node:os'
import { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import Docker from 'dockerode'
import { readArchivedFile } from './archive.js'
import { collectOutcome } from './collect-outcome.js'
import { configPaths, describe, isRegistryConfig, namedBinary, parseContainer, requireRunning, type Container } from './container.js'
import { explainEngineError, parseEndpoint, statusOf, type Endpoint } from './engine.js'
import { compareMounts, registryRoot } from './mounts.js'
import { OUTPUT_TAIL_BYTES, OutputTail, SetupError, type CollectOutcome, type ControllerLog, type RegistryController, type RegistrySource } from './port.js'
import { choose, selectionText, toFilters, type Selection } from './selection.js'

const DEFAULT_STOP_TIMEOUT_SECONDS = 10
/** How many symbolic links are followed to the configuration file. Count. */
const MAXIMUM_LINKS = 5
/** The engine may report an exec as running for a moment after its output ended. */
const EXIT_CODE_ATTEMPTS = 50
const EXIT_CODE_INTERVAL_MILLISECONDS = 20

export interface DockerOptions {
  /** Base URL of the registry as Delgate reaches it. */
  readonly url: string
  /** Which engine, and which of its containers. */
  readonly docker: Selection & { readonly socket?: string | undefined }
  /** How long the container may take to stop before the engine kills it. Default: 10. */
  readonly stopTimeoutSeconds?: number | undefined
  /** Where Delgate sees the registry's files. Default: where the registry has them. */
  readonly storageRoot?: string | undefined
}

export class DockerController implements RegistryController {
  readonly kind = 'docker'
  readonly restartsSeamlessly = false
  readonly #endpoint: Endpoint
  readonly #engine: Docker
  readonly #url: string
  /** The container used last: preferred when the selection matches several. */
  #id: string | undefined
  #project: string | undefined

  constructor (private readonly options: DockerOptions, private readonly log: ControllerLog) {
    this.#endpoint = parseEndpoint(options.docker.socket, process.env)
    this.#engine = new Docker(this.#endpoint.connect)
    this.#url = options.url.replace(/\/+$/, '')
    this.#project = options.docker.project
  }

  async start (): Promise<RegistrySource> {
    const { container: name, label, service } = this.options.docker
    if ((name ?? label ?? service) === undefined) throw new SetupError('which container is the registry? Set registry.docker.container, .label or .service')
    const own = await this.#ownContainer()
    // A service of that name in another project must not be mistaken for ours.
    this.#project ??= own?.labels['com.docker.compose.project']
    const container = await this.#find()
    requireRunning(container)
    const config = await this.#config(container)
    if (own !== undefined) this.#checkMounts(own, container, config.text)
    this.log.info({ container: container.name, image: container.image, config: config.path }, 'registry container found')
    return {
      configText: config.text,
      configFrom: `${config.path} in container ${container.name}`,
      environment: container.environment
    }
  }

  /** Nothing: the container is not Delgate's, and keeps running without it. */
  async stop (): Promise<void> {}

  url (): string { return this.#url }

  async collect (signal: AbortSignal): Promise<CollectOutcome> {
    // The engine carries two streams and does not keep their order: the one that says why it failed goes last.
    const stdout = new OutputTail(OUTPUT_TAIL_BYTES / 2)
    const stderr = new OutputTail(OUTPUT_TAIL_BYTES / 2)
    const output = (): string => `${stdout}${stderr}`
    try {
      signal.throwIfAborted()
      const container = await this.#find()
      requireRunning(container)
      const { path } = await this.#config(container)
      const command = [namedBinary(container) ?? 'registry', 'garbage-collect', path]
      const exitCode = await this.#run(container, command, { stdout, stderr }, signal)
      return collectOutcome(exitCode, output())
    } catch (error) {
      const reason = signal.aborted ? 'stopped before it ended' : messageOf(error)
      stderr.append(`garbage-collect in the registry's container: ${reason}\n`)
      return { outcome: 'failed', exitCode: undefined, output: output() }
    }
  }

  /**
   * Restarts the container, or starts it when it is stopped.
   * @throws Error when the engine cannot, or SetupError when the container is gone and nothing has taken its place.
   */
  async restart (signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const container = await this.#find()
    const seconds = Math.ceil(this.options.stopTimeoutSeconds ?? DEFAULT_STOP_TIMEOUT_SECONDS)
    await this.#engine.getContainer(container.id).restart({ t: seconds, abortSignal: signal })
    this.log.info({ container: container.name }, 'registry container restarted')
  }

  /** The container that the selection means now: another one than before when it was recreated. @throws SetupError. */
  async #find (): Promise<Container> {
    const selection = { ...this.options.docker, project: this.#project }
    const ids = await this.#ask(() => this.#matches(selection))
    const found = await this.#ask(() => Promise.all(ids.map(id => this.#inspect(id))))
    const choice = choose(found.filter(container => container !== undefined), this.#id)
    if (choice.kind === 'none') throw new SetupError(`no container ${selectionText(selection)} at the Docker Engine ${this.#endpoint.name}; ${await this.#running()}. Create it, or set registry.docker.container, .label or .service to the registry's container`)
    if (choice.kind === 'several') throw new SetupError(`several containers ${selectionText(selection)}: ${choice.containers.map(describe).join(', ')}. Set registry.docker.container to the name of the registry's${selection.service === undefined ? '' : ', or registry.docker.project'}`)
    if (this.#id !== undefined && this.#id !== choice.container.id) this.log.info({ container: choice.container.name }, 'registry container was recreated')
    this.#id = choice.container.id
    return choice.container
  }

  async #matches (selection: Selection): Promise<string[]> {
    if (selection.container !== undefined) return [selection.container]
    const listed = await this.#engine.listContainers({ all: true, filters: JSON.stringify(toFilters(selection)) })
    return listed.map(entry => entry.Id)
  }

  async #inspect (id: string): Promise<Container | undefined> {
    try {
      return parseContainer(await this.#engine.getContainer(id).inspect())
    } catch (error) {
      if (statusOf(error) === 404) return undefined
      throw error
    }
  }

  /** The container that Delgate itself runs in, if it runs in one of this engine. */
  async #ownContainer (): Promise<Container | undefined> {
    const name = hostname() // in a container: the start of its id, unless it was given one
    const own = await this.#ask(() => this.#inspect(name))
    return own?.id.startsWith(name) ? own : undefined
  }

  /** @throws SetupError when Delgate cannot see the registry's files. */
  #checkMounts (own: Container, registry: Container, configText: string): void {
    const root = registryRoot(configText, registry.environment)
    if (root === undefined) return
    const check = compareMounts(own, this.options.storageRoot ?? root, registry, root)
    if (check.kind === 'different') throw new SetupError(check.message)
    if (check.kind === 'doubtful') this.log.warn({ detail: check.message }, 'the registry\'s files may not be those that Delgate sees')
  }

  async #running (): Promise<string> {
    const listed = await this.#ask(() => this.#engine.listContainers())
    const names = listed.map(entry => `${entry.Names[0]?.replace(/^\//, '')} (image ${entry.Image})`)
    return names.length === 0 ? 'none is running' : `running are: ${names.join(', ')}`
  }

  /** The registry's configuration file. @throws SetupError when there is none: then it is no registry. */
  async #config (container: Container): Promise<{ path: string, text: string }> {
    const paths = configPaths(container)
    const isNamed = namedBinary(container) !== undefined
    for (const path of paths) {
      const text = await this.#ask(() => this.#read(container, path))
      if (text !== undefined && (isNamed || isRegistryConfig(text))) return { path, text }
    }
    throw new SetupError(isNamed
      ? `container ${describe(container)} runs a registry, but its configuration file ${paths.join(' or ')} is not in it. Give the registry's command the path of its config.yml`
      : `container ${describe(container)} is not a registry: its command is "${container.command.join(' ')}", and there is no registry configuration at ${paths.join(' or ')}. Set registry.docker.container, .label or .service to the registry's container`)
  }

  /** A file of the container through the engine's archive call, which needs no shell in it; `undefined` when there is none. */
  async #read (container: Container, path: string, links = MAXIMUM_LINKS): Promise<string | undefined> {
    try {
      const entry = await readArchivedFile(await this.#engine.getContainer(container.id).getArchive({ path }), path)
      if (entry.kind === 'link' && links > 0) return await this.#read(container, entry.target, links - 1)
      return entry.kind === 'file' ? entry.text : undefined
    } catch (error) {
      if (statusOf(error) === 404) return undefined
      throw error
    }
  }

  /** Runs a command in the container to its end. @returns its exit code. */
  async #run (container: Container, command: string[], tails: { stdout: OutputTail, stderr: OutputTail }, signal: AbortSignal): Promise<number | undefined> {
    const exec = await this.#engine.getContainer(container.id).exec({ Cmd: command, AttachStdout: true, AttachStderr: true, Tty: false, abortSignal: signal })
    const stream = await exec.start({ hijack: false, stdin: false, abortSignal: signal })
    this.#engine.modem.demuxStream(stream, into(tails.stdout), into(tails.stderr))
    await finished(stream, { signal })
    for (let attempt = 0; attempt < EXIT_CODE_ATTEMPTS; attempt++) {
      const state = await exec.inspect({ abortSignal: signal })
      if (!state.Running) return state.ExitCode ?? undefined
      await new Promise(resolve => setTimeout(resolve, EXIT_CODE_INTERVAL_MILLISECONDS))
    }
    return undefined
  }

  /** Runs a call of the engine; says what to do when there is no engine to talk to. */
  async #ask<Answer> (call: () => Promise<Answer>): Promise<Answer> {
    try {
      return await call()
    } catch (error) {
      throw explainEngineError(error, this.#endpoint) ?? error
    }
  }
}

/** A stream whose end is known at once: what was written is in the tail. */
function into (tail: OutputTail): Writable {
  return new Writable({ write (chunk: Buffer, _encoding, done) { tail.append(chunk); done() } })
}

const messageOf = (error: unknown): string => error instanceof Error ? error.message.trim() : String(error)
