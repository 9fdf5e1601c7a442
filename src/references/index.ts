/**
 * The reference index: which digest is used by which linked manifest, in memory, for the whole registry. Deletions and
 * sweeps ask it instead of reading every manifest.
 *
 * It learns from the disk in passes (`pass.ts`), and from the gate, which reports what it lets through. Reports are made
 * and questions are answered in one go, without awaiting. What a pass read before a report came is not applied to what
 * the report is about (`touched.ts`). Until the first pass has ended, everything counts as used.
 *
 * A link that somebody removes around the gate, without its directory, is noticed only by an `audit`, or at a start that
 * reads everything: too much is kept until then, never too little.
 */
import { join } from 'node:path'
import { publicReason } from '../errors.js'
import type { Digest } from '../oci/digest.js'
import type { ManifestReferences } from '../oci/manifest.js'
import type { RepositoryName } from '../oci/name.js'
import { PacedDisk } from '../storage/paced.js'
import * as paths from '../storage/paths.js'
import type { TreeReader } from '../storage/read.js'
import type { Damage } from '../storage/state.js'
import { NONE } from './cells.js'
import { blockingDamages, harmlessDamages } from './damages.js'
import type { Repository } from './folder.js'
import { Memory } from './memory.js'
import { Pass } from './pass.js'
import { reportLinked } from './reports.js'
import { Shelves, type Removal } from './shelves.js'
import { bytesOf } from './size.js'
import { Store } from './store.js'
import { Touched } from './touched.js'
import type { Sources } from './watch.js'
import { Weights } from './weights.js'

export interface ReferenceIndexOptions {
  /** The clock of the file system, milliseconds since the epoch. */
  readonly now?: () => number
  /** What files are read with. */
  readonly disk?: PacedDisk
  /** Where an index that was saved is, so that a start need not read everything. Default: it is not looked for. */
  readonly file?: string
}

export interface ReferenceIndexStats {
  /** Whether everything that is linked has been read. */
  readonly complete: boolean
  readonly repositories: number
  /** Linked manifests, each counted once. */
  readonly manifests: number
  readonly digests: number
  /** What it takes in memory; exact but for the few objects per repository, which are estimated. */
  readonly bytes: number
}

export class ReferenceIndex {
  readonly #memory = new Memory()
  readonly #touched = new Touched(this.#memory.digests)
  readonly #disk: PacedDisk
  readonly #now: () => number
  #isComplete = false
  #isPassing = false
  /** Why the last pass did not get through. */
  #failure: Damage | undefined
  /** Resolves when all that was begun has ended. */
  #tail: Promise<void> = Promise.resolve()
  /** The pass that has not started yet. */
  #next: Promise<void> | undefined
  #building: Promise<void> | undefined
  readonly #file: string | undefined
  readonly #store: Store
  /** What repositories and manifests take on the disk. */
  readonly weights: Weights

  /** @param reader reads the registry's tree */
  constructor (private readonly reader: TreeReader, options: ReferenceIndexOptions = {}) {
    this.#now = options.now ?? Date.now
    this.#disk = options.disk ?? new PacedDisk()
    this.#file = options.file
    this.#store = new Store(this.#memory, reader.root, this.#disk)
    this.weights = new Weights(this.#memory, this.#disk)
  }

  /** Whether everything that was linked at the start is known. */
  get isComplete (): boolean { return this.#isComplete }

  /** File operations so far, for measurements. */
  get work (): PacedDisk['work'] { return { ...this.#disk.work } }

  /**
   * Reads what is linked on the disk, beside running traffic; resolves when it is complete. Several may await it.
   * @param signal ends the reading; the index stays incomplete
   */
  async build (signal?: AbortSignal): Promise<void> {
    this.#building ??= this.#enqueue(signal).catch((error: unknown) => {
      this.#building = undefined
      throw error
    })
    await this.#building
  }

  /**
   * Brings the index up to date with the disk: whatever was there at the call is known when this resolves. It costs a few
   * `lstat` per repository; only directories that changed are listed, and only what is new in them is read.
   */
  async verify (): Promise<void> {
    await this.#enqueue()
  }

  /**
   * The same, and looks at every link again, for those that somebody removed around the gate without their directory. It
   * costs a look at a file per manifest: for full sweeps.
   */
  async audit (signal?: AbortSignal): Promise<void> {
    await this.#exclusively(async () => { await this.#pass(signal, true) })
  }

  /**
   * Saves the index for the next start. A pass that is asked for meanwhile waits for the end of it.
   * @returns `false` when there was nothing new to save
   */
  async save (path: string): Promise<boolean> {
    return await this.#exclusively(async () => this.#isComplete && this.#failure === undefined && await this.#store.save(path))
  }

  /**
   * Whether a linked manifest anywhere is this digest, or uses it: as config, layer or child, under this name or one of
   * another algorithm. While that is not known for certain, it counts as used.
   */
  isUsed (digest: Digest): boolean {
    const { digests, graph, unknown, isBlind } = this.#memory
    if (!this.#isComplete || unknown.size > 0 || isBlind) return true
    const id = digests.find(digest)
    if (id === NONE) return false
    return graph.isUsed(id) || this.#memory.aliasing(id).some(({ repository, name }) => graph.isUsedIn(name, repository.number))
  }

  /** Repositories with a linked manifest that is, or uses, this digest. @param limit at most so many, any of them */
  users (digest: Digest, limit = Number.POSITIVE_INFINITY): RepositoryName[] {
    const id = this.#memory.digests.find(digest)
    const users = new Set<RepositoryName>()
    if (id === NONE) return []
    for (const number of this.#memory.graph.users(id)) {
      if (users.size >= limit) break
      users.add(this.#memory.numbered(number).name)
    }
    for (const { repository, name } of this.#memory.aliasing(id)) {
      if (users.size < limit && this.#memory.graph.isUsedIn(name, repository.number)) users.add(repository.name)
    }
    return [...users]
  }

  /**
   * Repositories whose `_layers` have an entry for this digest, by its name or, where that is of another algorithm, by
   * what it holds. An entry whose link has gone counts too.
   */
  linkedIn (digest: Digest): RepositoryName[] {
    const id = this.#memory.digests.find(digest)
    if (id === NONE) return []
    const aliasing = new Set(this.#memory.aliasing(id).map(({ repository }) => repository))
    return [...this.#memory.repositories.values()]
      .filter(repository => aliasing.has(repository) || this.#memory.hasLayer(repository, id)).map(({ name }) => name)
  }

  /**
   * Reports a manifest that a push has linked; to be called once its link is on the disk, while its digests are still
   * leased.
   * @param references what it lists; `undefined` where that cannot be understood: then everything counts as used, until a
   *   pass over the disk has read it
   * @param stored what listed names of other algorithms than sha256 are stored as. Where that is neither given nor known
   *   it is read by the next `verify`, and until then everything counts as used.
   */
  linked (repository: RepositoryName, digest: Digest, references: ManifestReferences | undefined, stored: ReadonlyMap<Digest, Digest> = new Map()): void {
    reportLinked(this.#memory, this.#memory.repository(repository), digest, references, stored, this.#touch)
  }

  /**
   * To be called just before directories of revisions and layers are removed, and what it returns just after: the next
   * pass need not list what is left then, unless something else has changed there as well. One thing is not seen: somebody
   * else, around the gate, who removes one entry and adds another in that very moment.
   */
  async removing (removal: Removal): Promise<() => Promise<void>> {
    if (!this.#isComplete) return async () => {}
    const shelves = new Shelves(this.#memory, this.#touched, this.#sources(undefined))
    const before = await shelves.glance(removal)
    return async () => {
      await this.#exclusively(async () => {
        const repository = this.#memory.repositories.get(removal.repository)
        if (repository !== undefined) await this.#watched(async () => { await shelves.removed(repository, removal, before) })
      })
    }
  }

  /** What could hide a reference: while there is any, nothing may be swept. Each pass looks whether it has been mended. */
  get blocking (): readonly Damage[] {
    return this.#failure === undefined ? blockingDamages(this.#memory) : [this.#failure, ...blockingDamages(this.#memory)]
  }

  /** What is wrong with links of layers but can hide nothing. Tags are not looked at here. */
  get warnings (): readonly Damage[] { return harmlessDamages(this.#memory) }

  /** Repositories that one of the registry's versions cannot see: `_manifests` without `_layers`. */
  get lopsided (): readonly RepositoryName[] {
    return [...this.#memory.repositories.values()].filter(({ isLopsided }) => isLopsided).map(({ name }) => name)
  }

  repositories (): RepositoryName[] { return [...this.#memory.repositories.keys()].sort() }

  stats (): ReferenceIndexStats {
    const { repositories, graph, digests } = this.#memory
    return { complete: this.#isComplete, repositories: repositories.size, manifests: graph.manifests, digests: digests.cells.count, bytes: bytesOf(this.#memory) }
  }

  /** Only what is reported while the disk is read can be at odds with it. */
  readonly #touch = (repository: Repository, id: number): void => {
    if (this.#isPassing) this.#touched.add(repository, id)
  }

  /** The next pass: one that has begun already may not see what is on the disk now. */
  #enqueue (signal?: AbortSignal): Promise<void> {
    this.#next ??= this.#exclusively(async () => {
      this.#next = undefined
      await this.#pass(signal)
    })
    return this.#next
  }

  /** Passes and savings take turns. */
  #exclusively<T> (work: () => Promise<T>): Promise<T> {
    const done = this.#tail.then(work)
    this.#tail = done.then(() => {}, () => {})
    return done
  }

  async #pass (signal: AbortSignal | undefined, isAudit = false): Promise<void> {
    try {
      await this.#watched(async () => {
        await this.#disk.begin(join(this.reader.root, paths.REPOSITORIES))
        await this.#store.load(this.#file, signal)
        await new Pass(this.#memory, this.#touched, this.#sources(signal), isAudit).run()
      })
      this.#isComplete = true
      this.#failure = undefined
    } catch (error) {
      this.#failure = { kind: 'tree', path: paths.REPOSITORIES, reason: `the reference index could not be brought up to date: ${publicReason(error)}` }
      throw error
    }
  }

  #sources (signal: AbortSignal | undefined): Sources {
    return { disk: this.#disk, root: this.reader.root, now: this.#now, signal }
  }

  /** Reads the disk, while it is noted what reports are about. */
  async #watched (reading: () => Promise<void>): Promise<void> {
    this.#isPassing = true
    try {
      await reading()
    } finally {
      this.#isPassing = false
      this.#touched.clear()
    }
  }
}
