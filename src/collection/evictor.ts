/**
 * Makes the registry forget what was unlinked: everything that lies under a tombstone in a repository. The registry's
 * DELETE would also remove a link that was written meanwhile, so nobody may write it:
 *
 *     deletion  unlinks layer L of app; L lies under a tombstone
 *     client    uploads L again: the commit writes the link, and takes the tombstone away
 *     evictor   must not ask for L any more
 *
 * It has the repository's turn, so no manifest PUT runs and no upload begins; what runs already has its digest leased.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Digest } from '../oci/digest.js'
import type { RepositoryName } from '../oci/name.js'
import type { Credentials, Forgotten, Memory } from '../registry/memory.js'
import type { Presence } from '../storage/presence.js'
import type { Leases } from '../traffic/leases.js'
import type { RepositoryLocks } from '../traffic/locks.js'
import type { Reads } from '../traffic/reads.js'
import type { Tombstones } from '../traffic/tombstones.js'

export interface EvictorParts {
  readonly memory: Memory
  readonly tombstones: Tombstones
  readonly leases: Pick<Leases, 'isLinkLeased'>
  readonly locks: RepositoryLocks
  readonly reads: Reads
  readonly presence: Presence
  /** Told what came of it whenever the registry was told to forget something. */
  readonly onEvicted: (outcome: Forgotten['outcome'] | 'failed') => void
}

/** How long manifest reads that began before are waited for, seconds: the registry answers them at once, if at all. */
const READS_SECONDS = 30
/** What is leased may be so for a moment only, by a client that asks for it and is told no. */
const ATTEMPTS = 5
const BETWEEN_ATTEMPTS_MS = 50
/** How many the registry is asked about in one turn, all at once: pushes wait that long. */
const IN_ONE_TURN = 16

export type Evicted =
  | { readonly outcome: 'forgotten' }
  /** Something is leased: the registry will know better once that push has ended. */
  | { readonly outcome: 'leased' }
  | { readonly outcome: 'refused', readonly reason: string }

type Buried = { readonly kind: 'blobs' | 'manifests', readonly digest: Digest }

export class Evictor {
  constructor (private readonly parts: EvictorParts) {}

  /** @throws CodedError when the registry cannot be asked */
  async evict (repository: RepositoryName, credentials: Credentials): Promise<Evicted> {
    if (!await this.parts.reads.settled(repository, READS_SECONDS)) return { outcome: 'leased' }
    let outcome: Evicted = { outcome: 'forgotten' }
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (attempt > 0) await delay(BETWEEN_ATTEMPTS_MS)
      outcome = await this.#evictAll(repository, credentials)
      if (outcome.outcome !== 'leased') break
    }
    return outcome
  }

  async #evictAll (repository: RepositoryName, credentials: Credentials): Promise<Evicted> {
    const buried = this.#buried(repository)
    let leased = false
    for (let at = 0; at < buried.length; at += IN_ONE_TURN) {
      const turn = await this.parts.locks.exclusive(repository)
      try {
        const outcomes = await Promise.all(buried.slice(at, at + IN_ONE_TURN).map(async one => await this.#evictOne(repository, one, credentials)))
        const refused = outcomes.find(one => one.outcome === 'refused')
        if (refused !== undefined) return refused
        leased ||= outcomes.some(one => one.outcome === 'leased')
      } finally {
        turn()
      }
    }
    return { outcome: leased ? 'leased' : 'forgotten' }
  }

  #buried (repository: RepositoryName): Buried[] {
    const { tombstones } = this.parts
    return [
      ...tombstones.layersOf(repository).map(digest => ({ kind: 'blobs' as const, digest })),
      ...tombstones.manifestsOf(repository).map(digest => ({ kind: 'manifests' as const, digest }))
    ]
  }

  async #evictOne (repository: RepositoryName, { kind, digest }: Buried, credentials: Credentials): Promise<Evicted> {
    const { tombstones, leases, presence } = this.parts
    const isLayer = kind === 'blobs'
    const isBuried = (): boolean => isLayer ? tombstones.isLayerBuried(repository, digest) : tombstones.isManifestBuried(repository, digest)
    if (!isBuried()) return { outcome: 'forgotten' }
    if (isLayer && leases.isLinkLeased(repository, digest)) return { outcome: 'leased' }
    const isBack = isLayer ? await presence.layer(repository, digest) : await presence.manifest(repository, digest)
    const outcome = isBack ? { outcome: 'forgotten' as const } : await this.#forget(repository, { kind, digest }, credentials)
    if (outcome.outcome === 'refused') return outcome
    if (isLayer) tombstones.unburyLayer(repository, digest)
    else tombstones.unburyManifest(repository, digest)
    return outcome
  }

  async #forget (repository: RepositoryName, { kind, digest }: Buried, credentials: Credentials): Promise<Forgotten> {
    const { memory, onEvicted } = this.parts
    try {
      const forgotten = await memory.forget(kind, repository, digest, credentials)
      onEvicted(forgotten.outcome)
      return forgotten
    } catch (error) {
      onEvicted('failed')
      throw error
    }
  }
}
