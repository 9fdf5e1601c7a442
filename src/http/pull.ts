/**
 * Requests of a pull: what a manifest lists is leased until the client has it, and an index that is deleted meanwhile
 * does not end the pull of what it lists.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { manifestUnknown, type CodedError } from '../errors.js'
import { parseDigest, type Digest } from '../oci/digest.js'
import type { RepositoryName } from '../oci/name.js'
import type { Reference } from '../oci/route.js'
import type { Pulls } from '../traffic/pulls.js'
import type { Reads } from '../traffic/reads.js'
import { isRead } from './claim-of.js'
import { answer } from './errors.js'
import { headerOf, type Passage, type UpstreamAnswer } from './passage.js'

/** A manifest's content. */
export interface StoredManifest {
  readonly bytes: Buffer
  readonly mediaType: string
}

export interface PullParts {
  readonly pulls: Pulls
  readonly reads: Reads
  /** What a client that got a manifest may fetch next, as far as that is known without reading; `later` is told when it had to be read. */
  readonly lists: (manifest: Digest, later: (lists: readonly Digest[]) => void) => readonly Digest[] | undefined
  /** A manifest as it is stored, whoever links it; `undefined` when it is not. */
  readonly stored: (manifest: Digest) => Promise<StoredManifest | undefined>
  /** A client got a manifest, or was told what it is; of its digest, where the registry said that. */
  readonly pulled: (repository: RepositoryName, reference: Reference, digest: Digest | undefined) => void
}

/** What `docker pull` gets of an image that it has: a HEAD that is answered, or a GET that says that nothing has changed. */
const PULLED = new Set([200, 304])

/** A manifest of a repository. */
interface Named { readonly repository: RepositoryName, readonly digest: Digest }

export class PullGate {
  constructor (private readonly parts: PullParts) {}

  /** @param reply the client's, where it is not too late to see whether it gets everything */
  begin ({ method }: FastifyRequest, reply: FastifyReply | undefined, passage: Passage): void {
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

  /** The registry has answered, and the answer goes to the client. The read is over once the pull's leases are taken. */
  answered ({ method }: FastifyRequest, passage: Passage, upstream: UpstreamAnswer): void {
    const { route, client, readEnded = () => {} } = passage
    if (route.kind !== 'manifest' || !isRead(method) || !PULLED.has(upstream.statusCode)) return readEnded()
    const { pulls, lists, pulled } = this.parts
    const digest = 'digest' in route.reference ? route.reference.digest : parseDigest(headerOf(upstream, 'docker-content-digest'))
    pulled(route.repository, route.reference, digest)
    if (method !== 'GET' || upstream.statusCode !== 200) return readEnded()
    if (digest === undefined || pulls.renew(route.repository, client, digest)) return readEnded()
    const begin = (listed: readonly Digest[]): void => {
      pulls.begin(route.repository, client, digest, listed)
      readEnded()
    }
    // The passage's own end may come first; the read goes on until it is known what the pull needs.
    const own = passage.ends.indexOf(readEnded)
    if (own !== -1) passage.ends.splice(own, 1)
    const known = lists(digest, begin)
    if (known !== undefined) begin(known)
  }

  /** A manifest that the registry does not have any more, and that this client is pulling the index of. */
  pulled (method: string, { route, client }: Passage): Named | undefined {
    if (route.kind !== 'manifest' || !isRead(method) || !('digest' in route.reference)) return undefined
    const { repository, reference: { digest } } = route
    return this.parts.pulls.isPulling(repository, client, digest) ? { repository, digest } : undefined
  }

  /** Answers with the manifest as it is still stored. The registry has let this caller read there. */
  async serve (request: FastifyRequest, reply: FastifyReply, { repository, digest }: Named, otherwise: CodedError = manifestUnknown(repository, digest)): Promise<void> {
    const stored = await this.parts.stored(digest).catch(() => undefined)
    if (stored === undefined) return await answer(otherwise, request, reply)
    request.log.info({ repository, digest }, 'a manifest that is gone was served to a pull that began before')
    await reply.code(200).headers({ 'content-type': stored.mediaType, 'docker-content-digest': digest, 'content-length': String(stored.bytes.length) }).send(request.method === 'HEAD' ? '' : stored.bytes)
  }

  /** A client deletes in a repository: the pulls that it began there do not stand in its way. */
  drop (repository: RepositoryName, client: string): void {
    this.parts.pulls.drop(repository, client)
  }
}

function once (step: () => void): () => void {
  let over = false
  return () => {
    if (!over) step()
    over = true
  }
}
