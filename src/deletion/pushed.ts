/**
 * What is done when the registry has accepted a manifest: its claims have become references. And the one lie that the
 * registry's cache can tell a manifest PUT is mended: it accepts a layer whose link was removed and is remembered.
 */
import type { Digest } from '../oci/digest.js'
import type { RepositoryName } from '../oci/name.js'
import type { TreeReader } from '../storage/read.js'
import type { TreeWriter } from '../storage/write.js'
import type { Sessions } from '../traffic/sessions.js'
import type { Tombstones } from '../traffic/tombstones.js'

export interface PushedParts {
  readonly reader: TreeReader
  readonly writer: TreeWriter
  readonly sessions: Sessions
  readonly tombstones: Tombstones
}

export class Pushed {
  constructor (private readonly parts: PushedParts) {}

  /**
   * A manifest was accepted; the repository's lock is still held, so no deletion runs.
   * @param tagged whether a tag points to it now; otherwise an index may follow, and it is leased until then
   */
  async manifest (repository: RepositoryName, digest: Digest, client: string, tagged: boolean): Promise<void> {
    const { reader, sessions, tombstones } = this.parts
    tombstones.unburyManifest(repository, digest)
    const manifest = await reader.manifest(digest)
    if (!tagged) sessions.lease(repository, client, digest)
    const { blobs, manifests } = manifest.readable ? manifest.references : { blobs: [], manifests: [] }
    for (const blob of [...blobs, ...manifests]) await this.#relinkLayer(repository, blob)
    for (const child of manifests) await this.#relinkManifest(repository, child)
    sessions.settle(repository, client, tagged ? [digest, ...blobs, ...manifests] : [...blobs, ...manifests])
  }

  /** Restores a manifest that was unlinked, and what it uses, when its content is still there. */
  async #relinkManifest (repository: RepositoryName, digest: Digest): Promise<void> {
    const { reader, writer, tombstones } = this.parts
    if (!tombstones.isManifestBuried(repository, digest)) return
    const manifest = await reader.manifest(digest)
    if (!manifest.readable) return
    tombstones.unburyManifest(repository, digest)
    for (const blob of manifest.references.blobs) await this.#relinkLayer(repository, blob)
    for (const child of manifest.references.manifests) await this.#relinkManifest(repository, child)
    await writer.linkRevision(repository, digest)
  }

  /** Restores the link of a layer that was unlinked, when its content is still there. */
  async #relinkLayer (repository: RepositoryName, digest: Digest): Promise<void> {
    const { reader, writer, tombstones } = this.parts
    if (!tombstones.isLayerBuried(repository, digest) || await reader.blobSize(digest) === undefined) return
    await writer.linkLayer(repository, digest, digest)
    tombstones.unburyLayer(repository, digest)
  }
}
