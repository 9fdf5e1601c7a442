/**
 * The coordinated pause: holds what comes, lets what runs come to its end, and restarts the registry. Clients notice
 * a wait, not an error. Whatever fails, the hold ends as soon as the registry answers again.
 */
import type { RegistryController } from '../registry/port.js'
import type { Admission } from '../traffic/admission.js'
import type { Sessions } from '../traffic/sessions.js'

export interface PauseSettings {
  /** How long to wait, without holding anybody, for a moment when no push runs. Seconds. */
  readonly patienceSeconds: number
  /** How long running pushes may take to end while new ones are held. Seconds. */
  readonly drainSeconds: number
  /** How long running transfers may take before the registry is restarted under them. Seconds. */
  readonly transferSeconds: number
  /** How long the registry may take to answer after a restart. Seconds. */
  readonly readySeconds: number
}

/** The registry was restarted and does not answer. */
export class RegistryNotBack extends Error {
  override readonly name = 'RegistryNotBack'
}

export interface PauseParts {
  readonly admission: Admission
  readonly sessions: Sessions
  readonly controller: Pick<RegistryController, 'restart'>
  /** Resolves when the registry answers; rejects when the signal aborts. */
  readonly ready: (signal: AbortSignal) => Promise<void>
  /** The registry has an empty cache now. */
  readonly onFresh: () => void
  readonly log: { warn (details: object, message: string): void, info (details: object, message: string): void }
}

/** Between tries to get a registry back that did not come back. Seconds. */
const RECOVERY_INTERVAL_SECONDS = 10

export class Pause {
  #recovering: Promise<void> | undefined
  readonly #closing = new AbortController()
  #problem: string | undefined

  constructor (private readonly parts: PauseParts, private readonly settings: PauseSettings) {}

  /** Why the gate holds everything, when it waits for a registry that did not come back. */
  get problem (): string | undefined { return this.#problem }

  /**
   * Comes to a point where nobody writes. Pushes that are idle but not finished are left as they are: their leases
   * protect what they claimed.
   * @returns false when pushes were still transferring after the time was up; then nothing is held any more
   */
  async stopWrites (): Promise<boolean> {
    const { admission, sessions } = this.parts
    const quiet = (): boolean => admission.inFlight('write') === 0 && sessions.open === 0
    await admission.until(quiet, this.settings.patienceSeconds)
    admission.set('new-writes')
    const since = Date.now()
    await admission.until(quiet, this.settings.drainSeconds)
    admission.set('writes')
    const left = Math.max(1, this.settings.drainSeconds - (Date.now() - since) / 1000)
    if (await admission.until(() => admission.inFlight('write') === 0, left)) return true
    admission.set('none')
    return false
  }

  /** Ends the hold with the registry as it is. */
  resume (): void {
    this.parts.admission.set('none')
  }

  /**
   * Restarts the registry, with everything held, and ends the hold once it answers.
   * @throws RegistryNotBack; the hold then goes on until the registry answers
   */
  async restart (): Promise<void> {
    const { admission, log } = this.parts
    admission.set('all')
    const idle = (): boolean => admission.inFlight('read') === 0 && admission.inFlight('write') === 0
    if (!await admission.until(idle, this.settings.transferSeconds)) {
      log.warn({ transfers: admission.inFlight('read') }, 'transfers did not end in time; restarting the registry under them')
    }
    try {
      await this.#tryRestart()
      this.resume()
    } catch (error) {
      this.#problem = `the registry was restarted and does not answer: ${(error as Error).message}`
      this.#recovering ??= this.#recover()
      throw new RegistryNotBack(this.#problem)
    }
  }

  /** Stops trying to get the registry back. */
  async close (): Promise<void> {
    this.#closing.abort()
    await this.#recovering
  }

  async #tryRestart (): Promise<void> {
    const signal = AbortSignal.any([AbortSignal.timeout(this.settings.readySeconds * 1000), this.#closing.signal])
    await this.parts.controller.restart(signal)
    this.parts.onFresh()
    await this.parts.ready(signal)
  }

  /** Waits for the registry to answer, restarting it again from time to time. */
  async #recover (): Promise<void> {
    const { log } = this.parts
    while (!this.#closing.signal.aborted) {
      const soon = AbortSignal.any([AbortSignal.timeout(RECOVERY_INTERVAL_SECONDS * 1000), this.#closing.signal])
      try {
        await this.parts.ready(soon)
        break
      } catch {
        if (this.#closing.signal.aborted) return
        await this.#tryRestart().catch(error => { log.warn({ err: error }, 'the registry does not come back; trying again') })
      }
    }
    this.#problem = undefined
    this.#recovering = undefined
    log.info({}, 'the registry answers again')
    this.resume()
  }
}
