/** Requests of a push: what they rely on is leased before the registry sees them, and what they achieved is noted. */
import type { FastifyRequest } from 'fastify'
import type { Claims } from '../claims/claims.js'
import type { Manifests } from '../claims/manifests.js'
import { blobUnknown, notStored } from '../errors.js'
import { parseDigest, type Digest } from '../oci/digest.js'
import type { RepositoryName } from '../oci/name.js'
import type { Reference } from '../oci/route.js'
import type { Presence } from '../storage/presence.js'
import type { Sessions } from '../traffic/sessions.js'
import type { Tombstones } from '../traffic/tombstones.js'
import { readManifest } from './body.js'
import { claimedBy, isRead } from './claim-of.js'
import type { ManifestRoom } from './manifest-room.js'
import type { Overwrites } from './overwrite.js'
import { headerOf, type Passage, type UpstreamAnswer } from './passage.js'

export interface PushParts {
  readonly sessions: Sessions
  readonly tombstones: Tombstones
  readonly claims: Claims
  readonly manifests: Manifests
  readonly overwrites: Overwrites
  readonly presence: Presence
  /** A link to a layer was written. */
  readonly layerLinked: (repository: RepositoryName, digest: Digest) => void
  /** A manifest was written, and the tag that it was pushed under. */
  readonly pushed: (repository: RepositoryName, reference: Reference, digest: Digest) => void
  /** How long a client may take to send a manifest, seconds. */
  readonly manifestSeconds: number
  readonly manifestRoom: ManifestRoom
}

export class Pushes {
  constructor (private readonly parts: PushParts) {}

  /**
   * @throws CodedError what the client should have instead of the registry's answer
   * @throws RoomExceeded
   */
  async begin (request: FastifyRequest, passage: Passage, repository: RepositoryName): Promise<void> {
    const { claims, presence } = this.parts
    const { route, client } = passage
    if (route.kind === 'manifest' && request.method === 'PUT') return await this.#beginManifest(request, passage, repository)
    const { mount, ...claimed } = claimedBy(request, route)
    if (mount !== undefined && mount !== 'unknown') passage.ends.push(await claims.beginMount(mount.from, mount.digest))
    // What is not there is not mounted, whatever the registry remembers: without the query, an upload begins.
    if (mount === 'unknown' || (mount !== undefined && !await presence.layer(mount.from, mount.digest))) passage.changes = { bare: true }
    const digest = passage.changes.bare === true ? undefined : claimed.digest
    const claim = await claims.begin(repository, client, digest, !isRead(request.method))
    passage.claim = { ...claim, digest }
    passage.ends.push(claim.end)
  }

  async #beginManifest (request: FastifyRequest, passage: Passage, repository: RepositoryName): Promise<void> {
    const { manifests, overwrites, manifestSeconds, manifestRoom } = this.parts
    const place = manifestRoom.open()
    passage.ends.push(() => { place.end() })
    const body = await readManifest(request, manifestSeconds, place)
    if (body === undefined || passage.closed) return
    const pushing = await manifests.begin(repository, passage.client, body)
    passage.ends.push(() => { pushing.claim.end() })
    if (passage.closed) return
    passage.pushing = pushing
    passage.changes = { body }
    if (passage.route.kind === 'manifest' && 'tag' in passage.route.reference) {
      const end = await overwrites.begin(request, repository, passage.route.reference.tag, pushing.digest)
      if (end !== undefined) passage.ends.push(end)
    }
    const lie = await manifests.prepare(pushing, request.headers)
    if (lie !== undefined) throw lie
  }

  /** The registry has answered. */
  async answered (request: FastifyRequest, passage: Passage, repository: RepositoryName, upstream: Pick<UpstreamAnswer, 'statusCode' | 'headers'>): Promise<void> {
    try {
      this.#noteUpload(request.method, passage, repository, upstream)
      await this.#noteClaim(request.method, passage, repository, upstream.statusCode)
      if (upstream.statusCode === 201) await this.#noteManifest(passage, repository, upstream)
    } catch (error) {
      request.log.error({ err: error, repository }, 'what a push achieved could not be noted')
      if (passage.pushing !== undefined) passage.instead = notStored(repository, passage.pushing.digest)
    }
  }

  #noteUpload (method: string, { route, client }: Passage, repository: RepositoryName, upstream: Pick<UpstreamAnswer, 'statusCode' | 'headers'>): void {
    const { sessions } = this.parts
    const { statusCode } = upstream
    const id = headerOf(upstream, 'docker-upload-uuid')
    if (statusCode === 202 && route.kind === 'uploads' && id !== undefined) sessions.uploadOpened(repository, client, id)
    if (route.kind === 'upload' && ((statusCode < 300 && method !== 'PATCH' && method !== 'GET') || statusCode === 404)) sessions.uploadClosed(repository, route.id)
  }

  async #noteClaim (method: string, passage: Passage, repository: RepositoryName, statusCode: number): Promise<void> {
    const { tombstones, presence, layerLinked } = this.parts
    const { claim } = passage
    if (claim?.digest === undefined) return
    if (statusCode === 201) {
      claim.keep()
      tombstones.unburyLayer(repository, claim.digest)
      layerLinked(repository, claim.digest)
    } else if (method === 'HEAD' && statusCode === 200 && !tombstones.isLayerBuried(repository, claim.digest)) {
      if (await presence.layer(repository, claim.digest)) claim.keep()
      else passage.instead = blobUnknown(repository, claim.digest)
    }
  }

  async #noteManifest (passage: Passage, repository: RepositoryName, upstream: Pick<UpstreamAnswer, 'headers'>): Promise<void> {
    const { manifests, pushed } = this.parts
    const { route, pushing } = passage
    if (pushing === undefined || route.kind !== 'manifest') return
    const digest = 'digest' in route.reference ? route.reference.digest : parseDigest(headerOf(upstream, 'docker-content-digest')) ?? pushing.digest
    try {
      passage.instead = await manifests.accepted(pushing, digest, 'tag' in route.reference)
    } finally {
      pushed(repository, route.reference, digest)
      if (digest !== pushing.digest) pushed(repository, route.reference, pushing.digest)
    }
  }
}
