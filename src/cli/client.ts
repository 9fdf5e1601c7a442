/** The gate's HTTP interface: requests with the user's credentials, and answers or failures. */
import type { Status } from './answers.js'
import { Authorizer } from './authorizer.js'
import { parseChallenges } from '../interface/challenge.js'
import type { Connection, Received } from './connection.js'
import type { Credentials } from './docker-config.js'
import { EventStream } from './event-stream.js'
import { EXIT, Failure, type ExitCode } from './failure.js'

export interface Ask {
  /** What a token must allow, where rights come as tokens. */
  readonly scopes?: readonly string[] | undefined
  /** Sent as JSON. */
  readonly body?: object | undefined
  /** Without credentials, whoever the user is. */
  readonly anonymous?: boolean
}

export interface Reply {
  readonly status: number
  readonly headers: Received['headers']
  readonly text: string
}

/** The gate said no. */
export class Refusal extends Failure {
  /** @param code of OCI error JSON: `NAME_UNKNOWN`; empty when the answer had none */
  constructor (exitCode: ExitCode, message: string, readonly status: number, readonly code: string) { super(exitCode, message) }
}

const WHO = 'the gate'
/** A stream that is silent for so long is opened again: the gate may have gone without a word. Milliseconds. */
const STREAM_SILENCE_MS = 30_000

export class Client {
  readonly host: string
  /** Every scope that the gate has asked for: a job may only be seen with those that it took to begin it. */
  readonly scopes = new Set<string>()
  readonly #authorizer: Authorizer
  #status: Promise<Status> | undefined

  /** @param origin scheme, host and port of the gate */
  constructor (readonly origin: string, private readonly connection: Connection, credentials: () => Promise<Credentials | undefined>) {
    this.host = new URL(origin).host
    this.#authorizer = new Authorizer({ host: this.host, credentials, send: async request => await connection.send(request, 'the token service') })
  }

  /** Whether rights come as tokens; known once the gate was asked for its status. */
  get usesTokens (): boolean { return this.#authorizer.usesTokens }

  /**
   * Makes sure that there is a gate, and that it lets the user in. Every command does this first: a registry without a gate
   * does not know `dry-run`, and would delete.
   * @throws Failure when something else answers
   */
  async status (): Promise<Status> { return await (this.#status ??= this.#askStatus()) }

  /** Asks, as often as the gate wants other credentials. @throws Failure when nobody answers */
  async ask (method: 'GET' | 'POST' | 'DELETE', path: string, ask: Ask = {}): Promise<Reply> {
    const { status, headers, body } = await this.#open(method, path, ask)
    const text = await body.text().catch((error: unknown) => { throw this.connection.explain(error, this.origin, WHO) })
    return { status, headers, text }
  }

  /** The answer as JSON. @throws Refusal when it is not 2xx */
  async json<T> (method: 'GET' | 'POST' | 'DELETE', path: string, ask: Ask = {}): Promise<T> {
    const reply = await this.ask(method, path, ask)
    if (reply.status >= 300) throw await this.refusal(reply)
    return parse<T>(reply.text) ?? this.#noGate(`its answer to ${path} is not JSON`)
  }

  /** Server-sent events, one text after the other, until the gate ends them. */
  async * events (path: string, ask: Ask = {}): AsyncGenerator<string> {
    const { status, headers, body } = await this.#open('GET', path, ask, STREAM_SILENCE_MS)
    if (status !== 200) throw await this.refusal({ status, headers, text: await body.text() })
    const stream = new EventStream()
    const decoder = new TextDecoder()
    try {
      for await (const chunk of body) yield * stream.add(decoder.decode(chunk as Buffer, { stream: true }))
    } catch (error) {
      throw this.connection.explain(error, this.origin, WHO)
    }
  }

  /** Says in one line why the gate refused. */
  async refusal ({ status, headers, text }: Reply): Promise<Refusal> {
    const [error] = parse<{ errors?: ReadonlyArray<{ code?: string, message?: string }> }>(text)?.errors ?? []
    const message = error?.message ?? `status ${status}`
    const refuse = (exitCode: ExitCode, words: string): Refusal => new Refusal(exitCode, words, status, error?.code ?? '')
    if (status === 401) {
      const user = await this.#authorizer.user()
      return refuse(EXIT.refused, user === undefined ? `${this.host} asks who you are: docker login ${this.host}, or --user NAME` : `${this.host} does not let ${user} do this: wrong password, or no right to delete there`)
    }
    if (status === 429) return refuse(EXIT.refused, `${message}; try again in ${String(headers['retry-after'] ?? 'a few')} s`)
    if (status === 400) return refuse(EXIT.usage, message)
    if (status === 404) return refuse(EXIT.unknown, message)
    if (status < 500) return refuse(EXIT.refused, message)
    return status === 502 || status === 503 || status === 504 ? refuse(EXIT.unreachable, `the gate ${this.origin}: ${message}; try again later`) : refuse(EXIT.failed, `the gate ${this.origin}: ${message}`)
  }

  async close (): Promise<void> { await this.connection.close() }

  async #askStatus (): Promise<Status> {
    const reply = await this.ask('GET', '/delgate/v1/status')
    if (reply.status >= 300 && reply.status < 400) throw new Failure(EXIT.usage, `${this.origin} sends clients on to ${String(reply.headers.location)}; use that address with --url`)
    const status = parse<Status>(reply.text)
    const isCoded = status !== undefined && 'errors' in status
    if (reply.status === 401 || (isCoded && reply.status !== 404)) throw await this.refusal(reply)
    if (reply.status >= 500) throw new Failure(EXIT.unreachable, `${this.origin} answers with status ${reply.status}; if something stands before the gate, the gate behind it may be down`)
    if (reply.status !== 200 || status === undefined || typeof status.collector !== 'string') return this.#noGate(reply.headers['docker-distribution-api-version'] === undefined ? await this.#whatElse() : 'a registry without Delgate')
    return status
  }

  async #whatElse (): Promise<string> {
    const reply = await this.ask('GET', '/v2/', { anonymous: true }).catch(() => undefined)
    return reply?.headers['docker-distribution-api-version'] === undefined ? 'something else' : 'a registry without Delgate'
  }

  #noGate (what: string): never {
    throw new Failure(EXIT.unreachable, `${this.origin} is not a Delgate gate (${what} answers there); --url or DELGATE_URL names another address`)
  }

  async #open (method: 'GET' | 'POST' | 'DELETE', path: string, { scopes, body, anonymous }: Ask, silenceMs?: number): Promise<Received> {
    const wanted = new Set(scopes)
    for (;;) {
      const authorization = anonymous === true ? undefined : await this.#authorizer.header(wanted)
      const headers = { accept: 'application/json, text/event-stream', 'user-agent': 'delgate-cli', ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...(authorization === undefined ? {} : { authorization }) }
      const answer = await this.connection.open({ method, url: this.origin + path, headers, body: body && JSON.stringify(body), ...(silenceMs === undefined ? {} : { silenceMs }) }, WHO)
      if (answer.status !== 401 || anonymous === true) return answer
      if (!await this.#authorizer.learn(parseChallenges(answer.headers['www-authenticate']), wanted, authorization)) return answer
      for (const scope of wanted) this.scopes.add(scope)
      await answer.body.dump()
    }
  }
}

function parse<T> (text: string): T | undefined {
  try {
    const value = JSON.parse(text) as T
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}
