/**
 * One pass over the tree: whatever changed in it since the last one becomes known. What did not change costs one `lstat`
 * per directory that is watched, and nothing per manifest.
 */
import { join } from 'node:path'
import { parseRepositoryName } from '../oci/name.js'
import { each } from '../storage/concurrency.js'
import * as paths from '../storage/paths.js'
import { Folder, type Repository } from './folder.js'
import { Looker } from './look.js'
import type { Memory } from './memory.js'
import { Shelves } from './shelves.js'
import type { Touched } from './touched.js'
import { relist, type Sources } from './watch.js'

export class Pass {
  readonly #looker: Looker
  readonly #shelves: Shelves
  readonly #seen = new Map<Repository, Folder>()

  /** @param isAudit whether every link of a manifest is looked at again */
  constructor (private readonly memory: Memory, private readonly touched: Touched, private readonly sources: Sources, private readonly isAudit: boolean) {
    this.#looker = new Looker(memory, touched, sources)
    this.#shelves = new Shelves(memory, touched, sources)
  }

  async run (): Promise<void> {
    const { memory, touched } = this
    for (let folders = [memory.root]; folders.length > 0; folders = folders.flatMap(folder => [...folder.children.values()])) {
      await each(folders, async folder => { await this.#folder(folder) })
    }
    await each([...this.#seen], async ([repository, folder]) => { await this.#repository(repository, folder.hasManifests, folder.hasLayers) })
    for (const repository of [...memory.repositories.values()]) {
      if (this.#seen.has(repository) || touched.has(repository)) continue
      await this.#repository(repository, false, false)
      // Reports may have come while that was removed.
      if (!touched.has(repository)) memory.forget(repository)
    }
    await this.#looker.manifests()
  }

  async #folder (folder: Folder): Promise<void> {
    const found: string[] = []
    const path = join(paths.REPOSITORIES, folder.path)
    const listed = await relist(folder, path, this.sources, name => { found.push(name) })
    if (listed === 'listed' || listed === 'missing') {
      this.memory.version++
      folder.hasLayers = found.includes('_layers')
      folder.hasManifests = found.includes('_manifests')
      folder.hasUploads = found.includes('_uploads')
      const names = found.filter(name => !name.startsWith('_'))
      folder.children = new Map(names.map(name => [name, folder.children.get(name) ?? new Folder(folder.path === '' ? name : `${folder.path}/${name}`)]))
    }
    if (!folder.isRepository) return
    const name = parseRepositoryName(folder.path)
    if (name !== undefined) this.#seen.set(this.memory.repository(name), folder)
    else if (listed === 'listed') folder.damages = [...folder.damages, { kind: 'tree', path, reason: 'it is not a repository name' }]
  }

  async #repository (repository: Repository, hasManifests: boolean, hasLayers: boolean): Promise<void> {
    repository.isLopsided = hasManifests && !hasLayers
    await this.#shelves.layers(repository, hasLayers)
    await this.#shelves.revisions(repository, hasManifests)
    await this.sources.disk.breathe()
    await this.#looker.layers(repository)
    await this.sources.disk.breathe()
    await this.#looker.revisions(repository)
    if (this.isAudit) await this.#looker.allRevisions(repository)
    if (repository.oddities?.isEmpty === true) repository.oddities = undefined
  }
}
