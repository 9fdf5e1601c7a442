/** The connections to the registry. They are renewed when the registry was restarted, so that no dead one is used. */
import { Agent, type Dispatcher } from 'undici'

export interface UpstreamSettings {
  /** How long the registry may take to answer, and to send the next bytes, seconds. */
  readonly timeoutSeconds: number
}

/** Connections that may be open to the registry at once; requests beyond that wait. */
const CONNECTIONS = 256
/** An idle connection is closed after this long, milliseconds. */
const KEEP_ALIVE_MS = 30_000

type Callback = (error: Error | null, response: Dispatcher.ResponseData) => void

/**
 * Told of the registry's answer, or `undefined` when there is none, before the client is. It must not throw.
 */
export type Answered = (response: Pick<Dispatcher.ResponseData, 'statusCode' | 'headers'> | undefined) => Promise<void>

/**
 * Key among a request's headers, never sent: an `Answered`. The proxy plugin says nothing of a request whose client
 * has gone, but the registry may still be at work on it.
 */
export const kAnswered = Symbol('answered')

function takeAnswered (headers: unknown): Answered | undefined {
  const carrier = headers as { [kAnswered]?: Answered }
  const answered = carrier[kAnswered]
  delete carrier[kAnswered]
  return answered
}

export class Upstream {
  #agent: Agent

  constructor (private readonly settings: UpstreamSettings) {
    this.#agent = this.#create()
  }

  /**
   * As undici's `request`; with a callback when given one, as @fastify/reply-from calls it. Unlike undici's own, it
   * keeps the connection after a HEAD, of which a push makes one for each layer.
   */
  readonly request = ((options: Dispatcher.RequestOptions, callback?: Callback) => {
    const keeping = { ...options, reset: false }
    if (callback === undefined) return this.#agent.request(keeping)
    const answered = takeAnswered(keeping.headers)
    this.#agent.request(keeping, answered === undefined ? callback : (error, response) => { void answered(error === null ? response : undefined).then(() => { callback(error, response) }) })
  }) as Dispatcher['request']

  /** Opens new connections from now on; those in use end with their requests. */
  renew (): void {
    const old = this.#agent
    this.#agent = this.#create()
    void old.close().catch(() => {})
  }

  async close (): Promise<void> {
    await this.#agent.destroy()
  }

  #create (): Agent {
    const timeout = this.settings.timeoutSeconds * 1000
    return new Agent({ connections: CONNECTIONS, pipelining: 1, headersTimeout: timeout, bodyTimeout: timeout, keepAliveTimeout: KEEP_ALIVE_MS })
  }
}
