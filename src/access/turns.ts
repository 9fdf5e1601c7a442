/** Lets one after the other do what is dear, and only so many wait for it. */
import { CodedError, unavailable } from '../errors.js'

export interface TurnLimits {
  /** So many of one network wait, or are at it. Count. */
  readonly each: number
  /** So many do in all. Count. */
  readonly all: number
  /** How long one may wait, seconds. */
  readonly seconds: number
}

/** When whoever finds too many waiting may try again, seconds. */
const RETRY_AFTER_SECONDS = 1

export class Turns {
  readonly #counts = new Map<string, number>()
  #taken = 0
  #last: Promise<unknown> = Promise.resolve()

  constructor (private readonly limits: TurnLimits, private readonly now: () => number = () => performance.now()) {}

  /**
   * Does the work when all that came before is done.
   * @param network whose turn it is
   * @throws CodedError 429 when too many of this network wait, 503 when too many do in all, or it has waited too long
   */
  async take<T> (network: string, work: () => Promise<T>): Promise<T> {
    const own = this.#counts.get(network) ?? 0
    if (own >= this.limits.each) throw new CodedError(429, 'TOOMANYREQUESTS', 'too many requests with other credentials are waiting; try again', undefined, { 'retry-after': String(RETRY_AFTER_SECONDS) })
    if (this.#taken >= this.limits.all) throw tooBusy()
    this.#counts.set(network, own + 1)
    this.#taken++
    const since = this.now()
    const turn = this.#last.then(async () => {
      if (this.now() - since > this.limits.seconds * 1000) throw tooBusy()
      return await work()
    })
    this.#last = turn.catch(() => undefined)
    return await turn.finally(() => { this.#leave(network) })
  }

  #leave (network: string): void {
    this.#taken--
    const others = this.#counts.get(network)! - 1
    if (others === 0) this.#counts.delete(network)
    else this.#counts.set(network, others)
  }
}

const tooBusy = (): CodedError => unavailable('too many passwords are waiting to be compared; try again', RETRY_AFTER_SECONDS)
