/** Delivers one endpoint's queue, in order: the next envelope only once the one before has been accepted. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Dispatcher } from 'undici'
import { pauseSeconds } from './pause.js'
import { post, type Endpoint } from './post.js'
import type { DiskQueue } from './queue.js'

export interface Log {
  info (details: object, message: string): void
  warn (details: object, message: string): void
}

export interface DeliveryParts {
  readonly endpoint: Endpoint
  readonly queue: DiskQueue
  readonly dispatcher: Dispatcher
  /** Longest pause between attempts, seconds. */
  readonly retryMaximumSeconds: number
  readonly log: Log
}

export class Delivery {
  readonly #closing = new AbortController()
  #running: Promise<void> | undefined
  #problem: string | undefined
  #delivered = 0

  constructor (private readonly parts: DeliveryParts) {}

  /** Envelopes delivered since the start. */
  get delivered (): number { return this.#delivered }
  /** Why nothing is delivered at present. */
  get problem (): string | undefined { return this.#problem }

  /** There is, or may be, something to deliver. */
  wake (): void {
    if (this.#running !== undefined || this.#closing.signal.aborted) return
    this.#running = this.#run().finally(() => {
      this.#running = undefined
      // Something may have come just when the queue was found empty.
      if (this.parts.queue.size > 0) this.wake()
    })
  }

  /** Ends at once; what was not accepted stays in the queue. */
  async close (): Promise<void> {
    this.#closing.abort()
    await this.#running
  }

  async #run (): Promise<void> {
    const { signal } = this.#closing
    for (let failures = 0; !signal.aborted;) {
      const reason = await this.#deliverFirst().catch(error => `its queue cannot be used (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`)
      if (signal.aborted || reason === 'empty') return
      if (reason === undefined) {
        failures = 0
        this.#delivered++
      } else {
        failures++
      }
      this.#say(reason)
      if (failures > 0) await sleep(pauseSeconds(failures, this.parts.retryMaximumSeconds) * 1000, undefined, { signal }).catch(() => {})
    }
  }

  /** @returns why it could not be delivered, `'empty'` when there is nothing to deliver, `undefined` when it was */
  async #deliverFirst (): Promise<string | undefined> {
    const { endpoint, queue, dispatcher } = this.parts
    const first = await queue.first()
    if (first === undefined) return 'empty'
    const delivered = await post(endpoint, first.text, dispatcher, this.#closing.signal)
    if (delivered.outcome === 'failed') return delivered.reason
    await queue.remove(first.number)
    return undefined
  }

  #say (problem: string | undefined): void {
    const { log, endpoint, queue } = this.parts
    if (problem !== undefined && this.#problem === undefined) log.warn({ endpoint: endpoint.name, reason: problem, waiting: queue.size }, 'notifications cannot be delivered; they wait, and it is tried again')
    if (problem === undefined && this.#problem !== undefined) log.info({ endpoint: endpoint.name, waiting: queue.size }, 'notifications are delivered again')
    this.#problem = problem
  }
}
