/**
 * Admits requests to the registry, or holds them while it is collected or restarted. Held requests are released in
 * the order in which they came; a hold is bounded in number and in time.
 */

/**
 * What is held: `none`; `new-writes`, requests that could change what is stored or rely on it, except those of pushes
 * that are already running; `writes`, those too; or `all`.
 */
export type Hold = 'none' | 'new-writes' | 'writes' | 'all'
/**
 * What a request does: `write` changes what is stored, or relies on its staying there; `download` reads a blob, which may
 * take long, and goes on in another registry when the one that sends it goes away; `read` is anything else.
 */
export type Traffic = 'read' | 'download' | 'write'

export interface AdmissionLimits {
  /** Requests that may wait at once. */
  readonly maximumRequests: number
  /** How long one may wait, seconds. */
  readonly timeoutSeconds: number
}

/** A request could not be held: too many wait, or it waited too long. */
export class HoldExceeded extends Error {
  override readonly name = 'HoldExceeded'
  constructor (readonly reason: 'full' | 'timeout' | 'closing' | 'gone') {
    super(reason === 'full' ? 'too many requests are waiting for the registry' : 'the registry did not become available in time')
  }
}

/** Ends what `enter` began; calling it again does nothing. */
export type Leave = () => void

interface Waiter {
  readonly traffic: Traffic
  readonly exempt: () => boolean
  readonly admit: (leave: Leave) => void
  readonly refuse: (error: HoldExceeded) => void
  readonly timer: NodeJS.Timeout
}

export class Admission {
  #hold: Hold = 'none'
  #suspended = false
  #waiting: Waiter[] = []
  /** Serial numbers of the requests that were admitted and have not left, the oldest first. */
  readonly #inFlight = { read: new Set<number>(), download: new Set<number>(), write: new Set<number>() }
  #serial = 0
  readonly #watchers = new Set<() => void>()
  readonly #byPromise = new WeakMap<Promise<Leave>, Waiter>()
  #longestHoldMs = 0
  #holds = 0
  #heldMs = 0
  /** When the hold of now began, milliseconds by `performance.now()`. */
  #holdsSince: number | undefined

  /** @param onHeld told how long a request was held, seconds */
  constructor (private readonly limits: AdmissionLimits, private readonly onHeld: (seconds: number) => void = () => {}) {}

  get hold (): Hold { return this.#suspended ? 'all' : this.#hold }
  get waiting (): number { return this.#waiting.length }
  /** The longest that any request was held since the start, milliseconds. */
  get longestHoldMs (): number { return this.#longestHoldMs }
  /** How often there was something to be held since the start, how long in all, and how long it has been so now; seconds. */
  get holds (): { count: number, seconds: number, lastsSeconds: number } {
    const lastsMs = this.#holdsSince === undefined ? 0 : performance.now() - this.#holdsSince
    return { count: this.#holds, seconds: (this.#heldMs + lastsMs) / 1000, lastsSeconds: lastsMs / 1000 }
  }

  inFlight (traffic: Traffic): number { return this.#inFlight[traffic].size }

  /**
   * Admits a request, now or when the hold ends.
   * @param exempt whether it belongs to a push that is running already; asked again whenever the hold changes
   * @throws HoldExceeded
   */
  enter (traffic: Traffic, exempt: () => boolean = () => false): Leave | Promise<Leave> {
    if (!this.#isHeld(traffic, exempt)) return this.#admit(traffic)
    if (this.#waiting.length >= this.limits.maximumRequests) throw new HoldExceeded('full')
    const since = Date.now()
    let made: Waiter | undefined
    const held = new Promise<Leave>((resolve, reject) => {
      const timer = setTimeout(() => { this.#refuse(waiter, 'timeout') }, this.limits.timeoutSeconds * 1000)
      const note = (): void => {
        const heldMs = Date.now() - since
        this.#longestHoldMs = Math.max(this.#longestHoldMs, heldMs)
        this.onHeld(heldMs / 1000)
      }
      const waiter: Waiter = { traffic, exempt, timer, admit: leave => { note(); resolve(leave) }, refuse: error => { note(); reject(error) } }
      made = waiter
      this.#waiting.push(waiter)
    })
    this.#byPromise.set(held, made!)
    return held
  }

  /** Gives up the place of a request whose client has gone. */
  abandon (held: Promise<Leave>): void {
    const waiter = this.#byPromise.get(held)
    if (waiter !== undefined && this.#waiting.includes(waiter)) this.#refuse(waiter, 'gone')
  }

  /** Begins to hold, or holds less or more. Requests that waited and are not held any more are admitted in order. */
  set (hold: Hold): void {
    this.#hold = hold
    this.#note()
    this.#release()
  }

  /** Begins to hold everything, or goes on with what `set` said: there is no registry that could take a request. */
  suspend (suspended: boolean): void {
    this.#suspended = suspended
    this.#note()
    this.#release()
  }

  /** A hold may have begun, or ended. */
  #note (): void {
    const now = performance.now()
    if (this.hold !== 'none' && this.#holdsSince === undefined) {
      this.#holds++
      this.#holdsSince = now
    } else if (this.hold === 'none' && this.#holdsSince !== undefined) {
      this.#heldMs += now - this.#holdsSince
      this.#holdsSince = undefined
    }
  }

  #release (): void {
    const still: Waiter[] = []
    for (const waiter of this.#waiting) {
      if (this.#isHeld(waiter.traffic, waiter.exempt)) {
        still.push(waiter)
      } else {
        clearTimeout(waiter.timer)
        waiter.admit(this.#admit(waiter.traffic))
      }
    }
    this.#waiting = still
  }

  /** Refuses all that wait: the gate is closing. */
  close (): void {
    for (const waiter of [...this.#waiting]) this.#refuse(waiter, 'closing')
  }

  /**
   * Waits until `condition` holds, looking whenever a request ends or `changed` is called.
   * @returns false when the time was up first
   */
  async until (condition: () => boolean, timeoutSeconds: number): Promise<boolean> {
    if (condition()) return true
    return await new Promise(resolve => {
      const finish = (result: boolean): void => {
        clearTimeout(timer)
        clearInterval(ticker)
        this.#watchers.delete(look)
        resolve(result)
      }
      const look = (): void => { if (condition()) finish(true) }
      const timer = setTimeout(finish, timeoutSeconds * 1000, false)
      // Sessions also end by the clock, which nobody announces.
      const ticker = setInterval(look, 100)
      this.#watchers.add(look)
    })
  }

  /**
   * Waits until the requests that are in flight now have ended, whatever comes meanwhile. Downloads are not waited for.
   * @returns false when the time was up first
   */
  async settled (timeoutSeconds: number): Promise<boolean> {
    const last = this.#serial
    const isOver = ([oldest]: Set<number>): boolean => oldest === undefined || oldest > last
    return await this.until(() => isOver(this.#inFlight.read) && isOver(this.#inFlight.write), timeoutSeconds)
  }

  /** Something that `until` may wait for has changed. */
  changed (): void {
    for (const look of [...this.#watchers]) look()
  }

  #refuse (waiter: Waiter, reason: HoldExceeded['reason']): void {
    clearTimeout(waiter.timer)
    this.#waiting.splice(this.#waiting.indexOf(waiter), 1)
    waiter.refuse(new HoldExceeded(reason))
  }

  #isHeld (traffic: Traffic, exempt: () => boolean): boolean {
    switch (this.hold) {
      case 'none': return false
      case 'new-writes': return traffic === 'write' && !exempt()
      case 'writes': return traffic === 'write'
      case 'all': return true
    }
  }

  #admit (traffic: Traffic): Leave {
    const serial = ++this.#serial
    const inFlight = this.#inFlight[traffic].add(serial)
    return () => {
      if (inFlight.delete(serial) && this.#watchers.size > 0) this.changed()
    }
  }
}
