/**
 * Reads single entries of the registry's tree: a directory's names, a link, a tag, a manifest. Symbolic links are
 * never followed: one inside the tree is reported as damage.
 */
import { lstatSync, type Dirent, type Stats } from 'node:fs'
import { lstat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isCanonical, parseDigest, type Digest } from '../oci/digest.js'
import { parseManifest, type ManifestReferences } from '../oci/manifest.js'
import type { RepositoryName, Tag } from '../oci/name.js'
import { contained, isMissing, unlessMissing } from './contain.js'
import { PacedDisk } from './paced.js'
import * as paths from './paths.js'
import type { Unread } from './raw.js'
import type { Damage, LayerState, Manifest, Revision, TagState, UploadState } from './state.js'

/** distribution refuses manifests over 4 MiB (registry/handlers/manifests.go, maxManifestBodySize). Bytes. */
export const MANIFEST_MAXIMUM_BYTES = 4 * 1024 * 1024
export const LINK_MAXIMUM_BYTES = 256
/** Manifests are immutable, so what one refers to is remembered. Entries, each well under 1 KiB for usual images. */
const MEMORY_ENTRIES = 50_000

/** A file of the tree; `undefined` when there is none. */
type Found = { readonly size: number, readonly modifiedAt: number, readonly regular: boolean } | undefined

/** A link file: the digest that it holds, or why it cannot be understood; and when it was written. */
export type Link = ({ readonly digest: Digest } | { readonly damage: Damage }) & { readonly modifiedAt: number }

/** Something that a directory's name promised: what was found there, and what is wrong with it. */
export interface Entry<T> {
  /** `undefined` for a directory without its link, which the registry does not see either. */
  readonly value: T | undefined
  readonly damages: readonly Damage[]
}

export class EntryReader {
  readonly #memory = new Map<Digest, ManifestReferences>()
  readonly #disk = new PacedDisk()

  /** @param root the directory `docker/registry/v2` of the storage */
  constructor (readonly root: string) {}

  /** The directories in a directory, in order of name; none when it does not exist, or is a symbolic link. */
  async list (directory: string, damages: Damage[]): Promise<Dirent[]> {
    if (await this.#isSymbolicLink(directory)) {
      damages.push({ kind: 'tree', path: directory, reason: 'it is a symbolic link' })
      return []
    }
    const entries = await this.entries(directory) ?? []
    for (const entry of entries) {
      if (entry.isSymbolicLink()) damages.push({ kind: 'tree', path: join(directory, entry.name), reason: 'it is a symbolic link' })
    }
    return entries.filter(entry => entry.isDirectory()).sort((a, b) => a.name < b.name ? -1 : 1)
  }

  /** All that is in a directory, in no order; `undefined` when it does not exist. */
  protected async entries (directory: string): Promise<Dirent[] | undefined> {
    const entries: Dirent[] = []
    return await unlessMissing(this.#disk.list(`${this.root}/${directory}`, entry => { entries.push(entry) }).then(() => entries))
  }

  /** What a repository's directory holds; nothing when a symbolic link leads to it. */
  async own (name: RepositoryName, damages: Damage[]): Promise<string[]> {
    const directory = paths.repositoryDirectory(name)
    await this.#disk.prepare(this.root)
    if (await contained(this.root, directory, this.#disk) !== 'outside') return (await this.list(directory, damages)).map(entry => entry.name)
    damages.push({ kind: 'tree', path: directory, reason: 'it is reached through a symbolic link' })
    return []
  }

  async uploads (name: RepositoryName, damages: Damage[]): Promise<UploadState[]> {
    const uploads: UploadState[] = []
    for (const { name: id } of await this.list(paths.uploadsDirectory(name), damages)) {
      const directory = paths.uploadDirectory(name, id)
      const files = [await this.#find(join(directory, 'data')), await this.#find(join(directory, 'startedat'))].filter(file => file !== undefined)
      // 3.x writes the first files of an upload under other names: for a moment there are none.
      const times = files.length > 0 ? files : [await this.#find(directory)]
      // The state of a hash is written after those files.
      const cancelled = files.length === 0 && await this.#find(join(directory, 'hashstates')) !== undefined
      uploads.push({ id, modifiedAt: Math.max(0, ...times.map(time => time?.modifiedAt ?? 0)), ...cancelled ? { cancelled } : {} })
    }
    return uploads
  }

  async tag (name: RepositoryName, tag: Tag): Promise<Entry<TagState>> {
    const damages: Damage[] = []
    const history = await this.digestDirectories(paths.tagHistoryDirectory(name, tag), damages)
    const current = dirname(paths.tagCurrentLink(name, tag))
    const link = await this.#isSymbolicLink(current) ? { damage: { kind: 'tag', path: current, reason: 'it is a symbolic link' }, modifiedAt: 0 } as const : await this.link('tag', paths.tagCurrentLink(name, tag))
    if (link === undefined || 'damage' in link) damages.push(link?.damage ?? { kind: 'tag', path: paths.tagCurrentLink(name, tag), reason: 'the link is missing' })
    return { value: { current: link !== undefined && 'digest' in link ? link.digest : undefined, modifiedAt: link?.modifiedAt, history }, damages }
  }

  async revision (name: RepositoryName, digest: Digest): Promise<Entry<Revision>> {
    const link = await this.link('manifest', paths.revisionLink(name, digest))
    // A directory without its link is what an interrupted removal leaves.
    if (link === undefined) return { value: undefined, damages: [] }
    const manifest: Manifest = 'damage' in link ? { readable: false, damage: link.damage } : await this.manifest(link.digest)
    return { value: { ...manifest, modifiedAt: link.modifiedAt }, damages: manifest.readable ? [] : [manifest.damage] }
  }

  async layer (name: RepositoryName, digest: Digest): Promise<Entry<LayerState>> {
    const path = paths.layerLink(name, digest)
    const found = await this.#find(path)
    // A link under a sha256 name holds that name (registry/storage/linkedblobstore.go, linkBlob): with its length, it need not be read.
    if (found?.regular === true && found.size === digest.length && isCanonical(digest)) return { value: { digest, target: digest, modifiedAt: found.modifiedAt }, damages: [] }
    const link = await this.link('layer', path)
    if (link === undefined) return { value: undefined, damages: [] }
    const isNamedSo = 'digest' in link && link.digest === digest
    return { value: { digest, target: isNamedSo ? digest : 'digest' in link ? link.digest : undefined, modifiedAt: link.modifiedAt }, damages: 'damage' in link ? [link.damage] : [] }
  }

  /** The digests that `<directory>/<alg>/<hex>` names. */
  async digestDirectories (directory: string, damages: Damage[]): Promise<Digest[]> {
    const digests: Digest[] = []
    for (const algorithm of await this.list(directory, damages)) {
      for (const hex of await this.list(`${directory}/${algorithm.name}`, damages)) {
        const digest = parseDigest(`${algorithm.name}:${hex.name}`)
        if (digest === undefined) damages.push({ kind: 'tree', path: join(directory, algorithm.name, hex.name), reason: 'it is not a digest' })
        else digests.push(digest)
      }
    }
    return digests
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
    const bytes = await this.#read(path, MANIFEST_MAXIMUM_BYTES)
    if (bytes === 'missing') return damaged('the blob of a linked manifest is missing')
    if (bytes === 'irregular') return damaged('it is not a regular file')
    if (bytes === 'large') return damaged('it is too large for a manifest')
    const parsed = parseManifest(bytes)
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
    const text = await this.#read(path, LINK_MAXIMUM_BYTES)
    if (text === 'missing') return undefined // Gone since it was found.
    if (text === 'irregular') return { damage: { kind, path, reason: 'the link is not a regular file' }, modifiedAt }
    const digest = text === 'large' ? undefined : parseDigest(text.toString('utf8').trim())
    return digest === undefined ? { damage: { kind, path, reason: size === 0 ? 'the link is empty' : 'the link holds no digest' }, modifiedAt } : { digest, modifiedAt }
  }

  /** When a file was last written, milliseconds since the epoch; `undefined` when there is none. */
  async modifiedAt (path: string): Promise<number | undefined> {
    return (await this.#find(path))?.modifiedAt
  }

  /** A manifest as it is stored; `undefined` when it is not, or cannot be understood. */
  async manifestContent (digest: Digest): Promise<{ bytes: Buffer, mediaType: string } | undefined> {
    const size = await this.blobSize(digest)
    if (size === undefined || size > MANIFEST_MAXIMUM_BYTES) return undefined
    const bytes = await this.#read(paths.blobData(digest), MANIFEST_MAXIMUM_BYTES)
    if (typeof bytes === 'string') return undefined
    const parsed = parseManifest(bytes)
    return parsed.outcome === 'references' ? { bytes, mediaType: parsed.references.mediaType } : undefined
  }

  /** A blob as it is stored; `undefined` when it is not, or is larger than that. @param maximum bytes */
  async smallBlob (digest: Digest, maximum: number): Promise<Buffer | undefined> {
    const bytes = await this.#read(paths.blobData(digest), maximum)
    return typeof bytes === 'string' ? undefined : bytes
  }

  /** What a manifest refers to, where it was read before. */
  known (digest: Digest): ManifestReferences | undefined { return this.#memory.get(digest) }

  /** When a blob was written, milliseconds since the epoch; `undefined` when it is not stored. */
  async blobModifiedAt (digest: Digest): Promise<number | undefined> {
    return (await this.#find(paths.blobData(digest)))?.modifiedAt
  }

  /** The size of a blob in bytes; `undefined` when it is not stored. */
  async blobSize (digest: Digest): Promise<number | undefined> {
    const found = await this.#find(paths.blobData(digest))
    return found?.regular === true ? found.size : undefined
  }

  async #isSymbolicLink (path: string): Promise<boolean> {
    return (await this.stats(path))?.isSymbolicLink() === true
  }

  async #find (path: string): Promise<Found> {
    const stats = await this.stats(path)
    return stats === undefined ? undefined : { size: stats.size, modifiedAt: stats.mtimeMs, regular: stats.isFile() }
  }

  /** What is there; links are not followed. `undefined` when there is nothing. */
  async stats (path: string): Promise<Stats | undefined> {
    const full = `${this.root}/${path}`
    return await this.#disk.run(() => unlessMissingSync(() => lstatSync(full, { throwIfNoEntry: false })), async () => await unlessMissing(lstat(full)))
  }

  async #read (path: string, maximum: number): Promise<Buffer | Unread> {
    return await this.#disk.read(`${this.root}/${path}`, maximum, bytes => Buffer.from(bytes))
  }

  #remember (digest: Digest, references: ManifestReferences): void {
    if (this.#memory.size >= MEMORY_ENTRIES) this.#memory.delete(this.#memory.keys().next().value!)
    this.#memory.set(digest, references)
  }
}

function unlessMissingSync<T> (result: () => T): T | undefined {
  try {
    return result()
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}
