/** A registry's tree on the disk, written and changed at random behind the back of whoever reads it. */
import { existsSync, lstatSync, mkdirSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Digest } from '../../src/oci/digest.js'
import type { RepositoryName } from '../../src/oci/name.js'
import * as paths from '../../src/storage/paths.js'
import type { Chance } from '../support/random.js'
import { until } from '../support/temporary.js'
import { d, d512 } from './repository.js'

const IMAGE = 'application/vnd.oci.image.manifest.v1+json'
const INDEX = 'application/vnd.oci.image.index.v1+json'

export const repository = (name: string) => name as RepositoryName

export interface Content { readonly blobs?: readonly Digest[], readonly manifests?: readonly Digest[] }

/** The bytes of a manifest. */
export function manifestText ({ blobs, manifests }: Content): string {
  const descriptor = (digest: Digest) => ({ mediaType: 'application/octet-stream', size: 1, digest })
  if (manifests !== undefined) return JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: manifests.map(descriptor) })
  const [config, ...layers] = blobs ?? []
  return JSON.stringify({ schemaVersion: 2, mediaType: IMAGE, ...(config === undefined ? {} : { config: descriptor(config) }), layers: layers.map(descriptor) })
}

export class DiskTree {
  /** @param root an empty directory */
  constructor (readonly root: string) { mkdirSync(join(root, paths.REPOSITORIES), { recursive: true }) }

  write (path: string, text: string): void {
    mkdirSync(dirname(join(this.root, path)), { recursive: true })
    writeFileSync(join(this.root, path), text)
  }

  has (path: string): boolean { return existsSync(join(this.root, path)) }
  remove (path: string): void { rmSync(join(this.root, path), { recursive: true, force: true }) }

  /** As a push does: the blob first, the link after it. */
  push (name: RepositoryName, digest: Digest, content: Content): void {
    for (const blob of content.blobs ?? []) this.layer(name, blob)
    if (content.blobs === undefined) mkdirSync(join(this.root, paths.layersDirectory(name)), { recursive: true })
    this.write(paths.blobData(digest), manifestText(content))
    this.revision(name, digest)
  }

  revision (name: RepositoryName, digest: Digest, text: string = digest): void { this.write(paths.revisionLink(name, digest), text) }
  layer (name: RepositoryName, digest: Digest, text: string = storedAs(digest)): void { this.write(paths.layerLink(name, digest), text) }

  /** Waits until what changes from now on gets other times than what changed so far. */
  async tick (): Promise<void> {
    const probe = join(this.root, 'probe')
    const time = (): number => { writeFileSync(probe, 'x'); return statSync(probe).mtimeMs }
    const before = time()
    await until('the clock of the file system goes on', () => time() > before + 10, 5_000, 1)
  }
}

const REPOSITORIES = ['app', 'team/app', 'team/app/deep', 'zoo'].map(repository)
const BLOBS = ['b0', 'b1', 'b2', 'b3', 'b4', 'b5', 'b6', 'b7'].map(d)
const MANIFESTS = ['m0', 'm1', 'm2', 'm3', 'm4', 'm5', 'm6', 'm7', 'm8', 'm9'].map(d)
const ALIASES = ['b0', 'b1'].map(name => ({ name: d512(name), stored: d(name) }))
const storedAs = (digest: Digest): Digest => ALIASES.find(({ name }) => name === digest)?.stored ?? digest
/** Every digest that may be asked for. */
export const ALL = [...BLOBS, ...MANIFESTS, ...ALIASES.map(({ name }) => name), d('never')]

export class RandomTree extends DiskTree {
  readonly #contents: ReadonlyMap<Digest, Content>

  /** @param damage whether things that cannot be understood are written too */
  constructor (root: string, readonly chance: Chance, readonly damage: boolean) {
    super(root)
    this.#contents = new Map(MANIFESTS.map(digest => [digest, chance.happens(0.35)
      ? { manifests: chance.some([...MANIFESTS, ...BLOBS], 0.15) }
      : { blobs: [chance.one(BLOBS), ...chance.some(BLOBS, 0.3), ...chance.some(ALIASES.map(({ name }) => name), 0.2)] }]))
  }

  /** Changes that a look at the directories shows, or that mend what could not be understood. */
  change (): void {
    const { chance } = this
    const name = chance.one(REPOSITORIES)
    const manifest = chance.one(MANIFESTS)
    const layer = chance.one(BLOBS)
    const alias = chance.one(ALIASES)
    const kind = chance.upTo(this.damage ? 16 : 10)
    if (kind < 4) this.push(name, manifest, this.#contents.get(manifest)!)
    else if (kind === 4) this.remove(paths.revisionDirectory(name, manifest))
    else if (kind === 5) this.remove(paths.layerDirectory(name, chance.one([layer, alias.name])))
    else if (kind === 6) this.#addLayer(name, layer, alias)
    else if (kind === 7) this.#removeMuch(name)
    else if (kind === 8) this.#move(name)
    else if (kind === 9) mkdirSync(join(this.root, chance.one([paths.revisionDirectory(name, manifest), paths.layerDirectory(name, layer), paths.uploadsDirectory(name)])), { recursive: true })
    else this.#harm(name, manifest, alias)
  }

  #addLayer (name: RepositoryName, layer: Digest, alias: { readonly name: Digest }): void {
    this.layer(name, this.chance.happens(0.5) ? layer : alias.name)
  }

  #removeMuch (name: RepositoryName): void {
    const { chance } = this
    const all = [paths.layersDirectory(name), paths.revisionsDirectory(name), join(paths.revisionsDirectory(name), 'sha256'), paths.manifestsDirectory(name), paths.repositoryDirectory(name)]
    if (chance.happens(0.5)) this.remove(chance.one(all))
  }

  #move (name: RepositoryName): void {
    const to = paths.repositoryDirectory(this.chance.one(REPOSITORIES.filter(other => other !== name && !other.startsWith(name) && !name.startsWith(other))))
    if (!this.has(paths.repositoryDirectory(name)) || this.has(to)) return
    mkdirSync(dirname(join(this.root, to)), { recursive: true })
    renameSync(join(this.root, paths.repositoryDirectory(name)), join(this.root, to))
  }

  /** Damage where nothing was: what has been read stays known, and is not read again. */
  #harm (name: RepositoryName, manifest: Digest, alias: { readonly name: Digest }): void {
    const { chance } = this
    const kind = chance.upTo(6)
    if (kind === 0 && !this.has(paths.revisionLink(name, manifest))) this.revision(name, manifest, chance.one(['', 'nonsense', chance.one(MANIFESTS)]))
    else if (kind === 1 && !this.has(paths.layerDirectory(name, BLOBS[7]!))) this.layer(name, BLOBS[7]!, chance.one(['', d('b6')]))
    else if (kind === 2 && !this.has(paths.layerLink(name, alias.name))) this.layer(name, alias.name, '')
    else if (kind === 3) this.#toggle(join(paths.revisionsDirectory(name), 'sha256', 'not-a-digest'), path => { mkdirSync(path, { recursive: true }) })
    else if (kind === 4) this.#toggle(join(chance.one([paths.REPOSITORIES, paths.layersDirectory(name), join(paths.revisionsDirectory(name), 'sha256')]), 'elsewhere'), path => { mkdirSync(dirname(path), { recursive: true }); symlinkSync(this.root, path) })
    else if (kind === 5) this.#toggle(join(paths.REPOSITORIES, 'Bad', '_manifests'), path => { mkdirSync(path, { recursive: true }) })
  }

  #toggle (path: string, make: (path: string) => void): void {
    const isThere = lstatSync(join(this.root, path), { throwIfNoEntry: false }) !== undefined
    if (isThere) this.remove(path)
    else make(join(this.root, path))
  }
}
