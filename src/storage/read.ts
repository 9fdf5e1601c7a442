/**
 * Reads the registry's tree. Symbolic links are never followed: one inside the tree is reported as damage.
 */
import type { Dirent } from 'node:fs'
import { lstat, open, readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { parseDigest, type Digest } from '../oci/digest.js'
import { parseManifest, type ManifestReferences } from '../oci/manifest.js'
import { parseRepositoryName, parseTag, type RepositoryName, type Tag } from '../oci/name.js'
import { each } from './concurrency.js'
import * as paths from './paths.js'
import { isPrunable } from './paths.js'
import type { Damage, LayerState, RepositoryState, Revision, TagState } from './state.js'

/** distribution refuses manifests over 4 MiB (registry/handlers/manifests.go, maxManifestBodySize). Bytes. */
const MANIFEST_MAXIMUM_BYTES = 4 * 1024 * 1024
const LINK_MAXIMUM_BYTES = 256
/** Manifests are immutable, so what one refers to is remembered. Entries, each well under 1 KiB for usual images. */
const MEMORY_ENTRIES = 50_000

type Code = { code?: string }
const isMissing = (error: unknown): boolean => ['ENOENT', 'ENOTDIR'].includes((error as Code).code ?? '')

export class TreeReader {
  readonly #memory = new Map<Digest, ManifestReferences>()

  /** @param root the directory `docker/registry/v2` of the storage */
  constructor (readonly root: string) {}

  /** All repositories, in order of name. Directories that cannot be names are reported, not read. */
  async repositories (damages: Damage[] = []): Promise<RepositoryName[]> {
    const found: RepositoryName[] = []
    const walk = async (relative: string): Promise<void> => {
      const entries = await this.#list(join(paths.REPOSITORIES, relative), damages)
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
    const own = await this.#list(paths.repositoryDirectory(name), damages)
    const has = (directory: string): boolean => own.some(entry => entry.name === directory)
    const tags = await this.#tags(name, damages)
    const revisions = await this.#revisions(name, damages)
    const layers = await this.#layers(name, damages)
    const uploads = has('_uploads') ? (await this.#list(paths.uploadsDirectory(name), damages)).length : 0
    return { name, exists: has('_layers') || has('_manifests') || has('_uploads'), hasLayers: has('_layers'), hasManifests: has('_manifests'), tags, revisions, layers, uploads, damages }
  }

  /** The size of a blob in bytes; `undefined` when it is not stored. */
  async blobSize (digest: Digest): Promise<number | undefined> {
    return await this.#size(paths.blobData(digest))
  }

  /** Every blob that has a directory. */
  async blobs (): Promise<Digest[]> {
    const digests: Digest[] = []
    for (const algorithm of await this.#list(paths.BLOBS, [])) {
      for (const prefix of await this.#list(join(paths.BLOBS, algorithm.name), [])) {
        for (const hex of await this.#list(join(paths.BLOBS, algorithm.name, prefix.name), [])) {
          const digest = parseDigest(`${algorithm.name}:${hex.name}`)
          if (digest !== undefined) digests.push(digest)
        }
      }
    }
    return digests
  }

  /** Directories without an entry, below `repositories` and `blobs/<alg>`. Content directories are not looked into. */
  async emptyDirectories (): Promise<string[]> {
    const empty: string[] = []
    const walk = async (directory: string, depth: number): Promise<void> => {
      const entries = await readdir(join(this.root, directory), { withFileTypes: true }).catch(error => { if (isMissing(error)) return undefined; throw error })
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
      const entries = await readdir(join(this.root, directory)).catch(() => undefined)
      if (entries === undefined || entries.some(entry => !removed.has(join(directory, entry)))) continue
      removed.add(directory)
      count++
      open.push(dirname(directory))
    }
    return count
  }

  /** Reads a manifest's blob. */
  async manifest (digest: Digest): Promise<Revision> {
    const path = paths.blobData(digest)
    const damaged = (reason: string): Revision => ({ readable: false, damage: { kind: 'manifest', path, reason } })
    const size = await this.#size(path)
    if (size === undefined) return damaged('the blob of a linked manifest is missing')
    const known = this.#memory.get(digest)
    if (known !== undefined) return { readable: true, references: known }
    if (size > MANIFEST_MAXIMUM_BYTES) return damaged('it is too large for a manifest')
    const parsed = parseManifest(await this.#read(path, size))
    if (parsed.outcome === 'unreadable') return damaged(`the manifest cannot be read: ${parsed.reason}`)
    this.#remember(digest, parsed.references)
    return { readable: true, references: parsed.references }
  }

  /** Reads the text of a link file. */
  async link (kind: Damage['kind'], path: string): Promise<{ digest: Digest } | { damage: Damage } | undefined> {
    const size = await this.#size(path)
    if (size === undefined) return undefined
    const digest = size > LINK_MAXIMUM_BYTES ? undefined : parseDigest((await this.#read(path, size)).toString('utf8').trim())
    return digest === undefined ? { damage: { kind, path, reason: size === 0 ? 'the link is empty' : 'the link holds no digest' } } : { digest }
  }

  async #tags (name: RepositoryName, damages: Damage[]): Promise<Map<Tag, TagState>> {
    const tags = new Map<Tag, TagState>()
    await each(await this.#list(paths.tagsDirectory(name), damages), async entry => {
      const tag = parseTag(entry.name)
      if (tag === undefined) {
        damages.push({ kind: 'tree', path: join(paths.tagsDirectory(name), entry.name), reason: 'it is not a tag' })
        return
      }
      const history = await this.#digestDirectories(paths.tagHistoryDirectory(name, tag), damages)
      const link = await this.link('tag', paths.tagCurrentLink(name, tag))
      if (link === undefined || 'damage' in link) damages.push(link?.damage ?? { kind: 'tag', path: paths.tagCurrentLink(name, tag), reason: 'the link is missing' })
      tags.set(tag, { current: link !== undefined && 'digest' in link ? link.digest : undefined, history })
    })
    return tags
  }

  async #revisions (name: RepositoryName, damages: Damage[]): Promise<Map<Digest, Revision>> {
    const revisions = new Map<Digest, Revision>()
    await each(await this.#digestDirectories(paths.revisionsDirectory(name), damages), async digest => {
      const link = await this.link('manifest', paths.revisionLink(name, digest))
      // A directory without its link is what an interrupted removal leaves: the registry does not see it either.
      if (link === undefined) return
      const revision: Revision = 'damage' in link ? { readable: false, damage: link.damage } : await this.manifest(link.digest)
      if (!revision.readable) damages.push(revision.damage)
      revisions.set(digest, revision)
    })
    return revisions
  }

  async #layers (name: RepositoryName, damages: Damage[]): Promise<Map<Digest, LayerState>> {
    const layers = new Map<Digest, LayerState>()
    await each(await this.#digestDirectories(paths.layersDirectory(name), damages), async digest => {
      const path = paths.layerLink(name, digest)
      const link = await this.link('layer', path)
      if (link === undefined) return
      if ('damage' in link) damages.push(link.damage)
      const modifiedAt = (await lstat(join(this.root, path)).catch(() => undefined))?.mtimeMs ?? Date.now()
      layers.set(digest, { digest, target: 'digest' in link ? link.digest : undefined, modifiedAt })
    })
    return layers
  }

  /** The digests that `<directory>/<alg>/<hex>` names. */
  async #digestDirectories (directory: string, damages: Damage[]): Promise<Digest[]> {
    const digests: Digest[] = []
    for (const algorithm of await this.#list(directory, damages)) {
      for (const hex of await this.#list(join(directory, algorithm.name), damages)) {
        const digest = parseDigest(`${algorithm.name}:${hex.name}`)
        if (digest === undefined) damages.push({ kind: 'tree', path: join(directory, algorithm.name, hex.name), reason: 'it is not a digest' })
        else digests.push(digest)
      }
    }
    return digests
  }

  /** The directories in a directory; none when it does not exist. */
  async #list (directory: string, damages: Damage[]): Promise<Dirent[]> {
    let entries: Dirent[]
    try {
      entries = await readdir(join(this.root, directory), { withFileTypes: true })
    } catch (error) {
      if (isMissing(error)) return []
      throw error
    }
    for (const entry of entries) {
      if (entry.isSymbolicLink()) damages.push({ kind: 'tree', path: join(directory, entry.name), reason: 'it is a symbolic link' })
    }
    return entries.filter(entry => entry.isDirectory()).sort((a, b) => a.name < b.name ? -1 : 1)
  }

  async #size (path: string): Promise<number | undefined> {
    try {
      const stats = await lstat(join(this.root, path))
      return stats.isFile() ? stats.size : undefined
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  }

  async #read (path: string, size: number): Promise<Buffer> {
    const file = await open(join(this.root, path), 'r')
    try {
      const buffer = Buffer.alloc(size)
      const { bytesRead } = await file.read(buffer, 0, size, 0)
      return buffer.subarray(0, bytesRead)
    } finally {
      await file.close()
    }
  }

  #remember (digest: Digest, references: ManifestReferences): void {
    if (this.#memory.size >= MEMORY_ENTRIES) this.#memory.delete(this.#memory.keys().next().value!)
    this.#memory.set(digest, references)
  }
}
