/**
 * Gives back what a deletion unlinked and the registry still remembers, while its content is there: a client that
 * learned of it before may list it in a manifest, and the registry would take that manifest.
 */
import type { Digest } from '../oci/digest.js'
import type { RepositoryName } from '../oci/name.js'
import type { TreeReader } from '../storage/read.js'
import type { TreeWriter } from '../storage/write.js'
import type { Tombstones } from '../traffic/tombstones.js'

export interface RestoreParts {
  readonly reader: Pick<TreeReader, 'manifest' | 'blobSize'>
  readonly writer: Pick<TreeWriter, 'linkLayer' | 'linkRevision'>
  readonly tombstones: Tombstones
}

/** Callers have the repository's turn, so no deletion runs there, and lease what they restore. */
export class Restorer {
  constructor (private readonly parts: RestoreParts) {}

  /** Restores the link of a layer that was unlinked, when its content is still there. */
  async layer (repository: RepositoryName, digest: Digest): Promise<void> {
    const { reader, writer, tombstones } = this.parts
    if (!tombstones.isLayerBuried(repository, digest) || await reader.blobSize(digest) === undefined) return
    await writer.linkLayer(repository, digest, digest)
    tombstones.unburyLayer(repository, digest)
  }

  /** Restores a manifest that was unlinked, and what it uses, when its content is still there. */
  async manifest (repository: RepositoryName, digest: Digest): Promise<void> {
    const { reader, writer, tombstones } = this.parts
    if (!tombstones.isManifestBuried(repository, digest)) return
    const manifest = await reader.manifest(digest)
    if (!manifest.readable) return
    tombstones.unburyManifest(repository, digest)
    for (const blob of manifest.references.blobs) await this.layer(repository, blob)
    for (const child of manifest.references.manifests) await this.manifest(repository, child)
    await writer.linkRevision(repository, digest)
  }
}
