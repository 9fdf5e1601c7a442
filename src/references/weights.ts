/**
 * How much of the disk repositories and manifests stand for, by the references and the sizes that are known. What was
 * not measured yet counts nothing, and is named.
 */
import type { Digest } from '../oci/digest.js'
import type { RepositoryName } from '../oci/name.js'
import type { PacedDisk } from '../storage/paced.js'
import type { Repository } from './folder.js'
import type { Memory } from './memory.js'
import { TagCounts } from './tag-counts.js'

/** So many digests are looked at between two looks at the clock. */
const DONE_AT_ONCE = 500
/** So many of those without a known size are named: a registry that was never measured has them by the hundred thousand. */
const NAMED_MAXIMUM = 5_000

/** What something takes. */
export interface Weight {
  /** Blobs that it uses, each counted once; bytes. */
  readonly bytes: number
  /** Those of them that nothing else uses: what is freed when it goes. Bytes. */
  readonly ownBytes: number
  /** Blobs whose sizes are not known, so that the rest is too small by them; not all, where there are many. */
  readonly unmeasured: readonly Digest[]
}

export interface Extent { readonly blobs: number, readonly bytes: number }

/** What is used in the whole registry. */
export interface Totals {
  /** Used by any linked manifest. */
  readonly used: Extent
  /** Used by more than one repository. */
  readonly shared: Extent
  readonly unmeasured: readonly Digest[]
}

export class Weights {
  constructor (private readonly memory: Memory, private readonly disk: PacedDisk) {}

  /** Notes the size of a blob, in bytes; of one that nothing uses, nothing is noted. */
  measured (digest: Digest, bytes: number): void {
    const id = this.memory.digests.find(digest)
    if (id === 0 || this.memory.sizes.get(id) === bytes) return
    this.memory.sizes.set(id, bytes)
    this.memory.version++
  }

  /** Lets others go on: to be called between two calculations of many. */
  async breathe (): Promise<void> { await this.disk.breathe() }

  /** How many manifests a repository has, and what it takes; `undefined` where there is no such repository. */
  repository (name: RepositoryName): (Weight & { readonly manifests: number }) | undefined {
    const repository = this.memory.repositories.get(name)
    if (repository === undefined) return undefined
    const manifests = [...this.#manifests(repository)]
    return { manifests: manifests.length, ...this.#weigh(this.#used(repository, manifests), id => this.#isAlone(id, repository)) }
  }

  /** What a repository takes, and nothing else about it: the bytes that `repository` tells, as far as they are known. */
  bytes (name: RepositoryName): number {
    const repository = this.memory.repositories.get(name)
    let bytes = 0
    if (repository !== undefined) for (const id of this.#used(repository, this.#manifests(repository))) bytes += this.memory.sizes.get(id) ?? 0
    return bytes
  }

  /** The bytes that a repository has in common with each of the others, where there are any. */
  shares (name: RepositoryName): ReadonlyMap<RepositoryName, number> {
    const repository = this.memory.repositories.get(name)
    const shares = new Map<RepositoryName, number>()
    if (repository === undefined) return shares
    for (const id of this.#used(repository, this.#manifests(repository))) {
      const bytes = this.memory.sizes.get(id) ?? 0
      for (const other of new Set(this.#users(id))) {
        if (other !== repository) shares.set(other.name, (shares.get(other.name) ?? 0) + bytes)
      }
    }
    return shares
  }

  /**
   * What some manifests of a repository take, with all that they list.
   * @param own those of them whose content counts as theirs alone, as far as no other manifest uses it
   */
  manifests (name: RepositoryName, all: Iterable<Digest>, own: Iterable<Digest>): Weight {
    const repository = this.memory.repositories.get(name)
    const idsOf = (digests: Iterable<Digest>): number[] => [...digests].map(digest => this.memory.digests.find(digest)).filter(id => id !== 0)
    if (repository === undefined) return { bytes: 0, ownBytes: 0, unmeasured: [] }
    const going = new Set(idsOf(own))
    const used = this.#used(repository, [...idsOf(all), ...going])
    return this.#weigh(used, id => this.#isOnlyIn(id, repository, going))
  }

  /** Begins to count what tags reach. */
  tagCounts (): TagCounts { return new TagCounts(this.memory) }

  /** Looks at everything, beside running requests: what changes meanwhile may be counted or not. */
  async totals (): Promise<Totals> {
    const { digests, sizes } = this.memory
    const used = { blobs: 0, bytes: 0 }
    const shared = { blobs: 0, bytes: 0 }
    const unmeasured: Digest[] = []
    for (let id = 1; id < digests.cells.end; id++) {
      if (id % DONE_AT_ONCE === 0) await this.disk.breathe()
      if (!digests.isHeld(id) || !this.#isStored(id)) continue
      const users = this.#howManyUse(id)
      if (users === 0) continue
      const bytes = sizes.get(id)
      if (bytes === undefined && unmeasured.length < NAMED_MAXIMUM) unmeasured.push(digests.digest(id))
      for (const extent of users > 1 ? [used, shared] : [used]) {
        extent.blobs++
        extent.bytes += bytes ?? 0
      }
    }
    return { used, shared, unmeasured }
  }

  #weigh (ids: Iterable<number>, isOwn: (id: number) => boolean): Weight {
    let [bytes, ownBytes] = [0, 0]
    const unmeasured: Digest[] = []
    for (const id of ids) {
      const size = this.memory.sizes.get(id)
      if (size === undefined && unmeasured.length < NAMED_MAXIMUM) unmeasured.push(this.memory.digests.digest(id))
      bytes += size ?? 0
      if (size !== undefined && isOwn(id)) ownBytes += size
    }
    return { bytes, ownBytes, unmeasured }
  }

  /** The manifests that a repository links, each once. */
  * #manifests (repository: Repository): Generator<number> {
    for (const { names } of repository.revisions.drawers.values()) {
      for (const id of names) {
        const entry = this.memory.entry(repository, id)
        if (entry.kind === 'link') yield entry.manifest
      }
    }
  }

  /** Some manifests and what they refer to, by what is stored, each once. */
  #used (repository: Repository, manifests: Iterable<number>): Set<number> {
    const used = new Set<number>()
    for (const manifest of manifests) {
      used.add(manifest)
      for (const id of this.memory.graph.referencesOf(manifest)) used.add(repository.oddities?.aliases.get(id) ?? id)
    }
    return used
  }

  /** The repositories that use what is stored, some more than once. */
  * #users (id: number): Generator<Repository> {
    for (const number of this.memory.graph.users(id)) yield this.memory.numbered(number)
    for (const { repository, name } of this.memory.aliasing(id)) {
      if (this.memory.graph.isUsedIn(name, repository.number)) yield repository
    }
  }

  #isAlone (id: number, repository: Repository): boolean {
    for (const user of this.#users(id)) if (user !== repository) return false
    return true
  }

  /** How many repositories use what is stored; two stands for any more. */
  #howManyUse (id: number): 0 | 1 | 2 {
    let first: Repository | undefined
    for (const user of this.#users(id)) {
      if (first !== undefined && user !== first) return 2
      first = user
    }
    return first === undefined ? 0 : 1
  }

  /** Whether it is used by some manifests of a repository, and by no others. */
  #isOnlyIn (id: number, repository: Repository, manifests: ReadonlySet<number>): boolean {
    if (!this.#isAlone(id, repository)) return false
    if (this.memory.graph.isLinked(id) && !manifests.has(id)) return false
    const names = [id, ...this.memory.aliasing(id).map(({ name }) => name)]
    return names.every(name => [...this.memory.graph.owners(name)].every(owner => manifests.has(owner)))
  }

  /** What is named by another algorithm, and stored under that of the registry, is counted there. */
  #isStored (id: number): boolean {
    return this.memory.digests.isSha256(id) || this.memory.sizes.get(id) !== undefined
  }
}
