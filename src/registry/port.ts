/**
 * What Delgate asks of whatever runs the registry. Four implementations: `docker`, `process`, `command`, and `none`.
 */

/** How one run of the registry's `garbage-collect` ended. */
export type CollectOutcome =
  | { readonly outcome: 'collected', readonly output: string }
  | { readonly outcome: 'failed', readonly exitCode: number | undefined, readonly output: string }

/** What a controller could learn of the registry before talking to it. */
export interface RegistrySource {
  /** The text of the registry's own configuration file, or `undefined` when it cannot be had. */
  readonly configText: string | undefined
  /** Where that text came from, for messages ("/etc/distribution/config.yml in container registry"). */
  readonly configFrom: string | undefined
  /** The registry's environment: `REGISTRY_…` variables override keys of the file. */
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** The part of a pino logger that is used. */
export interface ControllerLog {
  info (fields: object, message: string): void
  warn (fields: object, message: string): void
  error (fields: object, message: string): void
}

/** Starts, collects and restarts one registry. Only `registry/` knows how many processes there are. */
export interface RegistryController {
  /** `none`: it can neither collect nor restart. */
  readonly kind: 'docker' | 'process' | 'command' | 'none'
  /**
   * Checks the set-up and starts what it supervises. Called once, before anything else.
   * @throws SetupError that says what is wrong and what to do.
   */
  start (): Promise<RegistrySource>
  /** Stops what `start` started; what runs without Delgate keeps running. Safe to call twice. */
  stop (): Promise<void>
  /** Base URL of the running registry, without the trailing slash, e.g. `http://127.0.0.1:5001`. It may change with a restart. */
  url (): string
  /**
   * Runs the registry's own `garbage-collect`, never with `-m` (on 2.8 that destroys multi-arch images).
   * Ends with `failed` (never throws) on a non-zero exit, and soon after `signal` aborts.
   */
  collect (signal: AbortSignal): Promise<CollectOutcome>
  /**
   * Whether a restart starts the new registry before the old one stops: requests need not be held, and those that the old
   * one has are finished by it. When such a restart fails, the old registry goes on serving.
   */
  readonly restartsSeamlessly: boolean
  /**
   * Stops the registry and starts it again; resolves when it has been started, not yet when it answers.
   * @param switched called by a seamless restart when new requests go to the new registry; the old one is told to end once
   *   what it returned has resolved
   */
  restart (signal: AbortSignal, switched?: () => Promise<unknown>): Promise<void>
  /** Has somebody told when the registry has ended by itself and will be started again; where Delgate does that. */
  onEnd? (listener: () => void): void
}

export { SetupError } from '../setup-error.js'

/** How much of a command's output is kept for a job's error: the end says why it failed. Bytes. */
export const OUTPUT_TAIL_BYTES = 4096

/** Keeps the last `limit` bytes of what is appended. */
export class OutputTail {
  #text = ''
  constructor (private readonly limit = OUTPUT_TAIL_BYTES) {}

  append (chunk: string | Buffer): void {
    const text = this.#text + chunk.toString()
    this.#text = text.length > this.limit ? text.slice(-this.limit) : text
  }

  toString (): string { return this.#text }
}
