/**
 * Gives back what a deletion unlinked and the registry still remembers, while its content is there: a client that
 * learned of it before may list it in a manifest, and the registry would take that manifest.
 */
import type { Digest } from '../oci/digest.js'
import type { ManifestReferences } from '../oci/manifest.js'
import type { RepositoryName } from '../oci/name.js'
import type { Presence } from '../storage/presence.js'
import type { TreeReader } from '../storage/read.js'
import type { TreeWriter } from '../storage/write.js'
import type { Leases } from '../traffic/leases.js'
import type { Sessions } from '../traffic/sessions.js'
import type { Tombstones } from '../traffic/tombstones.js'

export interface RestoreParts {
  readonly reader: Pick<TreeReader, 'manifest'>
  readonly writer: Pick<TreeWriter, 'linkLayer' | 'linkRevision'>
  readonly presence: Pick<Presence, 'layer' | 'manifest' | 'blob'>
  readonly tombstones: Tombstones
  readonly leases: Pick<Leases, 'isUndecided' | 'decided'>
  readonly sessions: Pick<Sessions, 'hold'>
  /** The write barrier of the reference index. */
  readonly linked: (repository: RepositoryName, digest: Digest, references: ManifestReferences) => void
}

/** A manifest that is to be linked again. */
interface Unlinked {
  readonly digest: Digest
  readonly references: ManifestReferences
}

/** Callers have the repository's turn, so no deletion runs there, and lease what they restore. */
export class Restorer {
  constructor (private readonly parts: RestoreParts) {}

  /** Restores the link of a layer that was unlinked, when its content is still there. */
  async layer (repository: RepositoryName, digest: Digest): Promise<void> {
    const { presence, writer, tombstones } = this.parts
    if (!tombstones.isLayerBuried(repository, digest) || !await presence.blob(digest)) return
    await writer.linkLayer(repository, digest, digest)
    tombstones.unburyLayer(repository, digest)
  }

  /**
   * Restores a manifest that was unlinked, and what it uses, whole or not at all. What it uses is known only once it is
   * read, and may be about to be swept:
   *
   *     sweep    finds that nothing uses layer L, and is about to decide
   *     restore  reads the manifest, waits for what is decided, leases L
   *     sweep    L is leased, and stays                            (or: L has gone, and the manifest is not linked)
   *     restore  links L and the manifest, tells the index, and ends the lease
   */
  async manifest (repository: RepositoryName, digest: Digest): Promise<void> {
    const { tombstones, leases, sessions } = this.parts
    if (!tombstones.isManifestBuried(repository, digest)) return
    const manifests = await this.#unlinkedIn(repository, digest)
    const needs = [...new Set(manifests.flatMap(({ digest, references: { blobs, manifests } }) => [digest, ...blobs, ...manifests]))]
    while (needs.some(one => leases.isUndecided(one))) await leases.decided(needs)
    const release = sessions.hold(repository, needs)
    try {
      if (await this.#isWhole(repository, manifests)) await this.#link(repository, manifests)
    } finally {
      release()
    }
  }

  /** The manifest and those below it that were unlinked, too; the lowest first. */
  async #unlinkedIn (repository: RepositoryName, digest: Digest, found = new Map<Digest, Unlinked>()): Promise<readonly Unlinked[]> {
    const { reader, tombstones } = this.parts
    const manifest = await reader.manifest(digest)
    if (manifest.readable) {
      for (const child of manifest.references.manifests) if (!found.has(child) && tombstones.isManifestBuried(repository, child)) await this.#unlinkedIn(repository, child, found)
      found.set(digest, { digest, references: manifest.references })
    }
    return [...found.values()]
  }

  /** Whether everything that they list is there, or can be given back. */
  async #isWhole (repository: RepositoryName, manifests: readonly Unlinked[]): Promise<boolean> {
    const { presence, tombstones } = this.parts
    const restored = new Set(manifests.map(({ digest }) => digest))
    for (const { digest, references } of manifests) {
      if (!await presence.blob(digest)) return false
      for (const blob of references.blobs) {
        if (!(await presence.layer(repository, blob) || (tombstones.isLayerBuried(repository, blob) && await presence.blob(blob)))) return false
      }
      for (const child of references.manifests) if (!restored.has(child) && !await presence.manifest(repository, child)) return false
    }
    return true
  }

  async #link (repository: RepositoryName, manifests: readonly Unlinked[]): Promise<void> {
    const { writer, tombstones, linked } = this.parts
    for (const { digest, references } of manifests) {
      for (const blob of references.blobs) await this.layer(repository, blob)
      await writer.linkRevision(repository, digest)
      tombstones.unburyManifest(repository, digest)
      linked(repository, digest, references)
    }
  }
}
