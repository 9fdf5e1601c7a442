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
    if (tagged) sessions.release(repository, client, digest)
    else sessions.lease(repository, client, digest)
    if (!manifest.readable) return
    for (const used of [...manifest.references.blobs, ...manifest.references.manifests]) {
      sessions.release(repository, client, used)
      await this.#relink(repository, used)
    }
  }

  /** Restores the link of a layer that was unlinked, when its content is still there. */
  async #relink (repository: RepositoryName, digest: Digest): Promise<void> {
    const { reader, writer, tombstones } = this.parts
    if (!tombstones.isLayerBuried(repository, digest) || await reader.blobSize(digest) === undefined) return
    await writer.linkLayer(repository, digest, digest)
    tombstones.unburyLayer(repository, digest)
  }
}
