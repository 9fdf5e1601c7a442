/**
 * The coordinated pause: holds what comes, lets what runs come to its end, and restarts the registry. Clients notice
 * a wait, not an error; where the new registry starts before the old one stops, not even that. Downloads are not waited
 * for: what a restart cuts goes on by itself. Whatever fails, the hold ends as soon as the registry answers again.
 */
import { withAbort } from '../deadline.js'
import type { RegistryController } from '../registry/port.js'
import type { Admission } from '../traffic/admission.js'
import type { Sessions } from '../traffic/sessions.js'

export interface PauseSettings {
  /** How long to wait, without holding anybody, for a moment when no push runs. Seconds. */
  readonly patienceSeconds: number
  /** How long running requests of pushes may take to end while new pushes are held. Seconds. */
  readonly drainSeconds: number
  /** How long running requests, downloads apart, may take before the registry is restarted under them. Seconds. */
  readonly transferSeconds: number
  /** How long the registry may take to answer after a restart. Seconds. */
  readonly readySeconds: number
  /** Whether an upload that is open survives a restart: it does when the registry's `http.secret` is fixed. */
  readonly uploadsSurvive: boolean
}

/** The registry was restarted and does not answer. */
export class RegistryNotBack extends Error {
  override readonly name = 'RegistryNotBack'
}

export interface PauseParts {
  readonly admission: Admission
  readonly sessions: Sessions
  readonly controller: Pick<RegistryController, 'restart' | 'restartsSeamlessly'>
  /** Resolves when the registry answers; rejects when the signal aborts. */
  readonly ready: (signal: AbortSignal) => Promise<void>
  /** A restart begins. */
  readonly onRestarting: () => void
  /** A restart has ended; `failed`: the registry from before may go on. */
  readonly onRestarted: (outcome: 'done' | 'failed') => void
  /** The registry has an empty cache now. */
  readonly onFresh: () => Promise<void>
  readonly log: { warn (details: object, message: string): void, info (details: object, message: string): void }
}

/** How long pushes that are between two requests may hold up those that come new, seconds. Their leases protect them. */
const BETWEEN_REQUESTS_SECONDS = 3
const NOT_BACK = 'the registry was restarted and does not answer; Delgate goes on trying, and its log says what it tried'
const NOT_RESTARTED = 'the registry could not be restarted, the one from before goes on serving; Delgate goes on trying, and its log says what it tried'
/** Between tries to get a registry back that cannot even be restarted. Seconds. */
const RECOVERY_INTERVAL_SECONDS = 5

export class Pause {
  #recovering: Promise<void> | undefined
  readonly #closing = new AbortController()
  #problem: string | undefined

  constructor (private readonly parts: PauseParts, private readonly settings: PauseSettings) {}

  /** Why the gate holds everything, when it waits for a registry that did not come back. Then nobody else may use the pause. */
  get problem (): string | undefined { return this.#problem }

  /**
   * Comes to a point where nobody writes. Pushes that are between two requests are left as they are: their leases
   * protect what they claimed.
   * @returns false when the time was up and requests were still writing, or uploads open that a restart would break; then
   *   nothing is held any more
   */
  async stopWrites (): Promise<boolean> {
    const { admission, sessions } = this.parts
    const until = async (condition: () => boolean, seconds: number): Promise<boolean> => await admission.until(() => this.#closing.signal.aborted || condition(), seconds) && !this.#closing.signal.aborted
    const written = (): boolean => admission.inFlight('write') === 0
    const safe = (): boolean => written() && (this.settings.uploadsSurvive || sessions.uploads === 0)
    const idle = (): boolean => written() && sessions.open === 0
    await until(idle, this.settings.patienceSeconds)
    admission.set('new-writes')
    await until(safe, this.settings.drainSeconds)
    await until(idle, Math.min(BETWEEN_REQUESTS_SECONDS, this.settings.drainSeconds))
    admission.set('writes')
    // What slipped in at the last moment is short, or the collection has to come back another time.
    if (await until(safe, BETWEEN_REQUESTS_SECONDS)) return true
    admission.set('none')
    return false
  }

  /**
   * Comes to a point where a restart breaks no push: at once where it is seamless.
   * @returns false when the time was up; then nothing is held any more
   */
  async prepare (): Promise<boolean> {
    return this.parts.controller.restartsSeamlessly || await this.stopWrites()
  }

  /** Ends the hold with the registry as it is. */
  resume (): void {
    this.parts.admission.set('none')
  }

  /**
   * Restarts the registry, and ends the hold once it answers. Where the restart is seamless, nothing more is held than
   * before; else everything is.
   * @throws RegistryNotBack; what is held then stays so until the registry has been restarted and answers
   */
  async restart (): Promise<void> {
    if (!this.parts.controller.restartsSeamlessly) await this.#stopAll()
    try {
      await this.#restartOnce()
      await this.#ready()
      this.resume()
    } catch (error) {
      if (!this.#closing.signal.aborted) this.#recovering = this.#recover((error as Error).message)
      throw new RegistryNotBack(this.#problem ?? NOT_BACK)
    }
  }

  /** Nothing runs any more but downloads, if that can be had in time. */
  async #stopAll (): Promise<void> {
    const { admission, log } = this.parts
    admission.set('all')
    if (await admission.settled(this.settings.transferSeconds)) return
    log.warn({ reads: admission.inFlight('read'), writes: admission.inFlight('write') }, 'requests did not end in time; restarting the registry under them')
  }

  /** Lets `stopWrites` end at once: the gate is closing. */
  hurry (): void {
    this.#closing.abort()
    this.parts.admission.changed()
  }

  /** Stops trying to get the registry back. */
  async close (): Promise<void> {
    this.hurry()
    await this.#recovering
  }

  /** Only the waiting ends when the gate closes; a restart that has begun goes on. */
  async #restartOnce (): Promise<void> {
    const { admission, controller, onRestarting, onRestarted, onFresh } = this.parts
    let settled: Promise<unknown> | undefined
    const switched = async (): Promise<void> => { await (settled = admission.settled(this.settings.transferSeconds)) }
    onRestarting()
    await withAbort([], async signal => { await controller.restart(signal, switched) }, this.settings.readySeconds).catch(error => {
      onRestarted('failed')
      throw error
    })
    onRestarted('done')
    // Until then the old registry still answers, from its memory: what it must not say exists stays buried.
    await settled
    await onFresh()
  }

  /** A new registry that does not answer gets no requests. */
  async #ready (): Promise<void> {
    try {
      await withAbort([this.#closing.signal], this.parts.ready, this.settings.readySeconds)
    } catch (error) {
      if (!this.#closing.signal.aborted) this.parts.admission.set('all')
      throw error
    }
  }

  /**
   * Gets the registry back, however long it takes. It is the only one to end the hold meanwhile.
   * A registry that has been started is given its time before it is started again.
   */
  async #recover (reason: string): Promise<void> {
    const { admission, log } = this.parts
    const { signal } = this.#closing
    this.#problem = admission.hold === 'all' ? NOT_BACK : NOT_RESTARTED
    log.warn({ reason, hold: admission.hold }, 'the registry does not answer after its restart, or could not be restarted; what is held stays so')
    let started = false
    while (!signal.aborted) {
      try {
        if (!started) await this.#restartOnce()
        started = true
        await this.#ready()
        break
      } catch (error) {
        if (signal.aborted) return
        log.warn({ err: error }, 'the registry does not come back; trying again')
        if (started) started = false
        else await new Promise(resolve => { setTimeout(resolve, RECOVERY_INTERVAL_SECONDS * 1000); signal.addEventListener('abort', resolve, { once: true }) })
      }
    }
    if (signal.aborted) return
    this.#problem = undefined
    this.#recovering = undefined
    log.info({}, 'the registry answers again')
    this.resume()
  }
}
