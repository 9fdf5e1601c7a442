/**
 * A claim is a request that relies on content being there. Its digests are leased from before the request is forwarded;
 * between the moment in which nobody takes them away and the lease nothing is awaited.
 */
import type { Digest } from '../oci/digest.js'
import type { RepositoryName } from '../oci/name.js'
import type { Leases } from '../traffic/leases.js'
import type { RepositoryLocks } from '../traffic/locks.js'
import type { Sessions } from '../traffic/sessions.js'

export interface ClaimParts {
  readonly sessions: Sessions
  readonly leases: Leases
  readonly locks: RepositoryLocks
}

/** A claim that was made. */
export interface Claim {
  /** The registry said yes: the lease outlives the request, until a manifest uses the digest or the client is idle for too long. */
  keep (): void
  /** The request has ended. */
  end (): void
}

/** A manifest PUT that may go on: it has the repository's turn, beside others, and everything that it lists is leased. */
export interface ManifestClaim {
  /** Waits for the repository's turn alone, in place of the other: nobody else writes a manifest there until the end. */
  alone (): Promise<void>
  end (): void
}

export class Claims {
  constructor (private readonly parts: ClaimParts) {}

  /**
   * Begins a request of a push, once no deletion has its turn in the repository.
   * @param digest what it relies on, if that can be told from it
   * @param changes whether it may change the repository: then it waits for deletions there
   */
  async begin (repository: RepositoryName, client: string, digest: Digest | undefined, changes: boolean): Promise<Claim> {
    const { sessions, leases, locks } = this.parts
    const waited = leases.wait()
    for (;;) {
      const turn = changes && locks.isContended(repository) ? await locks.shared(repository) : undefined
      if (digest === undefined || !leases.isUndecided(digest)) {
        // No await from here on: a deletion or a sweep that starts after this sees the session and the lease.
        const ended = sessions.begin(repository, client)
        if (digest !== undefined) sessions.lease(repository, client, digest)
        turn?.()
        waited()
        return this.#claim(repository, client, digest, ended)
      }
      turn?.()
      await leases.decided([digest])
    }
  }

  /** Begins a manifest PUT: with the repository's turn, and everything that it lists leased, until its end. */
  async beginManifest (repository: RepositoryName, client: string, digests: readonly Digest[]): Promise<ManifestClaim> {
    const { sessions, leases, locks } = this.parts
    const waited = leases.wait()
    let turn = await locks.shared(repository)
    let isOver = false
    while (digests.some(digest => leases.isUndecided(digest))) await leases.decided(digests)
    const ended = sessions.begin(repository, client)
    const release = sessions.hold(repository, digests)
    waited()
    return {
      alone: async () => {
        // Two that waited for each other's turn would wait for ever.
        turn()
        turn = await locks.exclusive(repository)
        if (isOver) turn()
      },
      end: () => {
        isOver = true
        release()
        ended()
        turn()
      }
    }
  }

  /** Leases what a mount takes from another repository, for the length of the request. */
  async beginMount (from: RepositoryName, digest: Digest): Promise<() => void> {
    const { sessions, leases } = this.parts
    while (leases.isUndecided(digest)) await leases.decided([digest])
    return sessions.hold(from, [digest])
  }

  #claim (repository: RepositoryName, client: string, digest: Digest | undefined, ended: () => void): Claim {
    let kept = false
    return {
      keep: () => { kept = true },
      end: () => {
        if (digest !== undefined && !kept) this.parts.sessions.release(repository, client, digest)
        ended()
      }
    }
  }
}
