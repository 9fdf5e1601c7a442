/**
 * Manifests whose blob was swept while the registry still remembers it beyond repositories: its process does, until it
 * is restarted. A PUT of such a manifest would be accepted, and nothing be stored.
 */
import type { Digest } from '../oci/digest.js'

/** More than these are forgotten, the oldest first: then what a PUT lacks is stored after it, not before. */
const MAXIMUM = 100_000

export class Ghosts {
  readonly #digests = new Set<Digest>()

  has (digest: Digest): boolean { return this.#digests.has(digest) }

  add (digest: Digest): void {
    if (this.#digests.size >= MAXIMUM) this.#digests.delete(this.#digests.values().next().value!)
    this.#digests.add(digest)
  }

  /** It is stored again. */
  remove (digest: Digest): void { this.#digests.delete(digest) }

  /** The registry was restarted. */
  clear (): void { this.#digests.clear() }
}
