/**
 * What nobody may take away at the moment, and the one place where that is decided. The decision to sweep a digest and
 * the taking of a lease exclude each other, per digest, since both are made without awaiting anything:
 *
 *     lease first:  condemn() says no, the blob stays, the claim is true
 *     sweep first:  the claim waits until the blob is gone (one rename), is then forwarded, and gets the truth
 *
 * A blob is stored by its sha256 digest. A claim under another algorithm's name does not say which blob it is about, so
 * it excludes every sweep, and every sweep excludes it.
 */
import { isCanonical, type Digest } from '../oci/digest.js'
import type { RepositoryName } from '../oci/name.js'
import type { Pulls } from './pulls.js'
import type { Sessions } from './sessions.js'

export class Leases {
  readonly #condemned = new Map<Digest, Promise<void>>()
  #longestWaitMs = 0
  #waiting = 0

  /** @param onWaited told how long a claim had to wait, seconds */
  constructor (private readonly sessions: Pick<Sessions, 'leased' | 'leasedAnywhere' | 'leasesAlias'>, private readonly pulls: Pick<Pulls, 'leased' | 'leasedAnywhere'>, private readonly onWaited: (seconds: number) => void = () => {}) {}

  /** Claims that wait for a deletion or a sweep right now. */
  get waiting (): number { return this.#waiting }

  /** The longest that a claim has waited for a deletion or a sweep since the start, milliseconds. */
  get longestWaitMs (): number { return this.#longestWaitMs }

  /** Whether a running push or pull relies on a repository's link to this digest. */
  isLinkLeased (repository: RepositoryName, digest: Digest): boolean {
    return this.sessions.leased(repository, digest) || this.pulls.leased(repository, digest)
  }

  /** Whether a running push or pull anywhere relies on this blob. */
  isLeased (digest: Digest): boolean {
    return this.sessions.leasedAnywhere(digest) || this.pulls.leasedAnywhere(digest) || this.sessions.leasesAlias()
  }

  /**
   * Decides that a blob goes, unless it is leased. Until the result is called, claims on it wait.
   * @returns `undefined` when it is leased, or being swept already
   */
  condemn (digest: Digest): (() => void) | undefined {
    if (this.#condemned.has(digest) || this.isLeased(digest)) return undefined
    let decided = (): void => {}
    this.#condemned.set(digest, new Promise(resolve => { decided = resolve }))
    return () => {
      this.#condemned.delete(digest)
      decided()
    }
  }

  /** Whether a claim on this digest would have to wait. */
  isUndecided (digest: Digest): boolean {
    return this.#condemned.has(digest) || (!isCanonical(digest) && this.#condemned.size > 0)
  }

  /**
   * Resolves when none of these digests is being swept. The caller takes its leases right after, without awaiting
   * anything in between.
   */
  async decided (digests: readonly Digest[]): Promise<void> {
    for (let undecided = digests.filter(digest => this.isUndecided(digest)); undecided.length > 0; undecided = digests.filter(digest => this.isUndecided(digest))) {
      await Promise.all(undecided.flatMap(digest => this.#condemned.get(digest) ?? [...this.#condemned.values()]))
    }
  }

  /** A claim waits until it may go on; call the result then. */
  wait (): () => void {
    const since = performance.now()
    this.#waiting++
    return () => {
      const waitedMs = performance.now() - since
      this.#waiting--
      this.#longestWaitMs = Math.max(this.#longestWaitMs, waitedMs)
      this.onWaited(waitedMs / 1000)
    }
  }
}
