/**
 * Manifest PUTs. The registry's cache can lie to one in two ways: it takes a layer for present whose link or blob is
 * gone, and it takes the manifest's own blob for stored and writes nothing. So everything that a manifest lists is leased
 * and looked at before the registry is asked, and what the registry then accepted is looked at again.
 */
import { createHash } from 'node:crypto'
import { manifestBlobUnknown, type CodedError } from '../errors.js'
import type { Digest } from '../oci/digest.js'
import { parseManifest, type ManifestReferences } from '../oci/manifest.js'
import type { RepositoryName } from '../oci/name.js'
import type { Credentials, Memory } from '../registry/memory.js'
import type { Presence } from '../storage/presence.js'
import type { TreeWriter } from '../storage/write.js'
import type { Ghosts } from '../traffic/ghosts.js'
import type { Sessions } from '../traffic/sessions.js'
import type { Tombstones } from '../traffic/tombstones.js'
import type { Claims } from './claims.js'
import type { Restorer } from './restore.js'

export interface ManifestParts {
  readonly claims: Claims
  readonly sessions: Sessions
  readonly tombstones: Tombstones
  readonly presence: Presence
  readonly writer: Pick<TreeWriter, 'storeBlob' | 'linkRevision'>
  readonly restorer: Restorer
  readonly memory: Memory
  readonly ghosts: Ghosts
  /** Whether the registry lets a caller push into a repository. */
  readonly mayPush: (repository: RepositoryName, credentials: Credentials) => Promise<boolean>
  /** The write barrier of the reference index: told before the leases end. */
  readonly linked: (repository: RepositoryName, digest: Digest, references: ManifestReferences) => void
  readonly log: { warn (details: object, message: string): void }
}

/** A manifest that is being pushed. */
export interface Pushing {
  readonly repository: RepositoryName
  readonly client: string
  readonly body: Buffer
  /** By which the registry stores it. */
  readonly digest: Digest
  /** What it lists and is not there, and need not be: layers that are kept elsewhere, platforms that were left out. */
  missing: ReadonlySet<Digest>
  /** What it lists; nothing when it cannot be understood: then the registry refuses it. */
  readonly references: ManifestReferences
  /** Ends the turn and the leases. */
  end (): void
}

type Kind = 'blobs' | 'manifests'

/** What a manifest lists that cannot be understood. */
const NOTHING_LISTED: ManifestReferences = { mediaType: '', blobs: [], manifests: [], subject: undefined }

export class Manifests {
  constructor (private readonly parts: ManifestParts) {}

  /** Takes the repository's turn, and leases the manifest and everything that it lists. */
  async begin (repository: RepositoryName, client: string, body: Buffer): Promise<Pushing> {
    const parsed = parseManifest(body)
    const references = parsed.outcome === 'references' ? parsed.references : NOTHING_LISTED
    const digest = `sha256:${createHash('sha256').update(body).digest('hex')}` as Digest
    const end = await this.parts.claims.beginManifest(repository, client, [digest, ...references.blobs, ...references.manifests])
    return { repository, client, body, digest, references, missing: new Set(), end }
  }

  /**
   * Sees to it that the registry knows the truth about what the manifest lists.
   * @returns the answer that the client should have, where the registry cannot be made to forget
   */
  async prepare (pushing: Pushing, credentials: Credentials): Promise<CodedError | undefined> {
    const { repository, references, digest: own, body } = pushing
    const { ghosts, mayPush, writer } = this.parts
    // Stored before the registry makes a tag point to it: nobody is to meet a tag that leads nowhere.
    if (ghosts.has(own) && await mayPush(repository, credentials)) await writer.storeBlob(own, body)
    const missing = await this.#missingOf(repository, references)
    pushing.missing = new Set(missing.map(({ digest }) => digest))
    for (const { kind, digest } of missing) {
      if (!await this.parts.memory.remembers(kind, repository, digest, credentials)) continue
      const outcome = await this.parts.memory.forget(kind, repository, digest, credentials)
      if (outcome.outcome === 'refused') return manifestBlobUnknown(digest)
    }
    return undefined
  }

  /**
   * The registry has accepted it. Claims become references, and what it did not really store is stored.
   * @param digest by which the client may ask for it
   * @param tagged whether a tag points to it now; otherwise an index may follow, and it is leased until then
   * @returns the answer that the client should have had: something that it lists went meanwhile, around the gate
   */
  async accepted ({ repository, client, body, digest: stored, references, missing }: Pushing, digest: Digest, tagged: boolean): Promise<CodedError | undefined> {
    const { sessions, tombstones, ghosts, presence, writer, linked, log } = this.parts
    tombstones.unburyManifest(repository, digest)
    ghosts.remove(stored)
    if (!await presence.blob(stored)) {
      await writer.storeBlob(stored, body)
      log.warn({ repository, digest: stored }, 'the registry took a manifest for stored that was not; it was stored in its place')
    }
    if (digest === stored && !await presence.manifest(repository, digest)) await writer.linkRevision(repository, digest)
    const gone = (await this.#missingOf(repository, references)).find(one => !missing.has(one.digest))
    // No await from here on: what was leased is used now.
    linked(repository, digest, references)
    if (!tagged) sessions.lease(repository, client, digest)
    const listed = [...references.blobs, ...references.manifests]
    sessions.settle(repository, client, tagged ? [digest, ...listed] : listed)
    return gone === undefined ? undefined : manifestBlobUnknown(gone.digest)
  }

  async #missingOf (repository: RepositoryName, { blobs, manifests }: ManifestReferences): Promise<Array<{ kind: Kind, digest: Digest }>> {
    return [...await this.#missing(repository, 'blobs', blobs), ...await this.#missing(repository, 'manifests', manifests)]
  }

  /** What is not there, after what could be restored was. */
  async #missing (repository: RepositoryName, kind: Kind, digests: readonly Digest[]): Promise<Array<{ kind: Kind, digest: Digest }>> {
    const { presence, restorer } = this.parts
    const [isThere, restore] = kind === 'blobs'
      ? [async (digest: Digest) => await presence.layer(repository, digest), async (digest: Digest) => { await restorer.layer(repository, digest) }]
      : [async (digest: Digest) => await presence.manifest(repository, digest), async (digest: Digest) => { await restorer.manifest(repository, digest) }]
    const looked = await Promise.all(digests.map(async digest => {
      if (await isThere(digest)) return undefined
      await restore(digest)
      return await isThere(digest) ? undefined : { kind, digest }
    }))
    return looked.filter(one => one !== undefined)
  }
}
