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
import { each } from '../storage/concurrency.js'
import type { Presence } from '../storage/presence.js'
import type { TreeWriter } from '../storage/write.js'
import type { Ghosts } from '../traffic/ghosts.js'
import type { Sessions } from '../traffic/sessions.js'
import type { Tombstones } from '../traffic/tombstones.js'
import type { Claims, ManifestClaim } from './claims.js'
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
  readonly linked: (repository: RepositoryName, digest: Digest, references: ManifestReferences | undefined) => void
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
  /** What it lists; `undefined` when it cannot be understood. Most such manifests the registry refuses, but not all. */
  readonly references: ManifestReferences | undefined
  /** The turn and the leases. */
  readonly claim: ManifestClaim
}

type Kind = 'blobs' | 'manifests'
type Listed = Pick<ManifestReferences, Kind>

/** As far as it is known. */
const NOTHING: Listed = { blobs: [], manifests: [] }
/** A name that does not say how its content is stored: as long as it is leased, nothing is swept. */
const ANYTHING = `sha512:${'0'.repeat(128)}` as Digest

export class Manifests {
  constructor (private readonly parts: ManifestParts) {}

  /** Takes the repository's turn, and leases the manifest and everything that it lists, or may list. */
  async begin (repository: RepositoryName, client: string, body: Buffer): Promise<Pushing> {
    const parsed = parseManifest(body)
    const references = parsed.outcome === 'references' ? parsed.references : undefined
    const digest = `sha256:${createHash('sha256').update(body).digest('hex')}` as Digest
    const listed = references === undefined ? [ANYTHING] : [...references.blobs, ...references.manifests]
    const claim = await this.parts.claims.beginManifest(repository, client, [digest, ...listed])
    return { repository, client, body, digest, references, missing: new Set(), claim }
  }

  /**
   * Sees to it that the registry knows the truth about what the manifest lists. For somebody who may not push there,
   * nothing is done: the registry refuses that.
   * @returns the answer that the client should have, where the registry would not tell the truth
   */
  async prepare (pushing: Pushing, credentials: Credentials): Promise<CodedError | undefined> {
    const { repository, references = NOTHING, digest: own, body, claim } = pushing
    const { ghosts, mayPush, writer } = this.parts
    const absent = await this.#absent(repository, references)
    if (absent.blobs.length + absent.manifests.length === 0 && !ghosts.has(own)) return undefined
    if (!await mayPush(repository, credentials)) return undefined
    // Stored before the registry makes a tag point to it: nobody is to meet a tag that leads nowhere.
    if (ghosts.has(own)) await writer.storeBlob(own, body)
    const blobs = await this.#missingBlobs(repository, absent.blobs, credentials)
    if ('lie' in blobs) return manifestBlobUnknown(blobs.lie)
    if (absent.manifests.length > 0) await claim.alone()
    const manifests = await this.#missingManifests(repository, absent.manifests, credentials)
    if ('lie' in manifests) return manifestBlobUnknown(manifests.lie)
    pushing.missing = new Set([...blobs.missing, ...manifests.missing])
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
    const { blobs, manifests } = references ?? NOTHING
    tombstones.unburyManifest(repository, digest)
    ghosts.remove(stored)
    if (!await presence.blob(stored)) {
      await writer.storeBlob(stored, body)
      log.warn({ repository, digest: stored }, 'the registry took a manifest for stored that was not; it was stored in its place')
    }
    if (digest === stored && !await presence.manifest(repository, digest)) await writer.linkRevision(repository, digest)
    const absent = await this.#absent(repository, { blobs, manifests })
    const gone = [...absent.blobs, ...absent.manifests].find(one => !missing.has(one))
    // No await from here on: what was leased is used now.
    linked(repository, digest, references)
    if (!tagged) sessions.lease(repository, client, digest)
    const listed = [...blobs, ...manifests]
    sessions.settle(repository, client, tagged ? [digest, ...listed] : listed)
    return gone === undefined ? undefined : manifestBlobUnknown(gone)
  }

  /** What is listed and not there. */
  async #absent (repository: RepositoryName, { blobs, manifests }: Listed): Promise<Listed> {
    const { presence } = this.parts
    const without = async (digests: readonly Digest[], isThere: (digest: Digest) => Promise<boolean>): Promise<Digest[]> => {
      const absent: Digest[] = []
      await each(digests, async digest => { if (!await isThere(digest)) absent.push(digest) })
      return absent
    }
    return {
      blobs: await without(blobs, async digest => await presence.layer(repository, digest)),
      manifests: await without(manifests, async digest => await presence.manifest(repository, digest))
    }
  }

  /**
   * Blobs that need not be there, after those that can be restored were. What the registry remembers although it is gone
   * is told to the client in its place, who uploads it then: making it forget would take the link away from somebody who
   * uploads it in this moment.
   */
  async #missingBlobs (repository: RepositoryName, digests: readonly Digest[], credentials: Credentials): Promise<{ missing: readonly Digest[] } | { lie: Digest }> {
    const { presence, restorer, memory } = this.parts
    const missing: Digest[] = []
    let lie: Digest | undefined
    await each(digests, async digest => {
      if (lie !== undefined) return
      await restorer.layer(repository, digest)
      if (await presence.layer(repository, digest)) return
      const isRemembered = await memory.remembers('blobs', repository, digest, credentials)
      if (await presence.layer(repository, digest)) return
      if (isRemembered) lie = digest
      else missing.push(digest)
    })
    return lie === undefined ? { missing } : { lie }
  }

  /**
   * Manifests that need not be there, after those that can be restored were. Whether the registry remembers one cannot be
   * asked: 3.1 looks into its cache for what an index lists, and on the disk for a HEAD. So it is made to forget it, by
   * somebody who has the repository's turn alone: nobody else links it in this moment.
   */
  async #missingManifests (repository: RepositoryName, digests: readonly Digest[], credentials: Credentials): Promise<{ missing: readonly Digest[] } | { lie: Digest }> {
    const { presence, restorer, memory, tombstones } = this.parts
    const missing: Digest[] = []
    let lie: Digest | undefined
    for (const digest of digests) await restorer.manifest(repository, digest)
    await each(digests, async digest => {
      if (lie !== undefined || await presence.manifest(repository, digest)) return
      const isRemembered = tombstones.isManifestBuried(repository, digest) || await memory.remembers('manifests', repository, digest, credentials)
      const { outcome } = await memory.forget('manifests', repository, digest, credentials)
      if (outcome === 'refused' && isRemembered) lie = digest
      else missing.push(digest)
    })
    return lie === undefined ? { missing } : { lie }
  }
}
