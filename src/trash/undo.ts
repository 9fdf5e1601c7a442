/**
 * Puts back what a deletion removed. What a crash leaves in the middle is finished by doing it again: each step may be
 * repeated, and the tags come last, so nothing can be pulled before it is whole.
 *
 * Nobody else deletes in its repositories meanwhile, and nothing that it needs is swept: it has their turn, and leases
 * all of it. Something newer is never overwritten.
 */
import type { Receipt } from '../deletion/receipt.js'
import { denied, jobNotKept } from '../errors.js'
import type { Digest } from '../oci/digest.js'
import type { RepositoryName, Tag } from '../oci/name.js'
import type { ReferenceIndex } from '../references/index.js'
import type { KeptAside } from '../storage/kept-aside.js'
import type { Presence } from '../storage/presence.js'
import * as paths from '../storage/paths.js'
import type { TreeReader } from '../storage/read.js'
import type { RepositoryStates } from '../storage/states.js'
import type { TreeWriter } from '../storage/write.js'
import type { Leases } from '../traffic/leases.js'
import type { RepositoryLocks } from '../traffic/locks.js'
import type { Sessions } from '../traffic/sessions.js'
import type { Tombstones } from '../traffic/tombstones.js'
import type { Kept } from './record.js'
import type { Trash } from './trash.js'

export interface UndoParts {
  readonly trash: Trash
  readonly kept: KeptAside
  readonly reader: Pick<TreeReader, 'tag' | 'manifest'>
  readonly presence: Pick<Presence, 'manifest' | 'layer'>
  readonly writer: Pick<TreeWriter, 'linkLayer' | 'linkRevision'>
  readonly states: Pick<RepositoryStates, 'forget'>
  readonly index: Pick<ReferenceIndex, 'linked'>
  readonly tombstones: Pick<Tombstones, 'unburyLayer' | 'unburyManifest'>
  readonly locks: Pick<RepositoryLocks, 'exclusive'>
  readonly leases: Pick<Leases, 'isUndecided' | 'decided'>
  readonly sessions: Pick<Sessions, 'hold'>
  /** Tags are there again. */
  readonly restored: (repository: RepositoryName, tags: readonly Tag[]) => void
}

/** What was put back. */
export type Restored = Pick<Receipt, 'tags' | 'manifests' | 'blobs'>

const NOTHING: Restored = { tags: [], manifests: [], blobs: [] }

export class Undo {
  constructor (private readonly parts: UndoParts) {}

  /**
   * Does something with the turn of all repositories that a job's trash is about, and everything in it leased.
   * @throws CodedError 410 when nothing is kept of the job
   */
  async reserve<T> (job: string, work: (plans: readonly Kept[]) => Promise<T>): Promise<T> {
    const { trash, locks, leases, sessions } = this.parts
    const reserved = trash.reserve(job)
    if (reserved === undefined) throw jobNotKept(job, 'what was kept of it is gone')
    const ends: Array<() => void> = [reserved.release]
    try {
      const { plans } = reserved
      // In order of name, so that two that need several repositories cannot wait for each other.
      for (const repository of [...new Set(plans.map(plan => plan.repository))].sort()) ends.push(await locks.exclusive(repository))
      const digests = plans.flatMap(needsOf)
      while (digests.some(digest => leases.isUndecided(digest))) await leases.decided(digests)
      for (const plan of plans) ends.push(sessions.hold(plan.repository, needsOf(plan)))
      return await work(plans)
    } finally {
      ends.reverse().forEach(end => { end() })
    }
  }

  /** @throws CodedError 409 when something newer is in the way, 410 when something is missing */
  async check (job: string, plans: readonly Kept[]): Promise<void> {
    const { trash, reader, presence } = this.parts
    for (const { repository, tags, manifests, candidates } of plans) {
      for (const { tag, digest } of tags) {
        const current = (await reader.tag(repository, tag)).value?.current
        if (current !== undefined && current !== digest) throw denied(`tag ${tag} of ${repository} points to ${current} by now; delete it first, or push what was deleted under another name`, { repository, tag, digest: current })
        if (digest === undefined || manifests.includes(digest) || await presence.manifest(repository, digest)) continue
        const holder = trash.holderOf(repository, digest)
        if (holder !== undefined) throw denied(`tag ${tag} of ${repository} pointed to ${digest}, which job ${holder} deleted; undo that first`, { repository, tag, digest, job: holder })
        throw jobNotKept(job, `tag ${tag} of ${repository} pointed to ${digest}, which is gone`, { repository, tag, digest })
      }
      for (const digest of candidates) {
        if (!await trash.has(digest)) throw jobNotKept(job, `${digest} is gone`, { repository, digest })
      }
    }
  }

  /** Puts everything back. */
  async restore (job: string, plans: readonly Kept[]): Promise<Restored> {
    let restored = NOTHING
    for (const plan of plans) {
      const one = await this.#restoreOne(job, plan)
      restored = { tags: [...restored.tags, ...one.tags], manifests: [...restored.manifests, ...one.manifests], blobs: [...restored.blobs, ...one.blobs] }
    }
    return restored
  }

  async #restoreOne (job: string, plan: Kept): Promise<Restored> {
    const { repository, tags, manifests, history, layers, candidates } = plan
    const { trash, kept, states, tombstones } = this.parts
    const blobs: Array<{ digest: Digest, bytes: number }> = []
    for (const digest of candidates) {
      const bytes = await trash.restoreBlob(digest)
      if (bytes !== undefined) blobs.push({ digest, bytes })
    }
    try {
      await kept.ensureLayers(repository)
      for (const digest of layers) {
        await kept.restore(job, paths.layerDirectory(repository, digest))
        tombstones.unburyLayer(repository, digest)
      }
      await this.#supply(plan)
      for (const digest of manifests) {
        await kept.restore(job, paths.revisionDirectory(repository, digest))
        tombstones.unburyManifest(repository, digest)
        await this.#tellIndex(repository, digest)
      }
      for (const { tag } of tags) await kept.restore(job, paths.tagDirectory(repository, tag))
      // Of a tag that stayed then; where it is gone by now, its history is, too.
      for (const { tag, digest } of history) await kept.restore(job, paths.tagHistoryEntry(repository, tag, digest), paths.tagDirectory(repository, tag))
    } finally {
      states.forget(repository)
    }
    this.parts.restored(repository, tags.map(({ tag }) => tag))
    await kept.flush()
    return { tags: tags.map(tag => ({ repository, ...tag })), manifests: manifests.map(digest => ({ repository, digest })), blobs }
  }

  /**
   * Links what the manifests list again where it stayed when they went, and has gone since: of two tags with a layer in
   * common, the deletion of the first leaves the link, and that of the second takes it.
   */
  async #supply ({ repository, spared }: Kept): Promise<void> {
    const { presence, writer, tombstones } = this.parts
    for (const digest of spared?.layers ?? []) {
      if (await presence.layer(repository, digest)) continue
      await writer.linkLayer(repository, digest, digest)
      tombstones.unburyLayer(repository, digest)
    }
    for (const digest of spared?.manifests ?? []) {
      if (await presence.manifest(repository, digest)) continue
      await writer.linkRevision(repository, digest)
      tombstones.unburyManifest(repository, digest)
      await this.#tellIndex(repository, digest)
    }
  }

  /** Before anything may be swept that the manifest uses. */
  async #tellIndex (repository: Kept['repository'], digest: Digest): Promise<void> {
    const manifest = await this.parts.reader.manifest(digest)
    if (manifest.readable) this.parts.index.linked(repository, digest, manifest.references)
  }
}

const needsOf = ({ manifests, layers, candidates }: Kept): Digest[] => [...new Set([...manifests, ...layers, ...candidates])]
