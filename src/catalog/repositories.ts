/** Repositories, each with what it takes on the disk. */
import type { Repository } from '../interface/catalog.js'
import type { Digest } from '../oci/digest.js'
import type { RepositoryName, Tag } from '../oci/name.js'
import type { ReferenceIndex } from '../references/index.js'
import type { Allowance, Measure } from './measure.js'
import type { TagTimesReader } from './tag-times.js'

/** As the interface answers it. */
export interface RepositorySummary extends Repository { readonly name: RepositoryName }

/** When something was pulled last, milliseconds since the epoch; of the whole repository where neither tag nor digest is named. */
export type LastPull = (repository: RepositoryName, what?: Tag | Digest) => number | undefined

export interface RepositoriesParts {
  readonly index: ReferenceIndex
  readonly tagTimes: TagTimesReader
  readonly measure: Measure
  readonly lastPull: LastPull
}

/** How old what is known may be before the disk is looked at again, for what was pushed around the gate. Milliseconds. */
const VERIFY_AFTER_MS = 30_000
/** The order by size is worth this much time. Milliseconds. */
const ORDER_MS = 10_000

export const isoTime = (milliseconds: number | undefined): string | null => milliseconds === undefined ? null : new Date(milliseconds).toISOString()

export class Repositories {
  #verifiedAt = Date.now()
  #bySize: { readonly names: readonly RepositoryName[], readonly at: number } | undefined

  constructor (private readonly parts: RepositoriesParts) {}

  /** Whether all of them are known. */
  get isComplete (): boolean { return this.parts.index.isComplete }

  /** All that are known, in order of name. Some may be gone. */
  byName (): readonly RepositoryName[] {
    this.#look()
    return this.parts.index.repositories()
  }

  /** The same, those first that take most. */
  async bySize (): Promise<readonly RepositoryName[]> {
    if (this.#bySize !== undefined && Date.now() - this.#bySize.at < ORDER_MS) return this.#bySize.names
    const sizes = new Map<RepositoryName, number>()
    for (const name of this.byName()) {
      sizes.set(name, this.parts.index.weights.bytes(name))
      await this.parts.index.weights.breathe()
    }
    const names = [...sizes.keys()].sort((a, b) => sizes.get(b)! - sizes.get(a)!)
    this.#bySize = { names, at: Date.now() }
    return names
  }

  /** What may be spent on measuring, for one answer with some summaries. */
  allowance (): Allowance { return this.parts.measure.allowance() }

  /** `undefined` where there is no such repository. */
  async summary (name: RepositoryName, allowance: Allowance): Promise<RepositorySummary | undefined> {
    const { index, tagTimes, measure, lastPull } = this.parts
    const times = await tagTimes.of(name)
    if (times === undefined) return undefined
    const { manifests, bytes, ownBytes, measured } = await measure.weigh(() => index.weights.repository(name) ?? { manifests: 0, bytes: 0, ownBytes: 0, unmeasured: [] }, allowance)
    return { name, tags: times.tags, manifests, bytes, ownBytes, measured, pushedAt: isoTime(times.pushedAt), pulledAt: isoTime(lastPull(name)) }
  }

  /** What it has in common with others, those first with which it has most. */
  shares (name: RepositoryName): Array<{ readonly repository: RepositoryName, readonly bytes: number }> {
    return [...this.parts.index.weights.shares(name)].map(([repository, bytes]) => ({ repository, bytes })).sort((a, b) => b.bytes - a.bytes)
  }

  /** Looks at the disk now and then; what is asked meanwhile is answered from what is known. */
  #look (): void {
    const { index } = this.parts
    if (!index.isComplete || Date.now() - this.#verifiedAt < VERIFY_AFTER_MS) return
    this.#verifiedAt = Date.now()
    // What cannot be read is said by collections and by the status.
    index.verify().catch(() => {})
  }
}
