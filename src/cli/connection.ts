/** Sends requests and says in words why nobody answers. The one place of the client that knows undici. */
import { readFileSync } from 'node:fs'
import { Agent, request, type Dispatcher } from 'undici'
import { EXIT, Failure, Interrupted } from './failure.js'

export interface ConnectionOptions {
  /** PEM file of the authorities that the gate's certificate may come from, instead of the usual ones. */
  readonly caFile?: string | undefined
  /** Take any certificate. */
  readonly insecure?: boolean | undefined
  /** Ends what is under way. */
  readonly signal: AbortSignal
}

export interface Sent {
  readonly method: Dispatcher.HttpMethod
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | undefined
  /** How long the other side may be silent, milliseconds. */
  readonly silenceMs?: number
}

export interface Received {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Dispatcher.ResponseData['body']
}

const CONNECT_TIMEOUT_MS = 10_000
/** A dry run reads every link of the registry before it answers. Milliseconds. */
const SILENCE_MS = 900_000

export class Connection {
  readonly #agent: Agent

  /** @throws Failure when the file of authorities cannot be read */
  constructor (private readonly options: ConnectionOptions) {
    this.#agent = new Agent({ connect: { timeout: CONNECT_TIMEOUT_MS, rejectUnauthorized: options.insecure !== true, ...(options.caFile === undefined ? {} : { ca: readCa(options.caFile) }) } })
  }

  /**
   * Sends a request; resolves when the head of the answer is here.
   * @param who is asked, for messages: "the gate", "the token service"
   * @throws Failure when nobody answers; Interrupted after Ctrl-C
   */
  async open ({ method, url, headers = {}, body, silenceMs = SILENCE_MS }: Sent, who: string): Promise<Received> {
    try {
      const answer = await request(url, { method, headers, body: body ?? null, dispatcher: this.#agent, signal: this.options.signal, headersTimeout: silenceMs, bodyTimeout: silenceMs })
      return { status: answer.statusCode, headers: answer.headers, body: answer.body }
    } catch (error) {
      throw this.explain(error, new URL(url).origin, who)
    }
  }

  /** The same, with the whole body as text. */
  async send (sent: Sent, who: string): Promise<{ status: number, headers: Received['headers'], text: string }> {
    const { status, headers, body } = await this.open(sent, who)
    const text = await body.text().catch((error: unknown) => { throw this.explain(error, new URL(sent.url).origin, who) })
    return { status, headers, text }
  }

  /** The failure that an error of the network stands for. */
  explain (error: unknown, origin: string, who: string): Failure {
    if (error instanceof Failure) return error
    if (this.options.signal.aborted) return new Interrupted()
    return new Failure(EXIT.unreachable, `${who} ${origin} cannot be reached: ${reasonOf(error as NodeJS.ErrnoException, origin)}`)
  }

  async close (): Promise<void> { await this.#agent.destroy() }
}

function readCa (path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new Failure(EXIT.usage, `--ca-file ${path} cannot be read: ${(error as NodeJS.ErrnoException).code}`)
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there; is Delgate running? --url or DELGATE_URL names another address',
  ENOTFOUND: 'there is no host of that name; --url or DELGATE_URL names another address',
  EAI_AGAIN: 'the name of the host cannot be looked up at the moment',
  UND_ERR_CONNECT_TIMEOUT: 'no connection in time; is the address right, and no firewall in between?',
  ETIMEDOUT: 'no connection in time; is the address right, and no firewall in between?',
  UND_ERR_HEADERS_TIMEOUT: 'it takes the request, but does not answer',
  UND_ERR_BODY_TIMEOUT: 'it stopped in the middle of its answer',
  UND_ERR_SOCKET: 'it closed the connection',
  ECONNRESET: 'it closed the connection',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name'
}

function reasonOf (error: NodeJS.ErrnoException, origin: string): string {
  const { code = '', name, message } = error
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG') return `it does not speak TLS; try --url ${origin.replace('https:', 'http:')}`
  if (/CERT|SELF_SIGNED|UNABLE_TO_VERIFY|LEAF_SIGNATURE/.test(code) && code !== 'ERR_TLS_CERT_ALTNAME_INVALID') return `its certificate is not trusted (${code}); name its authority with --ca-file FILE`
  if (name === 'HTTPParserError') return `what answers does not speak HTTP${origin.startsWith('http:') ? `; try --url ${origin.replace('http:', 'https:')}` : ''}`
  const reason = REASONS[code]
  if ((code === 'UND_ERR_SOCKET' || code === 'ECONNRESET') && origin.startsWith('http:')) return `${reason}; if it speaks HTTPS: --url ${origin.replace('http:', 'https:')}`
  return reason ?? (code || message)
}
