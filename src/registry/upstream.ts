/** The connections to the registry. They are renewed when the registry was restarted, so that no dead one is used. */
import { isIP } from 'node:net'
import { Agent, buildConnector, type Dispatcher } from 'undici'
import { secureOptions, type Pems } from '../pem/read.js'
import { Exchange, tellingFirst, type AnswerBody, type Answered, type Callback } from './exchange.js'
import { Repeat } from './repeat.js'
import { Download } from './resume.js'

export interface UpstreamSettings {
  /** How long the registry may take to answer, and to send the next bytes, seconds. */
  readonly timeoutSeconds: number
  /** How long a download waits for a registry that has gone away, seconds. */
  readonly resumeSeconds: number
  /** Whom to trust instead of the usual authorities, and how to show who one is. */
  readonly tls?: Pems | undefined
}

/** An idle connection is closed after this long, milliseconds. */
const KEEP_ALIVE_MS = 30_000
/**
 * What undici takes for the name of the server, for every request. Otherwise it would be the `Host` that the client gave,
 * which is the gate's: each other one would cost a new connection, and the registry's certificate would not fit it.
 */
const SERVER_NAME = 'registry'
/** `reset`: the connection is kept after a HEAD, of which a push makes one for each layer. */
const ALWAYS = { reset: false, servername: SERVER_NAME } as const
/** How long a download waits for the registry at most while the gate is closing, seconds. */
const CLOSING_SECONDS = 5

/**
 * Key among a request's headers, never sent: an `Answered`. The proxy plugin says nothing of a request whose client
 * has gone, but the registry may still be at work on it.
 */
export const kAnswered = Symbol('answered')

/** Key among a request's headers, never sent: the request is for content by its digest, so it may be made again and in parts. */
export const kResumable = Symbol('resumable')

/** Key among a request's headers, never sent: the request reads a manifest or a blob, so it may be made again. */
export const kRepeatable = Symbol('repeatable')

function takeAnswered (headers: unknown): Answered | undefined {
  const carrier = headers as { [kAnswered]?: Answered }
  const answered = carrier[kAnswered]
  delete carrier[kAnswered]
  return answered
}

export class Upstream {
  #agent: Agent
  #tls: Pems
  #resumeSeconds: number
  #resumed = 0
  readonly #waiting = new Set<Download>()

  /** @param origin scheme and host of the registry as it is now */
  constructor (private readonly settings: UpstreamSettings, private readonly origin: () => string) {
    this.#tls = settings.tls ?? {}
    this.#agent = this.#create()
    this.#resumeSeconds = settings.resumeSeconds
  }

  /** How many downloads went on after the registry had gone away, since the start. */
  get resumed (): number { return this.#resumed }

  /** As undici's `request`; but it keeps the connection after a HEAD, of which a push makes one for each layer. */
  readonly request = ((options: Dispatcher.RequestOptions) => this.#agent.request({ ...options, ...ALWAYS })) as Dispatcher['request']

  /** What @fastify/reply-from sends its requests through. Keeps the connection after a HEAD, too. */
  readonly forwarder = {
    request: (options: Dispatcher.DispatchOptions, callback: Callback): void => {
      const { [kResumable]: resumable, [kRepeatable]: repeatable } = options.headers as { [kResumable]?: true, [kRepeatable]?: true }
      const telling = tellingFirst(takeAnswered(options.headers), callback)
      if (resumable === true) this.#download(options, telling)
      else if (repeatable === true) this.#read(options, telling)
      else this.#dispatch(options, telling)
    }
  }

  /** Opens new connections from now on; those in use end with their requests. */
  renew (): void {
    const old = this.#agent
    this.#agent = this.#create()
    void old.close().catch(() => {})
  }

  /** Opens new connections from now on, with these. */
  secure (tls: Pems): void {
    this.#tls = tls
    this.renew()
  }

  /** Downloads do not wait for the registry any more, or not for long: the gate is closing. */
  hurry (): void {
    this.#resumeSeconds = Math.min(this.#resumeSeconds, CLOSING_SECONDS)
    for (const download of [...this.#waiting]) download.giveUp(new Error('the gate is closing'))
  }

  async close (): Promise<void> {
    this.hurry()
    await this.#agent.destroy()
  }

  #download (options: Dispatcher.DispatchOptions, callback: Callback): void {
    new Download(options, callback, {
      dispatch: (options, callback) => this.#read(options, callback),
      origin: this.origin,
      waitSeconds: () => this.#resumeSeconds,
      waiting: this.#waiting,
      onResumed: () => { this.#resumed++ }
    }).begin()
  }

  #read (options: Dispatcher.DispatchOptions, callback: Callback): AnswerBody {
    return new Repeat(options, callback, (options, callback) => this.#dispatch(options, callback))
  }

  #dispatch (options: Dispatcher.DispatchOptions, callback: Callback): Exchange {
    const exchange = new Exchange(callback)
    this.#agent.dispatch({ ...options, ...ALWAYS }, exchange)
    return exchange
  }

  #create (): Agent {
    const timeout = this.settings.timeoutSeconds * 1000
    const connector = buildConnector(secureOptions(this.#tls))
    // The certificate must be for the host in registry.url. An address is not sent as a name (RFC 6066, section 3).
    const connect: buildConnector.connector = (options, callback) => { connector({ ...options, servername: isIP(options.hostname) === 0 ? options.hostname : '' }, callback) }
    // As many connections as requests, so that none waits behind bodies that do not go on. Clients have no more than
    // limits.connections, and one request at a time on each.
    return new Agent({ connect, pipelining: 1, headersTimeout: timeout, bodyTimeout: timeout, keepAliveTimeout: KEEP_ALIVE_MS })
  }
}
