/**
 * Layers and manifests that were unlinked from a repository while the registry's descriptor cache may still say that
 * they exist there (3.x also serves manifests by digest from it). Until the registry has forgotten them, the gate
 * answers "unknown" in its place, so a client uploads again.
 *
 * The decision to unlink a layer and the taking of a lease exclude each other, since both are made without awaiting:
 *
 *     lease first:     buryLayer() says no, the link stays, the claim is true
 *     tombstone first: the claim's answer is replaced by 404, the client uploads, the commit writes a new link
 */
import type { Digest } from '../oci/digest.js'
import type { RepositoryName } from '../oci/name.js'

export class Tombstones {
  readonly #layers = new Burials()
  readonly #manifests = new Burials()
  #generation = 0

  constructor (private readonly leased: (repository: RepositoryName, digest: Digest) => boolean) {}

  /** Marks a layer that is about to be unlinked; false when a running push relies on it. */
  buryLayer (repository: RepositoryName, digest: Digest): boolean {
    if (this.leased(repository, digest)) return false
    this.#layers.add(repository, digest, ++this.#generation)
    return true
  }

  /** Marks a manifest that is about to be unlinked. */
  buryManifest (repository: RepositoryName, digest: Digest): void {
    this.#manifests.add(repository, digest, ++this.#generation)
  }

  isLayerBuried (repository: RepositoryName, digest: Digest): boolean { return this.#layers.has(repository, digest) }
  isManifestBuried (repository: RepositoryName, digest: Digest): boolean { return this.#manifests.has(repository, digest) }

  /** What lies buried in a repository. */
  layersOf (repository: RepositoryName): Digest[] { return this.#layers.of(repository) }
  manifestsOf (repository: RepositoryName): Digest[] { return this.#manifests.of(repository) }

  /** The registry wrote the link again: an upload or a mount succeeded. */
  unburyLayer (repository: RepositoryName, digest: Digest): void { this.#layers.remove(repository, digest) }

  /** The registry wrote the link again: a manifest PUT succeeded. */
  unburyManifest (repository: RepositoryName, digest: Digest): void { this.#manifests.remove(repository, digest) }

  /** Counts burials: names a moment, for `clear`. */
  get generation (): number { return this.#generation }

  /** The registry was restarted, and has forgotten everything that lay buried at that moment. */
  clear (generation = this.#generation): void {
    this.#layers.clear(generation)
    this.#manifests.clear(generation)
  }

  get size (): number { return this.#layers.size + this.#manifests.size }
}

class Burials {
  readonly #byRepository = new Map<RepositoryName, Map<Digest, number>>()
  size = 0

  has (repository: RepositoryName, digest: Digest): boolean {
    return this.#byRepository.get(repository)?.has(digest) === true
  }

  of (repository: RepositoryName): Digest[] { return [...this.#byRepository.get(repository)?.keys() ?? []] }

  add (repository: RepositoryName, digest: Digest, generation: number): void {
    let digests = this.#byRepository.get(repository)
    if (digests === undefined) this.#byRepository.set(repository, digests = new Map())
    if (!digests.has(digest)) this.size++
    digests.set(digest, generation)
  }

  remove (repository: RepositoryName, digest: Digest): void {
    const digests = this.#byRepository.get(repository)
    if (digests?.delete(digest) === true) this.size--
    if (digests?.size === 0) this.#byRepository.delete(repository)
  }

  clear (generation: number): void {
    for (const [repository, digests] of this.#byRepository) {
      for (const [digest, buriedIn] of digests) if (buriedIn <= generation) this.remove(repository, digest)
    }
  }
}
