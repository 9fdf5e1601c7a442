/**
 * Refusals as they are written down: of one address so many at most, then how many more there were. Otherwise whoever is refused often
 * enough would rotate everything else out of the log.
 */
import { networkOf } from '../network.js'
import type { AuditLog, NewEntry } from './log.js'

export interface RefusalLimits {
  /** So many of one address are written down within the time. Count. */
  readonly maximum: number
  /** Seconds. */
  readonly seconds: number
}

/** At that rate one address needs more than a week for all that `audit.maximumBytes` and `audit.keepFiles` hold by default. */
const LIMITS: RefusalLimits = { maximum: 30, seconds: 60 }
/** Addresses that are remembered at most: the oldest are forgotten first. */
const ADDRESSES_MAXIMUM = 10_000

/** What came from one address, from its first refusal on. */
interface Window {
  count: number
  leftOut: number
  /** The last that was left out. */
  last: NewEntry | undefined
  /** Ends it. */
  readonly timer: NodeJS.Timeout
}

export class Refusals {
  readonly #windows = new Map<string, Window>()

  constructor (private readonly log: Pick<AuditLog, 'record'>, private readonly limits: RefusalLimits = LIMITS) {}

  /** Writes a refusal down, or counts it. Never rejects. */
  async record (entry: NewEntry): Promise<void> {
    const key = networkOf(entry.who.address ?? '')
    const window = this.#windows.get(key) ?? this.#begin(key)
    window.count++
    if (window.count <= this.limits.maximum) return await this.log.record(entry)
    window.leftOut++
    window.last = entry
  }

  /** Says of all addresses what was left out. */
  async close (): Promise<void> {
    await Promise.all([...this.#windows.keys()].map(async key => { await this.#end(key) }))
  }

  #begin (key: string): Window {
    if (this.#windows.size >= ADDRESSES_MAXIMUM) void this.#end(this.#windows.keys().next().value!)
    const timer = setTimeout(() => { void this.#end(key) }, this.limits.seconds * 1000).unref()
    const window = { count: 0, leftOut: 0, last: undefined, timer }
    this.#windows.set(key, window)
    return window
  }

  async #end (key: string): Promise<void> {
    const { timer, leftOut, last } = this.#windows.get(key)!
    clearTimeout(timer)
    this.#windows.delete(key)
    if (last === undefined) return
    const { action, who: { address }, target } = last
    await this.log.record({ action, outcome: 'refused', who: { ...(address === undefined ? {} : { address }) }, target, leftOut, reason: 'so many refusals were not written down, since there were too many; this is about the last of them' })
  }
}
