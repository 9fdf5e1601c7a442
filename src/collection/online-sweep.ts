/**
 * Sweeps beside running traffic. For each blob: nothing linked uses it, nobody relies on it, and only then it goes, with
 * one rename. The races are written down in docs/garbage-collection.md.
 */
import { dirname } from 'node:path'
import type { States } from '../deletion/current.js'
import type { Digest } from '../oci/digest.js'
import type { RepositoryName } from '../oci/name.js'
import type { ReferenceIndex } from '../references/index.js'
import type { Aside } from '../storage/aside.js'
import { each } from '../storage/concurrency.js'
import * as paths from '../storage/paths.js'
import type { TreeReader } from '../storage/read.js'
import { NOTHING, type Extent, type TreeWriter } from '../storage/write.js'
import type { Leases } from '../traffic/leases.js'
import type { Tombstones } from '../traffic/tombstones.js'
import type { Keeper } from '../trash/trash.js'
import type { Turn } from './leftovers.js'

/**
 * An upload is leased from its answer on, and its link is a little older. A link that was leased when everything was tidied
 * is left to the next tidying, which takes an empty repository away, too. Milliseconds.
 */
const ANSWER_MS = 1000

export interface OnlineSweepParts {
  readonly reader: Pick<TreeReader, 'link' | 'blobModifiedAt'>
  readonly states: Pick<States, 'removing'>
  readonly writer: TreeWriter
  readonly aside: Aside
  readonly index: Pick<ReferenceIndex, 'isUsed' | 'linkedIn'>
  readonly leases: Pick<Leases, 'condemn' | 'isLeased'>
  readonly tombstones: Tombstones
  readonly turn: (repository: RepositoryName) => Promise<Turn>
  readonly trash: Keeper
}

/** A link that nothing uses, of a blob that goes. */
export interface Stray { readonly repository: RepositoryName, readonly digest: Digest, readonly extent: Extent }

export interface Swept {
  readonly removed: Map<Digest, Extent>
  readonly strays: Stray[]
  /** What running pushes and pulls rely on. */
  readonly leased: Set<Digest>
}

/**
 * @param youngest blobs and links that were written later than this may belong to a push whose lease is not known (one
 *   that began before Delgate did, or goes around it): they stay. Milliseconds since the epoch
 * @param named blobs that a deletion named: they go however young they are
 */
export class OnlineSweep {
  readonly swept: Swept = { removed: new Map(), strays: [], leased: new Set() }

  constructor (private readonly parts: OnlineSweepParts, private readonly youngest: number, private readonly named: ReadonlySet<Digest>) {}

  /** Sweeps those of the blobs that can go. */
  async sweep (digests: readonly Digest[]): Promise<void> {
    await each(digests, async digest => { await this.#sweepOne(digest) })
  }

  async #sweepOne (digest: Digest): Promise<void> {
    const { index, leases, aside, reader, trash } = this.parts
    if (index.isUsed(digest)) return
    if (!this.named.has(digest) && (await reader.blobModifiedAt(digest) ?? 0) > this.youngest) return
    for (const repository of index.linkedIn(digest)) {
      // Asked before the turn, which a manifest PUT that leases it may have.
      if (!leases.isLeased(digest) && await this.#unlink(repository, digest)) continue
      this.swept.leased.add(digest)
      return
    }
    await trash.keep(digest)
    // Asked and decided without awaiting: a manifest that is accepted is in the index before its leases end.
    const decided = index.isUsed(digest) ? undefined : leases.condemn(digest)
    if (decided === undefined && !index.isUsed(digest)) this.swept.leased.add(digest)
    const remove = decided === undefined ? undefined : await aside.take(digest).finally(decided)
    if (remove === undefined) {
      await trash.settle(digest, undefined)
      return
    }
    // It has gone for the registry, whether or not its files can be removed now.
    this.swept.removed.set(digest, NOTHING)
    this.swept.removed.set(digest, await trash.settle(digest, await remove()))
  }

  /**
   * Removes the link of a repository in which no manifest uses the blob: it must not be left to lead nowhere.
   * @returns false when a push or a pull relies on it
   */
  async #unlink (repository: RepositoryName, digest: Digest): Promise<boolean> {
    const { reader, states, writer, tombstones, index, turn } = this.parts
    const link = await reader.link('layer', paths.layerLink(repository, digest))
    if (link !== undefined && link.modifiedAt > this.youngest - ANSWER_MS) return false
    const { quiet, end } = await turn(repository)
    try {
      if (index.isUsed(digest) || !tombstones.buryLayer(repository, digest)) return false
      const directory = paths.layerDirectory(repository, digest)
      const removed = await states.removing({ repository, tags: [], manifests: [], history: [], layers: [digest], kept: [] })
      const extent = await writer.remove(directory).finally(removed)
      if (quiet) await writer.pruneUp([dirname(directory)])
      if (extent.directories > 0) this.swept.strays.push({ repository, digest, extent })
      return true
    } finally {
      end()
    }
  }
}
