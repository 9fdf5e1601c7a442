/** The connections to the registry. They are renewed when the registry was restarted, so that no dead one is used. */
import { Agent, type Dispatcher } from 'undici'
import { Exchange, type Answered, type Reached } from './exchange.js'

export interface UpstreamSettings {
  /** How long the registry may take to answer, and to send the next bytes, seconds. */
  readonly timeoutSeconds: number
}

/** Connections that may be open to the registry at once; requests beyond that wait. */
const CONNECTIONS = 256
/** An idle connection is closed after this long, milliseconds. */
const KEEP_ALIVE_MS = 30_000

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

  /** As undici's `request`; but it keeps the connection after a HEAD, of which a push makes one for each layer. */
  readonly request = ((options: Dispatcher.RequestOptions) => this.#agent.request({ ...options, reset: false })) as Dispatcher['request']

  /** What @fastify/reply-from sends its requests through. Keeps the connection after a HEAD, too. */
  readonly forwarder = {
    request: (options: Dispatcher.DispatchOptions, callback: (error: Error | null, answer?: Reached) => void): void => {
      this.#agent.dispatch({ ...options, reset: false }, new Exchange(callback, takeAnswered(options.headers)))
    }
  }

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
