/** Reads the links and manifests that are new, or that could not be understood so far. */
import { algorithmOf } from '../oci/digest.js'
import { each } from '../storage/concurrency.js'
import { readLink, readManifest } from '../storage/content.js'
import * as paths from '../storage/paths.js'
import type { Damage } from '../storage/state.js'
import type { Repository } from './folder.js'
import { UNREAD, VACANT, type Memory } from './memory.js'
import type { Touched } from './touched.js'
import type { Sources } from './watch.js'

export class Looker {
  constructor (private readonly memory: Memory, private readonly touched: Touched, private readonly sources: Sources) {}

  /** Reads the revisions that are vacant, damaged, or hold another digest: a push may have mended those. */
  async revisions (repository: Repository): Promise<void> {
    const { oddities } = repository
    if (oddities === undefined) return
    await each([...oddities.vacant, ...oddities.damaged.keys(), ...oddities.renamed.keys()], async id => { await this.#revision(repository, id) })
  }

  /** Reads all revisions, of which some may have lost their links. */
  async allRevisions (repository: Repository): Promise<void> {
    for (const { names } of repository.revisions.drawers.values()) {
      await each([...names], async id => { await this.#revision(repository, id) })
    }
  }

  /** Reads the layers that are new, damaged, or not known well; and those named by sha256 that hold another digest, which no registry writes. */
  async layers (repository: Repository): Promise<void> {
    const { oddities } = repository
    if (oddities === undefined) return
    const { memory } = this
    const strays = [...oddities.aliases.keys()].filter(id => !memory.hasLayer(repository, id) || algorithmOf(memory.digests.digest(id)) === 'sha256')
    await each([...new Set([...oddities.vacantLayers, ...oddities.damagedLayers.keys(), ...oddities.unknown, ...strays])], async id => { await this.#layer(repository, id) })
  }

  /** Reads again the manifests that could not be read. */
  async manifests (): Promise<void> {
    await each([...this.memory.unreadable.keys()], async id => { await this.#manifest(id) })
  }

  async #revision (repository: Repository, id: number): Promise<void> {
    const { memory, touched, sources: { disk, root, signal } } = this
    signal?.throwIfAborted()
    const digest = memory.digests.digest(id)
    const link = await readLink(disk, root, 'manifest', paths.revisionLink(repository.name, digest))
    if (touched.has(repository, id)) return
    if (link === undefined) return memory.change(repository, id, VACANT)
    if ('damage' in link) return this.#damaged(repository, id, link.damage)
    const manifest = memory.digests.acquire(link.digest)
    memory.change(repository, id, { kind: 'link', manifest })
    memory.digests.release(manifest)
    if (memory.unreadable.get(manifest) === UNREAD) await this.#manifest(manifest)
  }

  /** A link that could be understood before held the name of its directory, as all links do: that stays known. */
  #damaged (repository: Repository, id: number, damage: Damage): void {
    const before = this.memory.entry(repository, id)
    if (before.kind !== 'link' || before.manifest !== id) this.memory.change(repository, id, { kind: 'damaged', damage })
  }

  async #manifest (id: number): Promise<void> {
    const { memory, sources: { disk, root, signal } } = this
    signal?.throwIfAborted()
    if (!memory.unreadable.has(id)) return
    memory.digests.hold(id)
    const manifest = await readManifest(disk, root, memory.digests.digest(id))
    // It may have been unlinked, or pushed through the gate, in the meantime.
    if (memory.unreadable.has(id)) {
      if (manifest.readable) memory.refer(id, manifest.references)
      else memory.unreadable.set(id, manifest.damage)
    }
    memory.digests.release(id)
  }

  async #layer (repository: Repository, id: number): Promise<void> {
    const { memory, touched, sources: { disk, root, signal } } = this
    signal?.throwIfAborted()
    const name = memory.digests.digest(id)
    const link = await readLink(disk, root, 'layer', paths.layerLink(repository.name, name))
    if (touched.has(repository, id)) return
    const isListed = memory.hasLayer(repository, id)
    // Its directory is newer than the listing: the next pass finds it there.
    if (link !== undefined && 'damage' in link && !isListed) return
    const odd = repository.odd
    odd.vacantLayers.delete(id)
    odd.damagedLayers.delete(id)
    if (link === undefined) {
      memory.alias(repository, id, id)
      // What is named by sha256 can come to hold nothing but its own name.
      if (isListed && algorithmOf(name) !== 'sha256') odd.vacantLayers.add(id)
    } else if ('damage' in link) {
      odd.damagedLayers.set(id, link.damage)
    } else {
      const target = memory.digests.acquire(link.digest)
      memory.alias(repository, id, target)
      memory.digests.release(target)
    }
    memory.removeUnknown(repository, id)
  }
}
