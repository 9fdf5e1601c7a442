/**
 * What happens to a request that is forwarded: it is admitted or held, what it relies on is leased before the registry
 * sees it, and it is answered truthfully where the registry's cache would not.
 */
import type { OutgoingHttpHeaders } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Claim, Claims } from '../claims/claims.js'
import type { Manifests, Pushing } from '../claims/manifests.js'
import { blobUnknown, manifestUnknown, notStored, type CodedError } from '../errors.js'
import { parseDigest, type Digest } from '../oci/digest.js'
import type { RepositoryName } from '../oci/name.js'
import type { Reference, Route } from '../oci/route.js'
import type { AnswerBody, Answered } from '../registry/exchange.js'
import type { Presence } from '../storage/presence.js'
import type { Admission, Leave } from '../traffic/admission.js'
import type { Pulls } from '../traffic/pulls.js'
import type { Reads } from '../traffic/reads.js'
import type { Sessions } from '../traffic/sessions.js'
import type { Tombstones } from '../traffic/tombstones.js'
import { readManifest } from './body.js'
import { claimOf, isRead, isWrite, mountOf, trafficOf } from './claim-of.js'
import { answer } from './errors.js'

export interface GateParts {
  readonly admission: Admission
  readonly sessions: Sessions
  readonly tombstones: Tombstones
  readonly pulls: Pulls
  readonly reads: Reads
  readonly claims: Claims
  readonly manifests: Manifests
  readonly presence: Presence
  /** What a manifest lists, as far as that is known without reading it; `later` is told when it had to be read. */
  readonly lists: (manifest: Digest, later: (lists: readonly Digest[]) => void) => readonly Digest[] | undefined
  /** A manifest as it is stored, whoever links it; `undefined` when it is not. */
  readonly stored: (manifest: Digest) => Promise<StoredManifest | undefined>
  /** A link was written in a repository. */
  readonly layerLinked: (repository: RepositoryName, digest: Digest) => void
  /** Told of each manifest that was accepted. */
  readonly pushed: (repository: RepositoryName, reference: Reference, digest: Digest) => void
  /** How long a client may take to send a manifest, seconds. */
  readonly manifestSeconds: number
}

/** The part of the registry's answer that the gate looks at. */
export interface UpstreamAnswer {
  readonly statusCode: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly stream: AnswerBody
}

/** A manifest's content. */
export interface StoredManifest {
  readonly bytes: Buffer
  readonly mediaType: string
}

/** How a request is forwarded where that differs from how it came. */
export interface Changes {
  /** Its body, where that was read. */
  readonly body?: Buffer
  /** Without its query. */
  readonly bare?: boolean
}

/** One forwarded request, from its admission to its end. */
interface Passage {
  readonly route: Route
  readonly client: string
  claim: (Claim & { readonly digest: Digest | undefined }) | undefined
  pushing: Pushing | undefined
  changes: Changes
  /** What the client gets instead of the registry's answer, which is not true. */
  instead: CodedError | undefined
  /** The status that the registry answered with. */
  status: number
  /** The registry has read what a manifest GET asks for. */
  readEnded: (() => void) | undefined
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
   * @throws CodedError what the client should have instead of the registry's answer
   */
  enter (request: FastifyRequest, reply: FastifyReply, route: Route): Promise<void> | undefined {
    const passage: Passage = { route, client: clientOf(request), claim: undefined, pushing: undefined, changes: {}, instead: undefined, status: 0, readEnded: undefined, ends: [], closed: false, forwarded: false }
    reply.raw.once('close', () => { passage.closed = true; end(passage) })
    ;(request as Carrier)[kPassage] = passage
    const admitted = this.parts.admission.enter(trafficOf(request.method, route), this.#exempt(passage))
    // A client that goes away while it is held must not keep anybody waiting.
    if (admitted instanceof Promise) reply.raw.once('close', () => { this.parts.admission.abandon(admitted) })
    if (isWrite(request.method, route) || admitted instanceof Promise) return this.#enterLater(request, passage, admitted)
    passage.ends.push(admitted)
    this.#beginRead(request, reply, passage)
    return undefined
  }

  async #enterLater (request: FastifyRequest, passage: Passage, admitted: Leave | Promise<Leave>): Promise<void> {
    passage.ends.push(admitted instanceof Promise ? await admitted : admitted)
    if (passage.closed) return end(passage)
    if (isWrite(request.method, passage.route) && 'repository' in passage.route) await this.#beginPush(request, passage, passage.route.repository)
    else this.#beginRead(request, undefined, passage)
    if (passage.closed) end(passage)
  }

  /** How the request goes on. */
  changes (request: FastifyRequest): Changes { return (request as Carrier)[kPassage]?.changes ?? {} }

  /** A client deletes in a repository: the pulls that it began there do not stand in its way. */
  deletes (request: FastifyRequest, repository: RepositoryName): void {
    this.parts.pulls.drop(repository, clientOf(request))
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
        if (passage.pushing !== undefined) passage.instead = notStored(repository, passage.pushing.digest)
      }
      passage.forwarded = false
      end(passage)
    }
  }

  /** Passes the registry's answer on, unless its cache says that something exists which does not. */
  leave (request: FastifyRequest, reply: FastifyReply, upstream: UpstreamAnswer): void {
    const passage = (request as Carrier)[kPassage]
    if (passage === undefined) return pass(reply, upstream)
    passage.status = upstream.statusCode
    const unknown = upstream.statusCode < 400 ? this.#unknown(request.method, passage) : undefined
    const pulled = unknown !== undefined || upstream.statusCode === 404 ? this.#pulled(request.method, passage) : undefined
    if (unknown === undefined && pulled === undefined) {
      this.#noteRead(request, passage, upstream)
      return pass(reply, upstream)
    }
    passage.readEnded?.()
    upstream.stream.destroy()
    for (const header of Object.keys(upstream.headers)) reply.removeHeader(header)
    if (pulled === undefined) void answer(unknown, request, reply)
    else void this.#serve(request, reply, pulled, unknown ?? manifestUnknown(pulled.repository, pulled.digest))
  }

  /** A manifest that was deleted while this client pulls the index that lists it: the pull may end. */
  #pulled (method: string, { route, client }: Passage): { repository: RepositoryName, digest: Digest } | undefined {
    if (route.kind !== 'manifest' || !isRead(method) || !('digest' in route.reference)) return undefined
    const { repository, reference: { digest } } = route
    return this.parts.pulls.isPulling(repository, client, digest) ? { repository, digest } : undefined
  }

  async #serve (request: FastifyRequest, reply: FastifyReply, { repository, digest }: { repository: RepositoryName, digest: Digest }, otherwise: CodedError): Promise<void> {
    const stored = await this.parts.stored(digest).catch(() => undefined)
    if (stored === undefined) return await answer(otherwise, request, reply)
    request.log.info({ repository, digest }, 'a manifest that is gone was served to a pull that began before')
    await reply.code(200).headers({ 'content-type': stored.mediaType, 'docker-content-digest': digest, 'content-length': String(stored.bytes.length) }).send(request.method === 'HEAD' ? '' : stored.bytes)
  }

  /** What to say of content that is gone, but that the registry's cache remembers. */
  #unknown (method: string, { route, instead }: Passage): CodedError | undefined {
    const { tombstones } = this.parts
    if (instead !== undefined || !isRead(method)) return instead
    if (route.kind === 'blob' && tombstones.isLayerBuried(route.repository, route.digest)) return blobUnknown(route.repository, route.digest)
    if (route.kind !== 'manifest' || !('digest' in route.reference) || !tombstones.isManifestBuried(route.repository, route.reference.digest)) return undefined
    return manifestUnknown(route.repository, route.reference.digest)
  }

  /** Requests of a push that is running may pass while new ones are held; listing repositories waits only for a sweep. */
  #exempt ({ route, client }: Passage): () => boolean {
    if (route.kind === 'catalog') return () => true
    return 'repository' in route ? () => this.parts.sessions.isOpen(route.repository, client) : () => false
  }

  #beginRead ({ method }: FastifyRequest, reply: FastifyReply | undefined, passage: Passage): void {
    const { route, client } = passage
    if (route.kind === 'manifest' && isRead(method)) {
      const ended = once(this.parts.reads.begin(route.repository))
      passage.readEnded = ended
      passage.ends.push(ended)
    } else if (route.kind === 'blob' && method === 'GET') {
      const ended = this.parts.pulls.fetching(route.repository, client, route.digest)
      passage.ends.push(() => { ended(passage.status === 200 && reply?.raw.writableFinished === true) })
    }
  }

  /** A pull has begun: what the manifest lists is leased until the client has it. */
  #noteRead ({ method }: FastifyRequest, passage: Passage, upstream: UpstreamAnswer): void {
    const { route, client, readEnded } = passage
    readEnded?.()
    if (route.kind !== 'manifest' || method !== 'GET' || upstream.statusCode !== 200) return
    const { pulls, lists } = this.parts
    const digest = 'digest' in route.reference ? route.reference.digest : parseDigest(header(upstream, 'docker-content-digest'))
    if (digest === undefined || pulls.renew(route.repository, client, digest)) return
    const begin = (listed: readonly Digest[]): void => { pulls.begin(route.repository, client, digest, listed) }
    const known = lists(digest, begin)
    if (known !== undefined) begin(known)
  }

  async #beginPush (request: FastifyRequest, passage: Passage, repository: RepositoryName): Promise<void> {
    const { claims, presence } = this.parts
    const { route, client } = passage
    if (route.kind === 'manifest' && request.method === 'PUT') return await this.#beginManifest(request, passage, repository)
    const mount = mountOf(request, route)
    if (mount !== undefined) {
      passage.ends.push(await claims.beginMount(mount.from, mount.digest))
      // What is not there is not mounted, whatever the registry remembers: without the query, an upload begins.
      if (!await presence.layer(mount.from, mount.digest)) passage.changes = { bare: true }
    }
    const digest = passage.changes.bare === true ? undefined : claimOf(request, route)
    const claim = await claims.begin(repository, client, digest, !isRead(request.method))
    passage.claim = { ...claim, digest }
    passage.ends.push(claim.end)
  }

  async #beginManifest (request: FastifyRequest, passage: Passage, repository: RepositoryName): Promise<void> {
    const { manifests, manifestSeconds } = this.parts
    const body = await readManifest(request, manifestSeconds)
    if (body === undefined || passage.closed) return
    const pushing = await manifests.begin(repository, passage.client, body)
    passage.ends.push(() => { pushing.end() })
    passage.pushing = pushing
    passage.changes = { body }
    const lie = await manifests.prepare(pushing, request.headers)
    if (lie !== undefined) throw lie
  }

  /** Notes what a pushing request achieved. */
  async #note (request: FastifyRequest, passage: Passage, repository: RepositoryName, upstream: Pick<UpstreamAnswer, 'statusCode' | 'headers'>): Promise<void> {
    const { sessions, tombstones, manifests, presence, layerLinked, pushed } = this.parts
    const { route, client, claim, pushing } = passage
    const { statusCode } = upstream
    const uploadId = header(upstream, 'docker-upload-uuid')
    if (statusCode === 202 && route.kind === 'uploads' && uploadId !== undefined) sessions.uploadOpened(repository, client, uploadId)
    if (route.kind === 'upload' && ((statusCode < 300 && request.method !== 'PATCH' && request.method !== 'GET') || statusCode === 404)) sessions.uploadClosed(repository, route.id)
    if (claim?.digest !== undefined && statusCode === 201) {
      claim.keep()
      tombstones.unburyLayer(repository, claim.digest)
      layerLinked(repository, claim.digest)
    } else if (claim?.digest !== undefined && request.method === 'HEAD' && statusCode === 200 && !tombstones.isLayerBuried(repository, claim.digest)) {
      if (await presence.layer(repository, claim.digest)) claim.keep()
      else passage.instead = blobUnknown(repository, claim.digest)
    }
    if (pushing !== undefined && statusCode === 201 && route.kind === 'manifest') {
      const digest = 'digest' in route.reference ? route.reference.digest : parseDigest(header(upstream, 'docker-content-digest')) ?? pushing.digest
      passage.instead = await manifests.accepted(pushing, digest, 'tag' in route.reference)
      pushed(repository, route.reference, digest)
      if (digest !== pushing.digest) pushed(repository, route.reference, pushing.digest)
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

/** Clients are told apart by address and program: one push is one of them at work in one repository. */
const clientOf = (request: FastifyRequest): string => `${request.ip} ${request.headers['user-agent'] ?? ''}`

function once (step: () => void): () => void {
  let over = false
  return () => {
    if (!over) step()
    over = true
  }
}

function header (upstream: Pick<UpstreamAnswer, 'headers'>, name: string): string | undefined {
  const value = upstream.headers[name]
  return Array.isArray(value) ? value[0] : value
}
