/** Brings what is known of one repository's entries up to date with its directories. */
import { join } from 'node:path'
import { algorithmOf, hexOf, parseDigest, type Digest } from '../oci/digest.js'
import type { RepositoryName } from '../oci/name.js'
import { each } from '../storage/concurrency.js'
import * as paths from '../storage/paths.js'
import { isCounted, sameStamp, type Stamp } from '../storage/stamp.js'
import { drawerOf, type Drawer, type Repository, type Shelf } from './folder.js'
import type { Memory } from './memory.js'
import { has, sorted, union, without } from './sorted.js'
import type { Touched } from './touched.js'
import { relist, type Sources } from './watch.js'

/** So many entries are removed in one go. */
const REMOVED_AT_ONCE = 500

/** What a deletion removes from one repository. */
export interface Removal {
  readonly repository: RepositoryName
  readonly manifests: readonly Digest[]
  readonly layers: readonly Digest[]
}

/** Stamps, taken at one moment, by path relative to the root. */
export type Glance = ReadonlyMap<string, Stamp>

interface RemovalFrom { readonly shelf: 'revisions' | 'layers', readonly algorithm: string, readonly path: string, readonly digests: readonly Digest[] }

/** A removal drawer by drawer. */
function drawersOf ({ repository, manifests, layers }: Removal): RemovalFrom[] {
  const from = (shelf: RemovalFrom['shelf'], directory: string, digests: readonly Digest[]): RemovalFrom[] => [...new Set(digests.map(algorithmOf))]
    .map(algorithm => ({ shelf, algorithm, path: `${directory}/${algorithm}`, digests: digests.filter(digest => algorithmOf(digest) === algorithm) }))
  return [...from('revisions', paths.revisionsDirectory(repository), manifests), ...from('layers', paths.layersDirectory(repository), layers)]
}

export class Shelves {
  constructor (private readonly memory: Memory, private readonly touched: Touched, private readonly sources: Sources) {}

  async revisions (repository: Repository, exists: boolean): Promise<void> {
    await this.#shelf(repository, repository.revisions, exists ? paths.revisionsDirectory(repository.name) : undefined)
  }

  async layers (repository: Repository, exists: boolean): Promise<void> {
    await this.#shelf(repository, repository.layers, exists ? paths.layersDirectory(repository.name) : undefined)
  }

  /** How the directories are that a deletion is about to change. */
  async glance (removal: Removal): Promise<Glance> {
    const glance = new Map<string, Stamp>()
    for (const { path } of drawersOf(removal)) {
      const there = await this.sources.disk.stat(join(this.sources.root, path))
      if (there.kind === 'directory') glance.set(path, there.stamp)
    }
    return glance
  }

  /**
   * A deletion removed directories of revisions, or of layers. The rest of a drawer need not be listed again where it was
   * known just before, and where the file system's count says that nothing else has changed in it since.
   */
  async removed (repository: Repository, removal: Removal, before: Glance): Promise<void> {
    for (const { shelf: name, algorithm, path, digests } of drawersOf(removal)) {
      const shelf = repository[name]
      const drawer = shelf.drawers.get(algorithm)
      const known = before.get(path)
      if (drawer === undefined) continue
      const isAsKnown = known !== undefined && sameStamp(drawer.stamp, known)
      // It is listed in the next pass, unless all goes well here. Another's addition and this removal may leave the very
      // stamp that was known, within one tick of the file system's clock.
      drawer.stamp = undefined
      if (!isAsKnown) continue
      const gone = await this.#gone(drawer, path, digests)
      const there = await this.sources.disk.stat(join(this.sources.root, path))
      if (there.kind !== 'directory' || there.stamp.inode !== known.inode || !isCounted(known) || !isCounted(there.stamp)) continue
      if (known.links - there.stamp.links !== gone.length) continue
      if (this.#remove(repository, shelf, drawer, sorted(gone))) drawer.stamp = there.stamp
    }
  }

  /** Those that were known to be in a drawer and are not there any more. */
  async #gone (drawer: Drawer, path: string, digests: readonly Digest[]): Promise<number[]> {
    const gone: number[] = []
    for (const digest of digests) {
      const { kind } = await this.sources.disk.stat(join(this.sources.root, path, hexOf(digest)))
      const id = this.memory.digests.find(digest)
      if (kind === 'missing' && has(drawer.names, id)) gone.push(id)
    }
    return gone
  }

  /** @param path `undefined` where there is none */
  async #shelf (repository: Repository, shelf: Shelf, path: string | undefined): Promise<void> {
    const found: string[] = []
    const listed = path === undefined ? 'missing' : await relist(shelf, path, this.sources, name => { found.push(name) })
    if (listed === 'unreadable') return
    if (path === undefined) [shelf.stamp, shelf.damages] = [undefined, []]
    if (listed === 'listed') {
      this.memory.version++
      found.forEach(algorithm => { drawerOf(shelf, algorithm) })
    }
    const isThere = (algorithm: string): boolean => listed === 'unchanged' || (listed === 'listed' && found.includes(algorithm))
    await each([...shelf.drawers], async ([algorithm, drawer]) => {
      if (isThere(algorithm)) await this.#drawer(repository, shelf, drawer, algorithm, join(path!, algorithm))
      else await this.#empty(repository, shelf, drawer, algorithm)
    })
  }

  async #empty (repository: Repository, shelf: Shelf, drawer: Drawer, algorithm: string): Promise<void> {
    [drawer.stamp, drawer.damages] = [undefined, []]
    await this.#apply(repository, shelf, drawer, [], [])
    // What was reported meanwhile stays, and then the drawer must be listed.
    if (drawer.names.length === 0) shelf.drawers.delete(algorithm)
    else shelf.stamp = undefined
  }

  async #drawer (repository: Repository, shelf: Shelf, drawer: Drawer, algorithm: string, path: string): Promise<void> {
    const { digests } = this.memory
    const added: number[] = []
    const kept: number[] = []
    const listed = await relist(drawer, path, this.sources, (name, damages) => {
      const digest = parseDigest(`${algorithm}:${name}`)
      if (digest === undefined) {
        damages.push({ kind: 'tree', path: join(path, name), reason: 'it is not a digest' })
        return
      }
      const id = digests.find(digest)
      if (has(drawer.names, id)) kept.push(id)
      else added.push(digests.acquire(digest))
    })
    if (listed === 'missing') return await this.#empty(repository, shelf, drawer, algorithm)
    if (listed === 'unreadable') added.forEach(id => { digests.release(id) })
    if (listed !== 'listed') return
    // Not before what was listed is known: whoever saves the index, or ends the pass, must not find it up to date.
    const { stamp } = drawer
    drawer.stamp = undefined
    await this.sources.disk.breathe()
    if (await this.#apply(repository, shelf, drawer, added, kept)) drawer.stamp = stamp
  }

  /**
   * @param found names that were not known when they were found, each counted once; a listing beside changes may have some twice
   * @param known names that were known then
   * @returns whether the drawer is as it was listed; otherwise it must be listed again
   */
  async #apply (repository: Repository, shelf: Shelf, drawer: Drawer, found: readonly number[], known: readonly number[]): Promise<boolean> {
    const { memory, sources } = this
    memory.version++
    const added = sorted(found)
    // Some may have been reported, and so become known, while the directory was read.
    const isNew = added.filter(id => !has(drawer.names, id))
    const gone = without(without(drawer.names, sorted(known)), added)
    drawer.names = union(drawer.names, isNew)
    isNew.forEach(id => { memory.digests.hold(id) })
    found.forEach(id => { memory.digests.release(id) })
    const vacant = shelf === repository.revisions ? repository.odd.vacant : repository.odd.vacantLayers
    isNew.forEach(id => { vacant.add(id) })
    let isAsListed = true
    for (let at = 0; at < gone.length; at += REMOVED_AT_ONCE) {
      if (!this.#remove(repository, shelf, drawer, gone.subarray(at, at + REMOVED_AT_ONCE))) isAsListed = false
      await sources.disk.breathe()
    }
    return isAsListed
  }

  /** @returns whether all were removed: what was reported meanwhile stays */
  #remove (repository: Repository, shelf: Shelf, drawer: Drawer, gone: Int32Array): boolean {
    const { memory, touched } = this
    const leaving = gone.filter(id => !touched.has(repository, id))
    drawer.names = without(drawer.names, leaving)
    for (const id of leaving) {
      if (shelf === repository.revisions) memory.removeRevision(repository, id)
      else memory.removeLayer(repository, id)
      memory.digests.release(id)
    }
    return leaving.length === gone.length
  }
}
