/**
 * HTTP for the tests, over node:http: paths go out exactly as written (`fetch` would tidy `..` away), and nothing is
 * followed, retried or decoded.
 */
import { Agent, request as nodeRequest, type ClientRequest, type IncomingHttpHeaders, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http'
import { request as secureRequest } from 'node:https'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

/** An answer that was read whole. */
export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

export interface RequestOptions {
  readonly headers?: OutgoingHttpHeaders
  readonly body?: Buffer | string | Readable
  /** Bound on the whole exchange, milliseconds. */
  readonly timeout?: number
  /** For https:// one of node:https, which says whom to trust. */
  readonly agent?: Agent
}

const DEFAULT_TIMEOUT = 60_000
// Without keep-alive: an idle connection may be closed by the other side just when it is used again, which real clients
// repeat, but tests must not, for then they could not tell it from an error of the gate.
const oneShot = new Agent({ keepAlive: false })

/** Sends a request; resolves when the head of the answer is here. */
export async function open (base: string, method: string, path: string, options: RequestOptions = {}): Promise<IncomingMessage> {
  const { promise, request } = start(base, method, path, options)
  if (options.body instanceof Readable) {
    // A server may answer before it has read everything; the answer counts, not the broken pipe.
    pipeline(options.body, request).catch(() => {})
  } else {
    request.end(options.body)
  }
  return promise
}

/** Begins a request whose body the caller writes. */
export function start (base: string, method: string, path: string, options: RequestOptions = {}): { request: ClientRequest, promise: Promise<IncomingMessage> } {
  const url = new URL(base)
  const body = options.body
  const length = body === undefined || body instanceof Readable ? {} : { 'content-length': Buffer.byteLength(body) }
  const isSecure = url.protocol === 'https:'
  const request = (isSecure ? secureRequest : nodeRequest)({
    hostname: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port,
    method,
    path,
    headers: { ...length, ...options.headers },
    agent: options.agent ?? (isSecure ? undefined : oneShot),
    signal: AbortSignal.timeout(options.timeout ?? DEFAULT_TIMEOUT)
  })
  const promise = new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', resolve)
    request.once('error', reject)
  })
  return { request, promise }
}

/** Reads the rest of an answer. */
export async function read (message: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = []
  for await (const chunk of message) chunks.push(chunk as Buffer)
  return { status: message.statusCode ?? 0, headers: message.headers, body: Buffer.concat(chunks) }
}

/** Sends a request and reads the whole answer. */
export async function request (base: string, method: string, path: string, options: RequestOptions = {}): Promise<Answer> {
  return read(await open(base, method, path, options))
}

/** The body as JSON. */
export function json<T = Record<string, unknown>> (answer: Answer): T {
  try {
    return JSON.parse(answer.body.toString('utf8')) as T
  } catch {
    throw new Error(`not JSON (status ${answer.status}): ${answer.body.toString('utf8').slice(0, 500)}`)
  }
}

/** One entry of OCI error JSON. */
export interface OciError { readonly code: string, readonly message: string, readonly detail?: unknown }

/** The first error of an OCI error body; throws when the body has another shape. */
export function ociError (answer: Answer): OciError {
  const [error] = json<{ errors?: OciError[] }>(answer).errors ?? []
  if (error === undefined || typeof error.code !== 'string' || typeof error.message !== 'string') {
    throw new Error(`no OCI error (status ${answer.status}): ${answer.body.toString('utf8').slice(0, 500)}`)
  }
  return error
}

/** A header's value as one string. */
export function header (answer: { readonly headers: IncomingHttpHeaders }, name: string): string | undefined {
  const value = answer.headers[name]
  return Array.isArray(value) ? value.join(', ') : value
}

/** Throws unless the status is the expected one; names what was asked and what came. */
export function expectStatus (answer: Answer, expected: number, what: string): Answer {
  if (answer.status !== expected) {
    throw new Error(`${what}: expected ${expected}, got ${answer.status} ${answer.body.toString('utf8').slice(0, 1000)}`)
  }
  return answer
}

/** The `Authorization` header of HTTP Basic. */
export function basic (user: string, password: string): { authorization: string } {
  return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` }
}
