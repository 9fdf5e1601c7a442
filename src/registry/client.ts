/**
 * What Delgate itself asks of the registry over HTTP: is it there, and may this caller delete?
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Dispatcher } from 'undici'
import { badGateway, unavailable } from '../errors.js'
import { IMPOSSIBLE_DIGEST } from '../oci/digest.js'
import type { RepositoryName } from '../oci/name.js'

/** The registry's own answer, to be passed back as it is. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

export type Permission =
  | { readonly outcome: 'allowed' }
  | { readonly outcome: 'refused', readonly answer: Answer }
  /** Nobody may delete here: the registry is read-only, or a pull-through cache. */
  | { readonly outcome: 'unsupported', readonly reason: string }

/** What is known of the registry's mode from its configuration; `undefined` when that was not to be had. */
export type KnownMode = { readonly readOnly: boolean, readonly pullThrough: boolean } | undefined

/** Between two looks at a registry that is starting, milliseconds. */
const READY_INTERVAL_MS = 50
/** How long a small question to the registry may take, milliseconds. */
const QUESTION_TIMEOUT_MS = 30_000
/** Answers to small questions are small. Bytes. */
const ANSWER_MAXIMUM_BYTES = 65_536

/** What it says of a manifest that is not there, or of a repository (distribution-spec, "Error Codes"). */
const UNKNOWN: readonly string[] = ['MANIFEST_UNKNOWN', 'NAME_UNKNOWN']
/** What it says when deletes are disabled, or to a write when it is a pull-through cache. */
const UNSUPPORTED: readonly string[] = ['UNSUPPORTED']
/** What it says where it has no handler for a method (gorilla/handlers, handlers.go, MethodHandler). */
const NO_HANDLER = 'Method not allowed'

/** What a request to the registry is authorised by. */
export type Credentials = {
  readonly authorization?: string | undefined
  /** The trace that it belongs to (W3C Trace Context). */
  readonly traceparent?: string | undefined
}

export class RegistryClient {
  #pullThrough: boolean | undefined

  /**
   * @param base base URL of the registry, its `http.prefix` included, as it is at the moment
   */
  constructor (private readonly base: () => string, private readonly dispatcher: Pick<Dispatcher, 'request'>, private readonly mode: () => KnownMode) {}

  /**
   * Resolves when the registry answers `/v2/` as a registry does: what a proxy says in its place is no answer.
   * @param failed told why of each time that it does not
   */
  async ready (signal: AbortSignal, failed: (error: Error) => void = () => {}): Promise<void> {
    for (;;) {
      const answer = await this.#ask('GET', '/v2/', {}, signal).catch((error: Error) => { if (!signal.aborted) failed(error) })
      if (answer !== undefined && isRegistry(answer)) return
      if (answer !== undefined) failed(new Error(`status ${answer.status}`))
      signal.throwIfAborted()
      await delay(READY_INTERVAL_MS, undefined, { signal })
    }
  }

  /** One small question, on somebody's behalf. @throws CodedError 502 when the registry cannot be reached */
  async ask (method: 'HEAD' | 'DELETE', path: string, credentials: Credentials): Promise<Answer> {
    return await this.#question(method, path, credentials)
  }

  /** The registry's answer to `GET /v2/` with these credentials (distribution-spec, "Determining Support"). */
  async check (credentials: Credentials): Promise<Answer> {
    return await this.#question('GET', '/v2/', credentials)
  }

  /**
   * Whether the registry would let this caller delete in a repository. It is asked to delete a manifest that cannot
   * exist: 401 and 403 are its refusals; 404 means that it would; 405 that it does not, at least not by itself.
   *
   * Only the registry's own words let anybody in: a proxy says 404 while the registry is away, a firewall 405 to every
   * DELETE. Tried on 2.8 and 3.1, of repositories that exist and that do not: `MANIFEST_UNKNOWN` once the caller may, and
   * `UNSUPPORTED` with deletes disabled. 202 would mean that there was such a manifest, which no client can push.
   * @throws CodedError 502 or 503 when it is not the registry that answers
   */
  async mayDelete (repository: RepositoryName, credentials: Credentials): Promise<Permission> {
    const answer = await this.#question('DELETE', `/v2/${repository}/manifests/${IMPOSSIBLE_DIGEST}`, credentials)
    const { status } = answer
    if (status === 401 || status === 403) return { outcome: 'refused', answer }
    if (status === 404 && saysOneOf(answer, UNKNOWN)) return { outcome: 'allowed' }
    const unsupported = status === 405 ? await this.#unsupported(repository, answer, credentials) : undefined
    if (unsupported !== undefined) return unsupported
    if (status >= 500 || status === 429) throw unavailable('the registry did not say whether this deletion is allowed; try again')
    throw badGateway(`the registry did not say whether this deletion is allowed: what answered ${status} in its place is not the registry`)
  }

  /** Whether the registry would show its catalog to this caller (distribution: registry/handlers/app.go, scope `registry:catalog:*`). */
  async mayList (credentials: Credentials): Promise<boolean> {
    const { status } = await this.#question('GET', '/v2/_catalog?n=1', credentials)
    if (status >= 500) throw unavailable('the registry did not say whether its catalog may be seen; try again')
    return status === 200
  }

  /**
   * A 405: deletes switched off, which Delgate does not need; read-only mode; or a pull-through cache.
   * @returns `undefined` when it is not the registry's
   */
  async #unsupported (repository: RepositoryName, answer: Answer, credentials: Credentials): Promise<Permission | undefined> {
    if (!saysOneOf(answer, UNSUPPORTED)) {
      // In read-only mode no handler is registered, so the body is not the registry's own JSON (registry/handlers/app.go).
      const readOnly = this.mode()?.readOnly ?? answer.body.trim() === NO_HANDLER
      return readOnly ? { outcome: 'unsupported', reason: 'the registry is in read-only mode' } : undefined
    }
    // Only asked where the registry's configuration cannot be read: a pull-through cache refuses every upload.
    this.#pullThrough = this.mode()?.pullThrough ?? this.#pullThrough ?? await this.#refusesUploads(repository, credentials)
    return this.#pullThrough ? { outcome: 'unsupported', reason: 'the registry is a pull-through cache' } : { outcome: 'allowed' }
  }

  /**
   * Whether the registry would let this caller push into a repository: it is asked to go on with an upload that cannot
   * exist. One that is begun and cancelled leaves a directory behind (registry/handlers/blobupload.go, closeResources).
   */
  async mayPush (repository: RepositoryName, credentials: Credentials): Promise<boolean> {
    const { status, body } = await this.#question('PATCH', `/v2/${repository}/blobs/uploads/00000000-0000-0000-0000-000000000000`, credentials)
    return (status === 400 || status === 404) && body.includes('BLOB_UPLOAD_')
  }

  async #refusesUploads (repository: RepositoryName, credentials: Credentials): Promise<boolean> {
    const answer = await this.#question('POST', `/v2/${repository}/blobs/uploads/`, credentials)
    const location = answer.headers.location
    if (answer.status === 202 && typeof location === 'string') {
      const { pathname, search } = new URL(location, this.base())
      await this.#question('DELETE', pathname + search, credentials, new URL(this.base()).origin)
    }
    return answer.status === 405 && saysOneOf(answer, UNSUPPORTED)
  }

  async #question (method: Dispatcher.HttpMethod, path: string, credentials: Credentials, base = this.base()): Promise<Answer> {
    try {
      return await this.#ask(method, path, credentials, AbortSignal.timeout(QUESTION_TIMEOUT_MS), base)
    } catch {
      throw badGateway('the registry cannot be reached')
    }
  }

  async #ask (method: Dispatcher.HttpMethod, path: string, credentials: Credentials, signal: AbortSignal, base = this.base()): Promise<Answer> {
    const url = new URL(base)
    const headers = Object.fromEntries(Object.entries({ authorization: credentials.authorization, traceparent: credentials.traceparent }).filter(([, value]) => value !== undefined)) as Record<string, string>
    const response = await this.dispatcher.request({ origin: url.origin, path: url.pathname.replace(/\/$/, '') + path, method, headers, signal })
    let body = ''
    for await (const chunk of response.body) {
      if (body.length < ANSWER_MAXIMUM_BYTES) body += String(chunk)
    }
    return { status: response.statusCode, headers: response.headers, body }
  }
}

/** Whether this answer to `GET /v2/` is a registry's (distribution-spec, "Determining Support"; 401 without credentials). */
export const isRegistry = ({ status }: Pick<Answer, 'status'>): boolean => status === 200 || status === 401

/** Whether a token is good, but not for this (RFC 6750, section 3.1): whoever has it does not guess, and may get another one. */
export const lacksScope = ({ headers }: Pick<Answer, 'headers'>): boolean => String(headers['www-authenticate']).includes('error="insufficient_scope"')

/** Whether the body is the registry's JSON of errors, and the first of them has one of these codes. */
function saysOneOf ({ body }: Answer, codes: readonly string[]): boolean {
  try {
    const { errors } = JSON.parse(body) as { errors?: ReadonlyArray<{ code?: unknown }> }
    return codes.includes(String(errors?.[0]?.code))
  } catch {
    return false
  }
}
