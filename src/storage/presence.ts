/** Whether content is really there, as a client would find it: the link of the repository, and the blob behind it. */
import type { Digest } from '../oci/digest.js'
import type { RepositoryName } from '../oci/name.js'
import * as paths from './paths.js'
import type { TreeReader } from './read.js'

export class Presence {
  constructor (private readonly reader: Pick<TreeReader, 'link' | 'blobSize'>) {}

  /** A blob in a repository. */
  async layer (repository: RepositoryName, digest: Digest): Promise<boolean> {
    return await this.#behind(paths.layerLink(repository, digest))
  }

  /** A manifest in a repository. */
  async manifest (repository: RepositoryName, digest: Digest): Promise<boolean> {
    return await this.#behind(paths.revisionLink(repository, digest))
  }

  /** A blob, whoever links it. */
  async blob (digest: Digest): Promise<boolean> {
    return await this.reader.blobSize(digest) !== undefined
  }

  async #behind (link: string): Promise<boolean> {
    const found = await this.reader.link('layer', link)
    return found !== undefined && 'digest' in found && await this.blob(found.digest)
  }
}
