/**
 * What happens to a request that is forwarded: it is admitted or held, a push is remembered as a session, a claim is
 * leased before the registry sees it, and answered truthfully where the registry's cache would not.
 */
import type { OutgoingHttpHeaders } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Pushed } from '../deletion/pushed.js'
import { blobUnknown, manifestUnknown, type CodedError } from '../errors.js'
import { parseDigest, type Digest } from '../oci/digest.js'
import type { RepositoryName } from '../oci/name.js'
import type { Route } from '../oci/route.js'
import type { AnswerBody, Answered } from '../registry/exchange.js'
import type { Admission, Leave } from '../traffic/admission.js'
import type { RepositoryLocks } from '../traffic/locks.js'
import type { Sessions } from '../traffic/sessions.js'
import type { Tombstones } from '../traffic/tombstones.js'
import { answer } from './errors.js'
import { queryOf } from './url.js'

export interface GateParts {
  readonly admission: Admission
  readonly sessions: Sessions
  readonly locks: RepositoryLocks
  readonly tombstones: Tombstones
  readonly pushed: Pushed
  /** How long a client may take to send a manifest, seconds: it has the repository's turn meanwhile. */
  readonly manifestSeconds: number
}

/** The part of the registry's answer that the gate looks at. */
export interface UpstreamAnswer {
  readonly statusCode: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly stream: AnswerBody
}

/** One forwarded request, from its admission to its end. */
interface Passage {
  readonly route: Route
  readonly client: string
  /** Digest that this request relies on or commits. */
  claim: Digest | undefined
  readonly ends: Array<() => void>
  /** The client has its answer, or has gone. */
  closed: boolean
  /** The registry is at work on it. */
  forwarded: boolean
}

const kPassage = Symbol('passage')
type Carrier = FastifyRequest & { [kPassage]?: Passage }

export class Gate {
  constructor (private readonly parts: GateParts) {}

  /**
   * Lets a request pass to the registry, or holds it.
   * @returns nothing when it may pass at once, as reads usually do
   * @throws HoldExceeded
   */
  enter (request: FastifyRequest, reply: FastifyReply, route: Route): Promise<void> | undefined {
    const passage: Passage = { route, client: `${request.ip} ${request.headers['user-agent'] ?? ''}`, claim: undefined, ends: [], closed: false, forwarded: false }
    reply.raw.once('close', () => { passage.closed = true; end(passage) })
    ;(request as Carrier)[kPassage] = passage
    const writes = isWrite(request.method, route)
    const admitted = this.parts.admission.enter(writes ? 'write' : route.kind === 'blob' && request.method === 'GET' ? 'download' : 'read', this.#exempt(passage))
    // A client that goes away while it is held must not keep anybody waiting.
    if (admitted instanceof Promise) reply.raw.once('close', () => { this.parts.admission.abandon(admitted) })
    if (writes || admitted instanceof Promise) return this.#enterLater(request, passage, writes, admitted)
    passage.ends.push(admitted)
    return undefined
  }

  async #enterLater (request: FastifyRequest, passage: Passage, writes: boolean, admitted: Leave | Promise<Leave>): Promise<void> {
    passage.ends.push(admitted instanceof Promise ? await admitted : admitted)
    if (passage.closed) return end(passage)
    if (writes && 'repository' in passage.route) await this.#beginPush(request, passage, passage.route.repository)
    if (passage.closed) end(passage)
  }

  /**
   * The request goes to the registry now. A client that goes away does not end what the registry does with it: a
   * manifest PUT keeps its turn until the registry has answered.
   * @returns what wants to know the answer, if anything does
   */
  forwarding (request: FastifyRequest): Answered | undefined {
    const passage = (request as Carrier)[kPassage]
    if (passage === undefined || !('repository' in passage.route) || !isWrite(request.method, passage.route)) return undefined
    const { repository } = passage.route
    passage.forwarded = true
    return async response => {
      try {
        if (response !== undefined) await this.#note(request, passage, repository, response)
      } catch (error) {
        request.log.error({ err: error, repository }, 'what a push achieved could not be noted')
      }
      passage.forwarded = false
      end(passage)
    }
  }

  /** Passes the registry's answer on, unless its cache says that something exists which does not. */
  leave (request: FastifyRequest, reply: FastifyReply, upstream: UpstreamAnswer): void {
    const route = (request as Carrier)[kPassage]?.route
    const unknown = route !== undefined && upstream.statusCode < 400 && isRead(request.method) ? this.#buried(route) : undefined
    if (unknown === undefined) return pass(reply, upstream)
    upstream.stream.destroy()
    for (const header of Object.keys(upstream.headers)) reply.removeHeader(header)
    void answer(unknown, request, reply)
  }

  /** What to say of content that is gone, but that the registry's cache remembers. */
  #buried (route: Route): CodedError | undefined {
    const { tombstones } = this.parts
    if (route.kind === 'blob' && tombstones.isLayerBuried(route.repository, route.digest)) return blobUnknown(route.repository, route.digest)
    if (route.kind !== 'manifest' || !('digest' in route.reference) || !tombstones.isManifestBuried(route.repository, route.reference.digest)) return undefined
    return manifestUnknown(route.repository, route.reference.digest)
  }

  /** Requests of a push that is running may pass while new ones are held; listing repositories waits only for a sweep. */
  #exempt ({ route, client }: Passage): () => boolean {
    if (route.kind === 'catalog') return () => true
    return 'repository' in route ? () => this.parts.sessions.isOpen(route.repository, client) : () => false
  }

  async #beginPush (request: FastifyRequest, passage: Passage, repository: RepositoryName): Promise<void> {
    const { locks, sessions } = this.parts
    const { route, client } = passage
    if (route.kind === 'manifest') {
      passage.ends.push(await locks.shared(repository))
      passage.ends.push(this.#hurry(request))
    } else if (!isRead(request.method)) while (locks.isContended(repository)) (await locks.shared(repository))()
    // No await from here on: a deletion that starts after this sees the session.
    passage.ends.push(sessions.begin(repository, client))
    passage.claim = claimOf(request, route)
    if (passage.claim === undefined) return
    const claim = passage.claim
    sessions.lease(repository, client, claim)
    // Unless the registry says yes, the claim ends with the request.
    passage.ends.push(() => { if (passage.claim !== undefined) sessions.release(repository, client, claim) })
  }

  /** Breaks off a request whose body does not arrive in time. @returns ends the watch */
  #hurry (request: FastifyRequest): () => void {
    const timer = setTimeout(() => {
      if (request.raw.complete) return
      request.log.warn({ url: request.raw.url }, 'a manifest did not arrive in time; the request was broken off')
      request.raw.destroy()
    }, this.parts.manifestSeconds * 1000)
    return () => { clearTimeout(timer) }
  }

  /** Notes what a pushing request achieved. */
  async #note (request: FastifyRequest, passage: Passage, repository: RepositoryName, upstream: Pick<UpstreamAnswer, 'statusCode' | 'headers'>): Promise<void> {
    const { sessions, tombstones, pushed } = this.parts
    const { route, client, claim } = passage
    const { statusCode } = upstream
    const uploadId = header(upstream, 'docker-upload-uuid')
    if (statusCode === 202 && route.kind === 'uploads' && uploadId !== undefined) sessions.uploadOpened(repository, client, uploadId)
    if (route.kind === 'upload' && ((statusCode < 300 && request.method !== 'PATCH' && request.method !== 'GET') || statusCode === 404)) sessions.uploadClosed(repository, route.id)
    const confirmed = claim !== undefined && (statusCode === 201 || (request.method === 'HEAD' && statusCode === 200 && !tombstones.isLayerBuried(repository, claim)))
    if (confirmed) {
      // The lease outlives the request: until a manifest uses the digest, or the client is idle for too long.
      passage.claim = undefined
      if (statusCode === 201) tombstones.unburyLayer(repository, claim)
    }
    if (route.kind === 'manifest' && request.method === 'PUT' && statusCode === 201) {
      const digest = parseDigest(header(upstream, 'docker-content-digest'))
      if (digest !== undefined) await pushed.manifest(repository, digest, client, 'tag' in route.reference)
    }
  }
}

/** Sends the head, and hands the response over to the registry's connection: Fastify has no part in it any more. */
function pass (reply: FastifyReply, { stream }: UpstreamAnswer): void {
  reply.hijack()
  reply.raw.writeHead(reply.statusCode, reply.getHeaders() as OutgoingHttpHeaders)
  stream.sendTo(reply.raw, error => { reply.log.warn({ err: error }, 'the registry broke off its answer') })
}

/** Ends a passage when neither the client nor the registry has anything to do with it any more. */
function end (passage: Passage): void {
  if (passage.closed && !passage.forwarded) passage.ends.splice(0).reverse().forEach(step => { step() })
}

const isRead = (method: string): boolean => method === 'GET' || method === 'HEAD'

/** Whether a request may change what is stored, or relies on its staying there. */
function isWrite (method: string, route: Route): boolean {
  if (route.kind === 'catalog') return true
  return !isRead(method) || (method === 'HEAD' && route.kind === 'blob')
}

/** The digest that a request claims: HEAD blob, mount, and the commit of an upload. */
function claimOf (request: FastifyRequest, route: Route): Digest | undefined {
  if (route.kind === 'blob') return request.method === 'HEAD' ? route.digest : undefined
  if (route.kind !== 'uploads' && route.kind !== 'upload') return undefined
  const query = new URLSearchParams(queryOf(request.raw.url!))
  return parseDigest(query.get('digest') ?? query.get('mount') ?? undefined)
}

function header (upstream: Pick<UpstreamAnswer, 'headers'>, name: string): string | undefined {
  const value = upstream.headers[name]
  return Array.isArray(value) ? value[0] : value
}
