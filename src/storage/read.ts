/**
 * Reads the registry's tree as a whole: which repositories there are, what one of them holds, what is empty.
 */
import { dirname, join } from 'node:path'
import { parseDigest, type Digest } from '../oci/digest.js'
import { parseRepositoryName, parseTag, type RepositoryName, type Tag } from '../oci/name.js'
import { each } from './concurrency.js'
import { EntryReader } from './entries.js'
import * as paths from './paths.js'
import { isPrunable } from './paths.js'
import type { Damage, LayerState, RepositoryState, Revision, TagState } from './state.js'

export { LINK_MAXIMUM_BYTES, MANIFEST_MAXIMUM_BYTES, type Link } from './entries.js'

export class TreeReader extends EntryReader {
  /** All repositories, in order of name. Directories that cannot be names are reported, not read. */
  async repositories (damages: Damage[] = []): Promise<RepositoryName[]> {
    const found: RepositoryName[] = []
    const walk = async (relative: string): Promise<void> => {
      const entries = await this.list(join(paths.REPOSITORIES, relative), damages)
      if (entries.some(entry => entry.name === '_layers' || entry.name === '_manifests' || entry.name === '_uploads')) {
        const name = parseRepositoryName(relative)
        if (name === undefined) damages.push({ kind: 'tree', path: join(paths.REPOSITORIES, relative), reason: 'it is not a repository name' })
        else found.push(name)
      }
      for (const entry of entries) {
        if (!entry.name.startsWith('_')) await walk(relative === '' ? entry.name : `${relative}/${entry.name}`)
      }
    }
    await walk('')
    return found
  }

  async repository (name: RepositoryName): Promise<RepositoryState> {
    const damages: Damage[] = []
    const own = await this.own(name, damages)
    const has = (directory: string): boolean => own.includes(directory)
    const tags = has('_manifests') ? await this.#tags(name, damages) : new Map()
    const revisions = has('_manifests') ? await this.#revisions(name, damages) : new Map()
    const layers = has('_layers') ? await this.#layers(name, damages) : new Map()
    const uploads = has('_uploads') ? await this.uploads(name, damages) : []
    return { name, exists: has('_layers') || has('_manifests') || has('_uploads'), hasLayers: has('_layers'), hasManifests: has('_manifests'), tags, revisions, layers, uploads, damages }
  }

  /** Every blob that has a directory. */
  async blobs (): Promise<Digest[]> {
    const digests: Digest[] = []
    for await (const some of this.blobsByPrefix()) digests.push(...some)
    return digests
  }

  /** The same, a directory of the tree at a time: there may be millions. */
  async * blobsByPrefix (): AsyncGenerator<Digest[]> {
    for (const algorithm of await this.list(paths.BLOBS, [])) {
      for (const prefix of await this.list(join(paths.BLOBS, algorithm.name), [])) {
        const names = await this.list(join(paths.BLOBS, algorithm.name, prefix.name), [])
        yield names.map(({ name }) => parseDigest(`${algorithm.name}:${name}`)).filter(digest => digest !== undefined)
      }
    }
  }

  /** Directories without an entry, below `repositories` and `blobs/<alg>`. Content directories are not looked into. */
  async emptyDirectories (): Promise<string[]> {
    const empty: string[] = []
    const walk = async (directory: string, depth: number): Promise<void> => {
      const entries = await this.entries(directory)
      if (entries?.length === 0) empty.push(directory)
      if (depth > 0) await each((entries ?? []).filter(entry => entry.isDirectory()), async entry => { await walk(join(directory, entry.name), depth - 1) })
    }
    await walk(paths.REPOSITORIES, Number.MAX_SAFE_INTEGER)
    await walk(paths.BLOBS, 2)
    return empty
  }

  /**
   * How many directories would be empty, and so go, if others went first.
   * @param gone directories that go
   * @param also directories to look at besides the parents of those
   */
  async wouldEmpty (gone: readonly string[], also: readonly string[]): Promise<number> {
    const removed = new Set(gone)
    let count = 0
    const open = [...gone.map(path => dirname(path)), ...also]
    for (let directory = open.pop(); directory !== undefined; directory = open.pop()) {
      if (removed.has(directory) || !isPrunable(directory)) continue
      const entries = await this.entries(directory).catch(() => undefined)
      if (entries === undefined || entries.some(({ name }) => !removed.has(join(directory, name)))) continue
      removed.add(directory)
      count++
      open.push(dirname(directory))
    }
    return count
  }

  async #tags (name: RepositoryName, damages: Damage[]): Promise<Map<Tag, TagState>> {
    const tags = new Map<Tag, TagState>()
    await each(await this.list(paths.tagsDirectory(name), damages), async entry => {
      const tag = parseTag(entry.name)
      if (tag === undefined) {
        damages.push({ kind: 'tree', path: join(paths.tagsDirectory(name), entry.name), reason: 'it is not a tag' })
        return
      }
      const found = await this.tag(name, tag)
      damages.push(...found.damages)
      if (found.value !== undefined) tags.set(tag, found.value)
    })
    return tags
  }

  async #revisions (name: RepositoryName, damages: Damage[]): Promise<Map<Digest, Revision>> {
    const revisions = new Map<Digest, Revision>()
    await each(await this.digestDirectories(paths.revisionsDirectory(name), damages), async digest => {
      const found = await this.revision(name, digest)
      damages.push(...found.damages)
      if (found.value !== undefined) revisions.set(digest, found.value)
    })
    return revisions
  }

  async #layers (name: RepositoryName, damages: Damage[]): Promise<Map<Digest, LayerState>> {
    const layers = new Map<Digest, LayerState>()
    await each(await this.digestDirectories(paths.layersDirectory(name), damages), async digest => {
      const found = await this.layer(name, digest)
      damages.push(...found.damages)
      if (found.value !== undefined) layers.set(digest, found.value)
    })
    return layers
  }
}
