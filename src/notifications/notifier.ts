/** Tells the configured endpoints what deletions removed. It never makes a deletion wait for them, or fail. */
import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { Agent } from 'undici'
import { Delivery, type Log } from './delivery.js'
import { envelopesOf, eventsOf, type Deletion, type Source } from './events.js'
import type { Endpoint } from './post.js'
import { DiskQueue, queuesIn } from './queue.js'

export interface NotifierSettings {
  readonly endpoints: readonly Endpoint[]
  /** How many envelopes wait for each endpoint at most. */
  readonly queueMaximum: number
  /** Longest pause between attempts, seconds. */
  readonly retryMaximumSeconds: number
}

export interface NotifierParts {
  /** Holds a directory for each endpoint. */
  readonly directory: string
  readonly log: Log
  /** Which Delgate says so; the machine's name and a new id when left out. */
  readonly source?: Source
}

/** What `status` may show of an endpoint. */
export interface EndpointStatus {
  readonly name: string
  /** Envelopes in the queue. */
  readonly waiting: number
  /** Envelopes since the start: accepted; gone because the queue was full; not even queued, because the disk was. */
  readonly delivered: number
  readonly dropped: number
  readonly lost: number
  /** Why nothing is delivered at present. */
  readonly problem?: string
}

interface Way {
  readonly name: string
  readonly queue: DiskQueue
  readonly delivery: Delivery
  lost: number
  isLosing: boolean
}

export class Notifier {
  readonly #telling = new Set<Promise<void>>()

  private constructor (private readonly ways: readonly Way[], private readonly agent: Agent, private readonly source: Source, private readonly log: Log) {}

  /** Opens the queues; begins with what an earlier process left in them. */
  static async open (settings: NotifierSettings, parts: NotifierParts): Promise<Notifier> {
    const agent = new Agent({ pipelining: 1, headersTimeout: 0, bodyTimeout: 0 }) // Each attempt has its own limit.
    const ways = await Promise.all(settings.endpoints.map(async endpoint => await openWay(endpoint, settings, parts, agent)))
    ways.forEach(({ delivery }) => { delivery.wake() })
    await warnOfOthers(settings.endpoints, parts)
    return new Notifier(ways, agent, parts.source ?? { addr: hostname(), instanceID: randomUUID() }, parts.log)
  }

  /** Resolves when what there is to tell is in every queue, or could not be put there. Never rejects. */
  async notify (deletion: Deletion): Promise<void> {
    if (this.ways.length === 0) return
    const telling = this.#tell(deletion)
    this.#telling.add(telling)
    await telling.finally(() => { this.#telling.delete(telling) })
  }

  get endpoints (): EndpointStatus[] {
    return this.ways.map(({ name, queue, delivery, lost }) => ({ name, waiting: queue.size, delivered: delivery.delivered, dropped: queue.dropped, lost, ...(delivery.problem === undefined ? {} : { problem: delivery.problem }) }))
  }

  /** Ends once everything that there is to tell is in the queues. What was not accepted is delivered after the next start. */
  async close (): Promise<void> {
    await Promise.all(this.#telling)
    await Promise.all(this.ways.map(async ({ delivery, queue }) => {
      await delivery.close()
      await queue.close()
    }))
    await this.agent.destroy()
  }

  async #tell (deletion: Deletion): Promise<void> {
    const texts = envelopesOf(eventsOf(deletion, this.source)).map(envelope => JSON.stringify(envelope))
    await Promise.all(this.ways.map(async way => {
      for (const text of texts) await this.#queue(way, text)
    }))
  }

  async #queue (way: Way, text: string): Promise<void> {
    try {
      await way.queue.add(text)
      way.isLosing = false
    } catch (error) {
      way.lost++
      if (!way.isLosing) this.log.warn({ endpoint: way.name, code: (error as NodeJS.ErrnoException).code }, 'notifications cannot be queued and are lost')
      way.isLosing = true
    }
    way.delivery.wake()
  }
}

/** What waits for an endpoint that is not configured any more is not Delgate's to throw away. */
async function warnOfOthers (endpoints: readonly Endpoint[], { directory, log }: NotifierParts): Promise<void> {
  for (const { name, waiting } of await queuesIn(directory)) {
    if (!endpoints.some(endpoint => endpoint.name === name)) log.warn({ endpoint: name, waiting, directory: join(directory, name) }, 'notifications wait for an endpoint that is not configured any more; configure it again, or remove the directory')
  }
}

async function openWay (endpoint: Endpoint, { queueMaximum, retryMaximumSeconds }: NotifierSettings, { directory, log }: NotifierParts, dispatcher: Agent): Promise<Way> {
  const onDropped = (): void => { log.warn({ endpoint: endpoint.name, queueMaximum }, 'the queue of notifications is full; the oldest go') }
  const queue = await DiskQueue.open(join(directory, endpoint.name), queueMaximum, onDropped)
  return { name: endpoint.name, queue, delivery: new Delivery({ endpoint, queue, dispatcher, retryMaximumSeconds, log }), lost: 0, isLosing: false }
}
