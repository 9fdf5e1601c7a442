/** For a registry that Delgate may reach and nothing else: no engine's socket, no commands, no child. */
import { readConfig } from './process-setup.js'
import type { CollectOutcome, RegistryController, RegistrySource } from './port.js'

export interface NobodyOptions {
  /** Where Delgate reaches the registry. */
  readonly url: string
  /** The registry's configuration file, to learn from; optional. */
  readonly config: string | undefined
  /** `REGISTRY_…` variables that the registry was given too. */
  readonly environment: Readonly<Record<string, string | undefined>>
}

const NOT_ALLOWED = 'Delgate may not restart this registry (registry.controller is none)'

export class NobodyController implements RegistryController {
  readonly kind = 'none'
  readonly restartsSeamlessly = false
  readonly #url: string

  constructor (private readonly options: NobodyOptions) {
    this.#url = options.url.replace(/\/+$/, '')
  }

  url (): string { return this.#url }

  async start (): Promise<RegistrySource> {
    const { config, environment } = this.options
    return { configText: config === undefined ? undefined : readConfig(config), configFrom: config, environment }
  }

  async stop (): Promise<void> {}

  async collect (): Promise<CollectOutcome> { return { outcome: 'failed', exitCode: undefined, output: NOT_ALLOWED } }

  async restart (): Promise<void> { throw new Error(NOT_ALLOWED) }
}
