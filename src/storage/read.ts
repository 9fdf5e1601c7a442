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
import { contained, unlessMissing } from './contain.js'
import * as paths from './paths.js'
import { isPrunable } from './paths.js'
import type { Damage, LayerState, Manifest, RepositoryState, Revision, TagState, UploadState } from './state.js'

/** distribution refuses manifests over 4 MiB (registry/handlers/manifests.go, maxManifestBodySize). Bytes. */
const MANIFEST_MAXIMUM_BYTES = 4 * 1024 * 1024
const LINK_MAXIMUM_BYTES = 256
/** Manifests are immutable, so what one refers to is remembered. Entries, each well under 1 KiB for usual images. */
const MEMORY_ENTRIES = 50_000

/** A file of the tree; `undefined` when there is none. */
type Found = { readonly size: number, readonly modifiedAt: number, readonly regular: boolean } | undefined

/** A link file: the digest that it holds, or why it cannot be understood; and when it was written. */
export type Link = ({ readonly digest: Digest } | { readonly damage: Damage }) & { readonly modifiedAt: number }

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
    const own = await this.#own(name, damages)
    const has = (directory: string): boolean => own.some(entry => entry.name === directory)
    const tags = has('_manifests') ? await this.#tags(name, damages) : new Map()
    const revisions = has('_manifests') ? await this.#revisions(name, damages) : new Map()
    const layers = has('_layers') ? await this.#layers(name, damages) : new Map()
    const uploads = has('_uploads') ? await this.#uploads(name, damages) : []
    return { name, exists: has('_layers') || has('_manifests') || has('_uploads'), hasLayers: has('_layers'), hasManifests: has('_manifests'), tags, revisions, layers, uploads, damages }
  }

  /** The size of a blob in bytes; `undefined` when it is not stored. */
  async blobSize (digest: Digest): Promise<number | undefined> {
    const found = await this.#find(paths.blobData(digest))
    return found?.regular === true ? found.size : undefined
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
      const entries = await unlessMissing(readdir(join(this.root, directory), { withFileTypes: true }))
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
  async manifest (digest: Digest): Promise<Manifest> {
    const path = paths.blobData(digest)
    const damaged = (reason: string): Manifest => ({ readable: false, damage: { kind: 'manifest', path, reason } })
    const found = await this.#find(path)
    if (found === undefined) return damaged('the blob of a linked manifest is missing')
    if (!found.regular) return damaged('it is not a regular file')
    const known = this.#memory.get(digest)
    if (known !== undefined) return { readable: true, references: known }
    if (found.size > MANIFEST_MAXIMUM_BYTES) return damaged('it is too large for a manifest')
    const parsed = parseManifest(await this.#read(path, found.size))
    if (parsed.outcome === 'unreadable') return damaged(`the manifest cannot be read: ${parsed.reason}`)
    this.#remember(digest, parsed.references)
    return { readable: true, references: parsed.references }
  }

  /** Reads the text of a link file. */
  async link (kind: Damage['kind'], path: string): Promise<Link | undefined> {
    const found = await this.#find(path)
    if (found === undefined) return undefined
    const { size, modifiedAt, regular } = found
    if (!regular) return { damage: { kind, path, reason: 'the link is not a regular file' }, modifiedAt }
    const digest = size > LINK_MAXIMUM_BYTES ? undefined : parseDigest((await this.#read(path, size)).toString('utf8').trim())
    return digest === undefined ? { damage: { kind, path, reason: size === 0 ? 'the link is empty' : 'the link holds no digest' }, modifiedAt } : { digest, modifiedAt }
  }

  /** What a repository's directory holds; nothing when a symbolic link leads to it. */
  async #own (name: RepositoryName, damages: Damage[]): Promise<Dirent[]> {
    const directory = paths.repositoryDirectory(name)
    if (await contained(this.root, directory) !== 'outside') return await this.#list(directory, damages)
    damages.push({ kind: 'tree', path: directory, reason: 'it is reached through a symbolic link' })
    return []
  }

  async #uploads (name: RepositoryName, damages: Damage[]): Promise<UploadState[]> {
    const uploads: UploadState[] = []
    for (const { name: id } of await this.#list(paths.uploadsDirectory(name), damages)) {
      const times = [await this.#find(join(paths.uploadsDirectory(name), id, 'data')), await this.#find(join(paths.uploadsDirectory(name), id, 'startedat'))]
      uploads.push({ id, modifiedAt: Math.max(0, ...times.map(time => time?.modifiedAt ?? 0)) })
    }
    return uploads
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
      tags.set(tag, { current: link !== undefined && 'digest' in link ? link.digest : undefined, modifiedAt: link?.modifiedAt, history })
    })
    return tags
  }

  async #revisions (name: RepositoryName, damages: Damage[]): Promise<Map<Digest, Revision>> {
    const revisions = new Map<Digest, Revision>()
    await each(await this.#digestDirectories(paths.revisionsDirectory(name), damages), async digest => {
      const link = await this.link('manifest', paths.revisionLink(name, digest))
      // A directory without its link is what an interrupted removal leaves: the registry does not see it either.
      if (link === undefined) return
      const manifest: Manifest = 'damage' in link ? { readable: false, damage: link.damage } : await this.manifest(link.digest)
      if (!manifest.readable) damages.push(manifest.damage)
      revisions.set(digest, { ...manifest, modifiedAt: link.modifiedAt })
    })
    return revisions
  }

  async #layers (name: RepositoryName, damages: Damage[]): Promise<Map<Digest, LayerState>> {
    const layers = new Map<Digest, LayerState>()
    await each(await this.#digestDirectories(paths.layersDirectory(name), damages), async digest => {
      const link = await this.link('layer', paths.layerLink(name, digest))
      if (link === undefined) return
      if ('damage' in link) damages.push(link.damage)
      layers.set(digest, { digest, target: 'digest' in link ? link.digest : undefined, modifiedAt: link.modifiedAt })
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
    const entries = await unlessMissing(readdir(join(this.root, directory), { withFileTypes: true })) ?? []
    for (const entry of entries) {
      if (entry.isSymbolicLink()) damages.push({ kind: 'tree', path: join(directory, entry.name), reason: 'it is a symbolic link' })
    }
    return entries.filter(entry => entry.isDirectory()).sort((a, b) => a.name < b.name ? -1 : 1)
  }

  async #find (path: string): Promise<Found> {
    const stats = await unlessMissing(lstat(join(this.root, path)))
    return stats === undefined ? undefined : { size: stats.size, modifiedAt: stats.mtimeMs, regular: stats.isFile() }
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
