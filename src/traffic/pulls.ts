/**
 * Pulls that are running: whoever got a manifest is about to fetch what it lists. Until the client has all of it, or
 * has been idle for too long, that is leased: a deletion takes the tag and the manifest at once, but leaves the content
 * to the pull for the moment.
 */
import type { Digest } from '../oci/digest.js'
import type { RepositoryName } from '../oci/name.js'

interface Pull {
  /** All that the manifest lists. */
  readonly listed: ReadonlySet<Digest>
  /** What the manifest lists and the client has not fetched yet. */
  readonly missing: Set<Digest>
  /** How often the client has begun it again: what it got before does not count any more. */
  round: number
  /** Requests for content that run right now. */
  inFlight: number
  lastActive: number
}

/** The pulls of one client in one repository, by manifest. */
type Pulling = Map<Digest, Pull>

/**
 * The pulls that fetching something is a part of: those of manifests that list it, and those of the indexes that list
 * these. Another pull of the same client grows old meanwhile: many may be behind one address.
 */
function about (pulling: Pulling | undefined, digest: Digest, found = new Set<Pull>()): Set<Pull> {
  for (const [manifest, pull] of pulling ?? []) {
    if (found.has(pull) || !pull.listed.has(digest)) continue
    found.add(pull)
    about(pulling, manifest, found)
  }
  return found
}

/** After so many pulls, those that are over are looked for in every repository. */
const TIDY_EVERY = 256

export class Pulls {
  readonly #repositories = new Map<RepositoryName, Map<string, Pulling>>()
  /** What is being fetched right now, by whomever, with or without a manifest before. */
  readonly #fetching = new Map<RepositoryName, Map<Digest, number>>()

  /** @param idleSeconds how long a client may pause before it counts as done */
  constructor (private readonly idleSeconds: number) {}

  /**
   * A client got a manifest. Of what another one lists, it has this.
   * @returns whether a pull of this manifest is known already; it begins anew then
   */
  renew (repository: RepositoryName, client: string, manifest: Digest): boolean {
    const pulling = this.#repositories.get(repository)?.get(client)
    if (pulling === undefined) return false
    for (const pull of pulling.values()) {
      if (pull.missing.delete(manifest)) pull.lastActive = Date.now()
    }
    const pull = pulling.get(manifest)
    if (pull === undefined) return false
    pull.lastActive = Date.now()
    // The same client may pull it again, or twice at once.
    if (pull.missing.size === pull.listed.size) return true
    pull.listed.forEach(digest => { pull.missing.add(digest) })
    pull.round++
    return true
  }

  #begun = 0

  /** A client got a manifest. @param lists what it lists: config and layers, or the manifests of an index */
  begin (repository: RepositoryName, client: string, manifest: Digest, lists: readonly Digest[]): void {
    if (lists.length === 0) return
    // What nobody asks about would otherwise be remembered for ever.
    if (++this.#begun % TIDY_EVERY === 0) [...this.#repositories.keys()].forEach(name => { this.#tidy(name) })
    let clients = this.#repositories.get(repository)
    if (clients === undefined) this.#repositories.set(repository, clients = new Map())
    let pulling = clients.get(client)
    if (pulling === undefined) clients.set(client, pulling = new Map())
    pulling.set(manifest, { listed: new Set(lists), missing: new Set(lists), round: 0, inFlight: 0, lastActive: Date.now() })
  }

  /**
   * A client begins to fetch something; call the result when it has ended.
   * @returns takes whether the client got all of it
   */
  fetching (repository: RepositoryName, client: string, digest: Digest): (whole: boolean) => void {
    const pulls = [...about(this.#repositories.get(repository)?.get(client), digest)].map(pull => ({ pull, round: pull.round }))
    for (const { pull } of pulls) pull.inFlight++
    this.#count(repository, digest, 1)
    return whole => {
      this.#count(repository, digest, -1)
      for (const { pull, round } of pulls) {
        pull.inFlight--
        pull.lastActive = Date.now()
        // The end of a fetch is noticed a little later than its client has everything, and may have begun anew.
        if (whole && pull.round === round) pull.missing.delete(digest)
      }
      if (whole) this.#tidy(repository)
    }
  }

  /** A client deletes here itself: what it looked at before does not stand in its way. */
  drop (repository: RepositoryName, client: string): void {
    this.#repositories.get(repository)?.delete(client)
    this.#tidy(repository)
  }

  /** Whether this client is pulling something that lists this digest. */
  isPulling (repository: RepositoryName, client: string, digest: Digest): boolean {
    this.#tidy(repository)
    return [...this.#repositories.get(repository)?.get(client)?.values() ?? []].some(pull => pull.missing.has(digest))
  }

  leased (repository: RepositoryName, digest: Digest): boolean {
    return this.#fetching.get(repository)?.has(digest) === true || this.#live(repository).some(pull => pull.missing.has(digest))
  }

  leasedAnywhere (digest: Digest): boolean {
    return [...this.#repositories.keys(), ...this.#fetching.keys()].some(repository => this.leased(repository, digest))
  }

  /** Every lease, wherever it is. */
  allLeased (): Array<{ repository: RepositoryName, digest: Digest }> {
    const fetched = [...this.#fetching].flatMap(([repository, digests]) => [...digests.keys()].map(digest => ({ repository, digest })))
    const missing = [...this.#repositories.keys()].flatMap(repository => this.#live(repository).flatMap(pull => [...pull.missing].map(digest => ({ repository, digest }))))
    return [...fetched, ...missing]
  }

  /** How many pulls are running. */
  get open (): number {
    return [...this.#repositories.keys()].reduce((sum, repository) => sum + this.#live(repository).length, 0)
  }

  #count (repository: RepositoryName, digest: Digest, change: 1 | -1): void {
    let digests = this.#fetching.get(repository)
    if (digests === undefined) this.#fetching.set(repository, digests = new Map())
    const fetches = (digests.get(digest) ?? 0) + change
    if (fetches > 0) digests.set(digest, fetches)
    else digests.delete(digest)
    if (digests.size === 0) this.#fetching.delete(repository)
  }

  #live (repository: RepositoryName): Pull[] {
    this.#tidy(repository)
    return [...this.#repositories.get(repository)?.values() ?? []].flatMap(pulling => [...pulling.values()])
  }

  #tidy (repository: RepositoryName): void {
    const clients = this.#repositories.get(repository)
    if (clients === undefined) return
    const oldest = Date.now() - this.idleSeconds * 1000
    for (const [client, pulling] of clients) {
      for (const [manifest, pull] of pulling) {
        if (pull.missing.size === 0 || (pull.inFlight === 0 && pull.lastActive <= oldest)) pulling.delete(manifest)
      }
      if (pulling.size === 0) clients.delete(client)
    }
    if (clients.size === 0) this.#repositories.delete(repository)
  }
}
