/**
 * Layers that were unlinked from a repository while the registry's descriptor cache may still say that they exist
 * there. Until the registry has forgotten them, the gate answers "unknown" in its place, so a client uploads again.
 *
 * The decision to unlink and the taking of a lease exclude each other, since both are made without awaiting:
 *
 *     lease first:     bury() says no, the link stays, the claim is true
 *     tombstone first: the claim's answer is replaced by 404, the client uploads, the commit writes a new link
 */
import type { Digest } from '../oci/digest.js'
import type { RepositoryName } from '../oci/name.js'

export class Tombstones {
  readonly #buried = new Map<RepositoryName, Set<Digest>>()

  constructor (private readonly leased: (repository: RepositoryName, digest: Digest) => boolean) {}

  /** Marks a layer that is about to be unlinked; false when a running push relies on it. */
  bury (repository: RepositoryName, digest: Digest): boolean {
    if (this.leased(repository, digest)) return false
    let digests = this.#buried.get(repository)
    if (digests === undefined) this.#buried.set(repository, digests = new Set())
    digests.add(digest)
    return true
  }

  isBuried (repository: RepositoryName, digest: Digest): boolean {
    return this.#buried.get(repository)?.has(digest) === true
  }

  anyBuried (repository: RepositoryName): boolean {
    return this.#buried.has(repository)
  }

  /** The registry wrote the link again: an upload or a mount succeeded. */
  unbury (repository: RepositoryName, digest: Digest): void {
    const digests = this.#buried.get(repository)
    digests?.delete(digest)
    if (digests?.size === 0) this.#buried.delete(repository)
  }

  /** The registry has forgotten everything: it was restarted. */
  clear (): void {
    this.#buried.clear()
  }

  get size (): number {
    return [...this.#buried.values()].reduce((sum, digests) => sum + digests.size, 0)
  }
}
