/** Brings what is known of one repository's entries up to date with its directories. */
import { join } from 'node:path'
import { parseDigest } from '../oci/digest.js'
import { each } from '../storage/concurrency.js'
import * as paths from '../storage/paths.js'
import { drawerOf, type Drawer, type Repository, type Shelf } from './folder.js'
import type { Memory } from './memory.js'
import { has, sorted, union, without } from './sorted.js'
import type { Touched } from './touched.js'
import { relist, type Sources } from './watch.js'

/** So many entries are removed in one go. */
const REMOVED_AT_ONCE = 500

export class Shelves {
  constructor (private readonly memory: Memory, private readonly touched: Touched, private readonly sources: Sources) {}

  async revisions (repository: Repository, exists: boolean): Promise<void> {
    await this.#shelf(repository, repository.revisions, exists ? paths.revisionsDirectory(repository.name) : undefined)
  }

  async layers (repository: Repository, exists: boolean): Promise<void> {
    await this.#shelf(repository, repository.layers, exists ? paths.layersDirectory(repository.name) : undefined)
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
