/**
 * When tags and manifests were last pulled through the gate. In memory, and bounded: when there are too many, those that
 * were pulled longest ago are forgotten, and what is not known then counts from the newest of them. So whoever deletes what
 * was not pulled for long keeps too much rather than too little. Pure.
 */
import type { Digest } from '../oci/digest.js'
import type { RepositoryName, Tag } from '../oci/name.js'
import type { Reference } from '../oci/route.js'

/** Times that are kept, of all repositories together; each takes some 200 bytes. Entries. */
const MAXIMUM = 200_000
/** Of those, so many are forgotten at once. A share. */
const FORGOTTEN_AT_ONCE = 0.1

/** What is known of one repository. Times are milliseconds since the epoch. */
export interface Times {
  /** By what the request named: a tag, or a digest. */
  readonly named: Map<Tag | Digest, number>
  /** Manifests that were got by a tag. */
  readonly tagged: Map<Digest, number>
  /** Tags that were deleted and put back: not pulled, but somebody wants them. */
  readonly restored: Map<Tag, number>
}

/** What was removed from a repository. */
export interface Removed {
  readonly repository: RepositoryName
  readonly tags: ReadonlyArray<{ readonly tag: Tag }>
  readonly manifests: readonly Digest[]
}

/** What those ask who decide what is not used any more. */
export type LastPulls = Pick<PullTimes, 'since' | 'lastPull' | 'lastPullByDigest' | 'restoredAt'>

export class PullTimes {
  readonly #repositories = new Map<RepositoryName, Times>()
  #entries = 0
  #since: number
  #version = 0

  /**
   * @param since when the record began, milliseconds since the epoch
   * @param maximum how many times are kept
   */
  constructor (since: number, private readonly maximum = MAXIMUM) { this.#since = since }

  /** What has no time was not pulled since then; before, it is not known. Milliseconds since the epoch. */
  get since (): number { return this.#since }

  /** Grows with every change. */
  get version (): number { return this.#version }

  /**
   * Somebody got a manifest, or was told that it is still what it was.
   * @param reference what the request named
   * @param digest what was got, where that is known
   */
  pulled (repository: RepositoryName, reference: Reference, digest: Digest | undefined, at = Date.now()): void {
    const times = this.#times(repository)
    if ('digest' in reference) {
      this.#set(times.named, reference.digest, at)
    } else {
      this.#set(times.named, reference.tag, at)
      if (digest !== undefined) this.#set(times.tagged, digest, at)
    }
    if (this.#entries > this.maximum) this.#forget()
  }

  /** Tags are there again that were deleted. */
  restored (repository: RepositoryName, tags: readonly Tag[], at = Date.now()): void {
    const { restored } = this.#times(repository)
    for (const tag of tags) this.#set(restored, tag, at)
    if (this.#entries > this.maximum) this.#forget()
  }

  /** Tags and manifests are gone: what is pushed under their names later was never pulled. */
  removed ({ repository, tags, manifests }: Removed): void {
    const times = this.#repositories.get(repository)
    if (times === undefined) return
    for (const { tag } of tags) for (const map of [times.named, times.restored]) this.#delete(map, tag)
    for (const digest of manifests) for (const map of [times.named, times.tagged]) this.#delete(map, digest)
    this.#tidy(repository, times)
  }

  /**
   * When a tag was last pulled by its name, or a manifest in any way, milliseconds since the epoch; `undefined`: not
   * since `since`.
   */
  lastPull (repository: RepositoryName, of: Tag | Digest): number | undefined {
    const times = this.#repositories.get(repository)
    const [named, tagged] = [times?.named.get(of), times?.tagged.get(of as Digest)]
    return named === undefined || tagged === undefined ? named ?? tagged : Math.max(named, tagged)
  }

  /** When anything of a repository was last pulled, milliseconds since the epoch; `undefined`: nothing since `since`. */
  lastPullIn (repository: RepositoryName): number | undefined {
    let last: number | undefined
    for (const at of this.#repositories.get(repository)?.named.values() ?? []) if (last === undefined || at > last) last = at
    return last
  }

  /** When a manifest was last pulled by its digest, whatever tags it has. */
  lastPullByDigest (repository: RepositoryName, digest: Digest): number | undefined { return this.#repositories.get(repository)?.named.get(digest) }

  /** When a tag was put back; `undefined`: it was not. */
  restoredAt (repository: RepositoryName, tag: Tag): number | undefined { return this.#repositories.get(repository)?.restored.get(tag) }

  /** Everything that is known. It may change between two of them. */
  * entries (): Generator<[RepositoryName, Times]> { yield * [...this.#repositories] }

  /** Takes what an earlier process knew. */
  load (repository: RepositoryName, { named, tagged, restored }: Times): void {
    const times = this.#times(repository)
    for (const [of, at] of named) this.#set(times.named, of, at)
    for (const [of, at] of tagged) this.#set(times.tagged, of, at)
    for (const [of, at] of restored) this.#set(times.restored, of, at)
    if (this.#entries > this.maximum) this.#forget()
  }

  #times (repository: RepositoryName): Times {
    let times = this.#repositories.get(repository)
    if (times === undefined) this.#repositories.set(repository, times = { named: new Map(), tagged: new Map(), restored: new Map() })
    return times
  }

  /** The clock may be set back: a time never goes back. */
  #set<Of> (map: Map<Of, number>, of: Of, at: number): void {
    const before = map.get(of)
    if (before !== undefined && before >= at) return
    if (before === undefined) this.#entries++
    map.set(of, at)
    this.#version++
  }

  #delete<Of> (map: Map<Of, number>, of: Of): void {
    if (!map.delete(of)) return
    this.#entries--
    this.#version++
  }

  /** Forgets the oldest. */
  #forget (): void {
    const all = Float64Array.from([...this.#repositories.values()].flatMap(({ named, tagged, restored }) => [...named.values(), ...tagged.values(), ...restored.values()])).sort()
    const newest = all[Math.floor(all.length * FORGOTTEN_AT_ONCE)]!
    for (const [repository, times] of this.#repositories) {
      for (const map of [times.named, times.tagged, times.restored] as Array<Map<Tag | Digest, number>>) {
        for (const [of, at] of map) if (at <= newest) this.#delete(map, of)
      }
      this.#tidy(repository, times)
    }
    this.#since = Math.max(this.#since, newest)
  }

  #tidy (repository: RepositoryName, { named, tagged, restored }: Times): void {
    if (named.size + tagged.size + restored.size === 0) this.#repositories.delete(repository)
  }
}
