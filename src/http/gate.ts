/**
 * What happens to a request that is forwarded: it is admitted or held, what it relies on is leased before the registry
 * sees it, and it is answered truthfully where the registry's cache would not.
 */
import type { OutgoingHttpHeaders } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { blobUnknown, manifestUnknown, type CodedError } from '../errors.js'
import type { RepositoryName } from '../oci/name.js'
import type { Route } from '../oci/route.js'
import type { Answered } from '../registry/exchange.js'
import type { Admission, Leave } from '../traffic/admission.js'
import type { Sessions } from '../traffic/sessions.js'
import type { Tombstones } from '../traffic/tombstones.js'
import { isRead, isWrite, trafficOf } from './claim-of.js'
import { answer } from './errors.js'
import { clientOf, endPassage, openPassage, passageOf, type Changes, type Passage, type UpstreamAnswer } from './passage.js'
import { PullGate, type PullParts } from './pull.js'
import { Pushes, type PushParts } from './push.js'

export interface GateParts extends PushParts, PullParts {
  readonly admission: Admission
  readonly sessions: Sessions
  readonly tombstones: Tombstones
}

const NO_CHANGES: Changes = {}

export class Gate {
  readonly #pushes: Pushes
  readonly #pulls: PullGate

  constructor (private readonly parts: GateParts) {
    this.#pushes = new Pushes(parts)
    this.#pulls = new PullGate(parts)
  }

  /**
   * Lets a request pass to the registry, or holds it.
   * @returns nothing when it may pass at once, as reads usually do
   * @throws HoldExceeded
   * @throws RoomExceeded
   * @throws CodedError what the client should have instead of the registry's answer
   */
  enter (request: FastifyRequest, reply: FastifyReply, route: Route): Promise<void> | undefined {
    const passage = openPassage(request, route)
    reply.raw.once('close', () => { passage.closed = true; endPassage(passage) })
    const admitted = this.parts.admission.enter(trafficOf(request.method, route), this.#exempt(passage))
    // A client that goes away while it is held must not keep anybody waiting.
    if (admitted instanceof Promise) reply.raw.once('close', () => { this.parts.admission.abandon(admitted) })
    if (isWrite(request.method, route) || admitted instanceof Promise) return this.#enterLater(request, reply, passage, admitted)
    passage.ends.push(admitted)
    this.#pulls.begin(request, reply, passage)
    return undefined
  }

  async #enterLater (request: FastifyRequest, reply: FastifyReply, passage: Passage, admitted: Leave | Promise<Leave>): Promise<void> {
    passage.busy = true
    try {
      passage.ends.push(admitted instanceof Promise ? await admitted : admitted)
      if (passage.closed) return
      if (isWrite(request.method, passage.route) && 'repository' in passage.route) await this.#pushes.begin(request, passage, passage.route.repository)
      else this.#pulls.begin(request, reply, passage)
    } finally {
      // Its client may have gone in the meantime, whatever has come of it.
      passage.busy = false
      endPassage(passage)
    }
  }

  /** How the request goes on. */
  changes (request: FastifyRequest): Changes { return passageOf(request)?.changes ?? NO_CHANGES }

  /** A client deletes in a repository: the pulls that it began there do not stand in its way. */
  deletes (request: FastifyRequest, repository: RepositoryName): void {
    this.#pulls.drop(repository, clientOf(request))
  }

  /**
   * The request goes to the registry now. A client that goes away does not end what the registry does with it: a
   * manifest PUT keeps its turn until the registry has answered.
   * @returns what wants to know the answer, if anything does
   */
  forwarding (request: FastifyRequest): Answered | undefined {
    const passage = passageOf(request)
    if (passage === undefined || !('repository' in passage.route) || !isWrite(request.method, passage.route)) return undefined
    const { repository } = passage.route
    passage.busy = true
    return async response => {
      if (response !== undefined) await this.#pushes.answered(request, passage, repository, response)
      passage.busy = false
      endPassage(passage)
    }
  }

  /** Passes the registry's answer on, unless its cache says that something exists which does not. */
  leave (request: FastifyRequest, reply: FastifyReply, upstream: UpstreamAnswer): void {
    const passage = passageOf(request)
    if (passage === undefined) return pass(reply, upstream)
    passage.status = upstream.statusCode
    const unknown = upstream.statusCode < 400 ? this.#unknown(request.method, passage) : undefined
    const pulled = unknown !== undefined || upstream.statusCode === 404 ? this.#pulls.pulled(request.method, passage) : undefined
    if (unknown === undefined && pulled === undefined) {
      this.#pulls.answered(request, passage, upstream)
      return pass(reply, upstream)
    }
    passage.readEnded?.()
    upstream.stream.destroy()
    for (const header of Object.keys(upstream.headers)) reply.removeHeader(header)
    if (pulled === undefined) void answer(unknown, request, reply)
    else void this.#pulls.serve(request, reply, pulled, unknown)
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
}

/** Sends the head, and hands the response over to the registry's connection: Fastify has no part in it any more. */
function pass (reply: FastifyReply, { stream }: UpstreamAnswer): void {
  reply.hijack()
  reply.raw.writeHead(reply.statusCode, reply.getHeaders() as OutgoingHttpHeaders)
  stream.sendTo(reply.raw, error => { reply.log.warn({ err: error }, 'the registry broke off its answer') })
}
