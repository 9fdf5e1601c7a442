/**
 * Push sessions: what one client is doing in one repository, from its first claim until its manifest is there.
 * A claim (HEAD blob that said yes, mount, upload commit, manifest pushed by digest) leases its digest: nothing that
 * is leased is unlinked or swept. A lease ends when a manifest that lists the digest has been pushed, or when the
 * client has been idle for too long.
 */
import { isCanonical, type Digest } from '../oci/digest.js'
import type { RepositoryName } from '../oci/name.js'

interface Lease {
  /** How many claims were made on a digest and not yet used by a manifest. */
  claims: number
  /** When the last of them was made. */
  at: number
}

interface Session {
  inFlight: number
  /** Leases that end with their request alone, not by the clock. */
  readonly held: boolean
  lastActive: number
  readonly leases: Map<Digest, Lease>
  /** Digests that a manifest of this push has used. */
  readonly used: Set<Digest>
  readonly uploads: Set<string>
}

/**
 * A claim that no manifest has used for so long belongs to no push any more, although its client is busy: many may be
 * behind one address, and some give up. Milliseconds.
 */
const CLAIM_LASTS_MS = 24 * 3_600_000

/** After so many requests of pushes, those that are over are looked for in every repository. */
const TIDY_EVERY = 256

export class Sessions {
  readonly #repositories = new Map<RepositoryName, Map<string, Session>>()
  /** How many sessions lease a digest, abandoned ones that were not noticed yet included: most digests are leased by none. */
  readonly #leasing = new Map<Digest, number>()
  /** Those of them under the name of another algorithm than the one that content is stored by. */
  readonly #aliases = new Set<Digest>()
  #holds = 0
  #begun = 0

  /**
   * @param idleSeconds how long a client may pause before its session counts as abandoned
   * @param changed called when a session may have ended
   */
  constructor (private readonly idleSeconds: number, private readonly changed: () => void = () => {}) {}

  /** A pushing request begins; call the result once when it has ended. */
  begin (repository: RepositoryName, client: string): () => void {
    // What nobody asks about would otherwise be remembered for ever.
    if (++this.#begun % TIDY_EVERY === 0) this.#allLive().forEach(session => { this.#drop(session, [...session.leases.keys()].filter(digest => !holds(session, digest))) })
    const session = this.#session(repository, client)
    session.inFlight++
    session.lastActive = Date.now()
    return () => {
      session.inFlight--
      session.lastActive = Date.now()
      this.#tidy(repository, client, session)
      this.changed()
    }
  }

  /** Protects a digest, from before the request that claims it is forwarded. */
  lease (repository: RepositoryName, client: string, digest: Digest): void {
    const { leases } = this.#session(repository, client)
    const lease = leases.get(digest)
    if (lease === undefined) this.#leasing.set(digest, (this.#leasing.get(digest) ?? 0) + 1)
    if (!isCanonical(digest)) this.#aliases.add(digest)
    leases.set(digest, { claims: (lease?.claims ?? 0) + 1, at: Date.now() })
  }

  /** Protects digests for as long as one request takes, whatever else its client does; call the result when it has ended. */
  hold (repository: RepositoryName, digests: readonly Digest[]): () => void {
    const name = `hold ${this.#holds++}`
    const session = this.#session(repository, name, true)
    for (const digest of digests) this.lease(repository, name, digest)
    return () => {
      this.#drop(session, [...session.leases.keys()])
      this.#repositories.get(repository)?.delete(name)
      if (this.#repositories.get(repository)?.size === 0) this.#repositories.delete(repository)
      this.changed()
    }
  }

  /** Gives one claim back: the registry said no, or a manifest uses the digest now. */
  release (repository: RepositoryName, client: string, digest: Digest): void {
    const session = this.#repositories.get(repository)?.get(client)
    const lease = session?.leases.get(digest)
    if (session === undefined || lease === undefined) return
    if (lease.claims > 1) lease.claims--
    else this.#drop(session, [digest])
    this.#tidy(repository, client, session)
    this.changed()
  }

  /**
   * A manifest was pushed that uses these digests. One claim on each is given back. Clients also ask for what they
   * have just uploaded (docker does): when nothing else of the push is left, those claims end too.
   */
  settle (repository: RepositoryName, client: string, digests: readonly Digest[]): void {
    const session = this.#repositories.get(repository)?.get(client)
    if (session === undefined) return
    for (const digest of digests) {
      session.used.add(digest)
      this.release(repository, client, digest)
    }
    const isOver = session.inFlight <= 1 && session.uploads.size === 0 && [...session.leases.keys()].every(digest => session.used.has(digest))
    if (!isOver) return
    this.#drop(session, [...session.leases.keys()])
    session.used.clear()
    this.changed()
  }

  uploadOpened (repository: RepositoryName, client: string, id: string): void {
    this.#session(repository, client).uploads.add(id)
  }

  uploadClosed (repository: RepositoryName, id: string): void {
    for (const session of this.#repositories.get(repository)?.values() ?? []) session.uploads.delete(id)
    this.changed()
  }

  leased (repository: RepositoryName, digest: Digest): boolean {
    return this.#live(repository).some(session => holds(session, digest))
  }

  /** Whether a running push relies on this digest, in whatever repository. */
  leasedAnywhere (digest: Digest): boolean {
    return this.#leasing.has(digest) && [...this.#repositories.keys()].some(repository => this.leased(repository, digest))
  }

  /** Whether something is leased under a name that does not say how it is stored. */
  leasesAlias (): boolean {
    return [...this.#aliases].some(digest => this.leasedAnywhere(digest))
  }

  /** Whether something is leased whose digest begins like this, e.g. `sha256:ab`. */
  leasesUnder (prefix: string): boolean {
    return [...this.#leasing.keys()].some(digest => digest.startsWith(prefix) && this.leasedAnywhere(digest))
  }

  /** Every lease, wherever it is. */
  allLeased (): Array<{ repository: RepositoryName, digest: Digest }> {
    return [...this.#repositories.keys()].flatMap(repository =>
      this.#live(repository).flatMap(session => [...session.leases.keys()].filter(digest => holds(session, digest)).map(digest => ({ repository, digest }))))
  }

  /** Whether this client has a push running here. */
  isOpen (repository: RepositoryName, client: string): boolean {
    const session = this.#repositories.get(repository)?.get(client)
    return session !== undefined && this.#isOpen(session)
  }

  /** Whether a push that is running has this upload open. */
  isUploading (repository: RepositoryName, id: string): boolean {
    return this.#live(repository).some(session => session.uploads.has(id))
  }

  /** Uploads that are open in pushes that are running. */
  get uploads (): number {
    return this.#allLive().reduce((sum, session) => sum + session.uploads.size, 0)
  }

  /** Pushing requests of any client that are in the registry's hands right now. */
  inFlight (repository: RepositoryName): number {
    return this.#live(repository).reduce((sum, session) => sum + session.inFlight, 0)
  }

  /** Whether any client has a pushing request in the registry's hands, in a repository that is `name` or lies below it. */
  isWritingUnder (name: string): boolean {
    return [...this.#repositories.keys()].some(repository => (repository === name || repository.startsWith(`${name}/`)) && this.inFlight(repository) > 0)
  }

  /** How many pushes are running. */
  get open (): number {
    return this.#allLive().length
  }

  #session (repository: RepositoryName, client: string, held = false): Session {
    let clients = this.#repositories.get(repository)
    if (clients === undefined) this.#repositories.set(repository, clients = new Map())
    let session = clients.get(client)
    if (session === undefined) clients.set(client, session = { inFlight: 0, held, lastActive: Date.now(), leases: new Map(), used: new Set(), uploads: new Set() })
    return session
  }

  /** The open sessions of a repository; the abandoned ones are forgotten on the way. */
  #live (repository: RepositoryName): Session[] {
    const clients = this.#repositories.get(repository)
    if (clients === undefined) return []
    for (const [client, session] of clients) {
      if (this.#isOpen(session)) continue
      this.#drop(session, [...session.leases.keys()])
      clients.delete(client)
    }
    if (clients.size === 0) this.#repositories.delete(repository)
    return [...clients.values()]
  }

  #drop (session: Session, digests: readonly Digest[]): void {
    for (const digest of digests) {
      if (!session.leases.delete(digest)) continue
      const sessions = this.#leasing.get(digest)! - 1
      if (sessions > 0) this.#leasing.set(digest, sessions)
      else this.#forget(digest)
    }
  }

  #forget (digest: Digest): void {
    this.#leasing.delete(digest)
    this.#aliases.delete(digest)
  }

  #allLive (): Session[] {
    return [...this.#repositories.keys()].flatMap(name => this.#live(name))
  }

  #isOpen (session: Session): boolean {
    if (session.inFlight > 0 || session.held) return true
    if (session.leases.size === 0 && session.uploads.size === 0) return false
    return Date.now() - session.lastActive < this.idleSeconds * 1000
  }

  #tidy (repository: RepositoryName, client: string, session: Session): void {
    if (session.inFlight > 0 || session.leases.size > 0 || session.uploads.size > 0) return
    const clients = this.#repositories.get(repository)
    if (clients?.get(client) === session) clients.delete(client)
    if (clients?.size === 0) this.#repositories.delete(repository)
  }
}

/** Whether a session still leases a digest. */
function holds ({ held, leases }: Session, digest: Digest): boolean {
  const lease = leases.get(digest)
  return lease !== undefined && (held || Date.now() - lease.at < CLAIM_LASTS_MS)
}
