/**
 * What the index holds, and the only changes that can be made to it. Every change is made in one go, without awaiting.
 * A revision's entry is always one of: vacant, damaged, or a link to a manifest; a damaged one counts as a use of what
 * it is named by, and one that holds another digest as a use of both.
 */
import { algorithmOf, type Digest } from '../oci/digest.js'
import type { ManifestReferences } from '../oci/manifest.js'
import type { RepositoryName } from '../oci/name.js'
import type { Damage } from '../storage/state.js'
import { DigestTable } from './digests.js'
import { drawerOf, Folder, Repository, type Drawer } from './folder.js'
import { GRAPH_FIELDS, Graph } from './graph.js'
import { SIZE_FIELDS, Sizes } from './sizes.js'
import { has, including } from './sorted.js'

/** Where a revision's entry leads. */
export type Entry = { readonly kind: 'vacant' } | { readonly kind: 'damaged', readonly damage: Damage } | { readonly kind: 'link', readonly manifest: number }
export const VACANT: Entry = { kind: 'vacant' }

/** A manifest that is linked and will be read in a moment. */
export const UNREAD: Damage = { kind: 'manifest', path: '', reason: 'it has not been read yet' }

export class Memory {
  readonly digests = new DigestTable(GRAPH_FIELDS + SIZE_FIELDS)
  readonly sizes = new Sizes(this.digests)
  readonly graph = new Graph(this.digests)
  readonly root = new Folder('')
  readonly repositories = new Map<RepositoryName, Repository>()
  /** Linked manifests of which nothing is known, and why. */
  readonly unreadable = new Map<number, Damage>()
  /** Who stores something under another name, by what is stored. */
  readonly #aliasing = new Map<number, Array<{ readonly repository: Repository, readonly name: number }>>()
  readonly #numbered: Array<Repository | undefined> = []
  readonly #freeNumbers: number[] = []
  /** Repositories with layers of which it is not known what is stored. */
  readonly unknown = new Set<Repository>()
  /** Changes with every change. */
  version = 0

  repository (name: RepositoryName): Repository {
    const known = this.repositories.get(name)
    if (known !== undefined) return known
    const number = this.#freeNumbers.pop() ?? this.#numbered.length
    const repository = new Repository(name, number)
    this.#numbered[number] = repository
    this.repositories.set(name, repository)
    return repository
  }

  /** Forgets a repository whose shelves are empty. */
  forget (repository: Repository): void {
    this.repositories.delete(repository.name)
    this.#numbered[repository.number] = undefined
    this.#freeNumbers.push(repository.number)
  }

  numbered (number: number): Repository { return this.#numbered[number]! }

  /** Adds the entry of a revision or layer to those that are known; `false` where it is known already. */
  add (drawer: Drawer, id: number): boolean {
    if (has(drawer.names, id)) return false
    drawer.names = including(drawer.names, this.digests.hold(id))
    return true
  }

  /** What a known entry of a revision is. */
  entry ({ oddities }: Repository, id: number): Entry {
    if (oddities?.vacant.has(id) === true) return VACANT
    const damage = oddities?.damaged.get(id)
    return damage !== undefined ? { kind: 'damaged', damage } : { kind: 'link', manifest: oddities?.renamed.get(id) ?? id }
  }

  /** Changes what an entry of a revision is. @param before what it was, so far vacant when it is new */
  change (repository: Repository, id: number, next: Entry, before = this.entry(repository, id)): void {
    if (next.kind === 'link' && before.kind === 'link' && next.manifest === before.manifest) return
    this.version++
    // The new one first: what both use must not seem unused, nor be forgotten and read again.
    if (next.kind === 'vacant') repository.odd.vacant.add(id)
    else if (next.kind === 'damaged') this.#damage(repository, id, next.damage)
    else this.#link(repository, id, next.manifest)
    if (before.kind !== next.kind) (before.kind === 'vacant' ? repository.oddities?.vacant : before.kind === 'damaged' ? repository.oddities?.damaged : undefined)?.delete(id)
    if (before.kind === 'link' && next.kind !== 'link') repository.oddities?.renamed.delete(id)
    if (before.kind === 'link' && this.graph.unlink(before.manifest, repository.number, 'manifest')) this.unreadable.delete(before.manifest)
    if (before.kind === 'damaged' || (before.kind === 'link' && before.manifest !== id)) this.graph.unlink(id, repository.number, 'name')
  }

  /** Removes the entry of a revision that is no more in its directory. */
  removeRevision (repository: Repository, id: number): void {
    this.change(repository, id, VACANT)
    repository.odd.vacant.delete(id)
  }

  /** Removes what is known of a layer that is no more in its directory. */
  removeLayer (repository: Repository, id: number): void {
    this.version++
    this.alias(repository, id, id)
    repository.oddities?.vacantLayers.delete(id)
    repository.oddities?.damagedLayers.delete(id)
  }

  /** Notes what a layer's link holds: for most, their own name. */
  alias (repository: Repository, name: number, target: number): void {
    const before = repository.oddities?.aliases.get(name)
    if (before === target || (before === undefined && name === target)) return
    this.version++
    if (name !== target) {
      repository.odd.aliases.set(this.digests.hold(name), this.digests.hold(target))
      this.#aliasing.set(target, [...this.#aliasing.get(target) ?? [], { repository, name }])
    }
    if (before === undefined) return
    if (name === target) repository.oddities?.aliases.delete(name)
    const left = this.#aliasing.get(before)!.filter(one => one.repository !== repository || one.name !== name)
    if (left.length > 0) this.#aliasing.set(before, left)
    else this.#aliasing.delete(before)
    this.digests.release(name)
    this.digests.release(before)
  }

  /** Who stores a digest under another name. */
  aliasing (target: number): ReadonlyArray<{ readonly repository: Repository, readonly name: number }> {
    return this.#aliasing.get(target) ?? []
  }

  /** Notes that what a layer's name stands for must be found out; nothing counts as unused until then. */
  addUnknown (repository: Repository, name: number): void {
    if (repository.oddities?.unknown.has(name) === true) return
    repository.odd.unknown.add(this.digests.hold(name))
    this.unknown.add(repository)
  }

  removeUnknown (repository: Repository, name: number): void {
    if (repository.oddities?.unknown.delete(name) !== true) return
    this.digests.release(name)
    if (repository.oddities.unknown.size === 0) this.unknown.delete(repository)
  }

  /** Notes what a linked manifest refers to. */
  refer (manifest: number, { blobs, manifests }: Pick<ManifestReferences, 'blobs' | 'manifests'>): void {
    this.version++
    this.unreadable.delete(manifest)
    if (!this.graph.isRead(manifest)) this.graph.refer(manifest, [...new Set([...blobs, ...manifests])].map(digest => this.digests.acquire(digest)))
  }

  /** Whether some linked manifest was read, or came by, and cannot be understood: it may use anything. */
  get isBlind (): boolean {
    for (const damage of this.unreadable.values()) if (damage !== UNREAD) return true
    return false
  }

  /** Notes why it is not known what a linked manifest refers to. */
  misread (manifest: number, damage: Damage): void {
    if (!this.graph.isRead(manifest)) this.unreadable.set(manifest, damage)
  }

  /** Whether a repository's `_layers` have an entry of this name. */
  hasLayer (repository: Repository, id: number): boolean {
    for (const { names } of repository.layers.drawers.values()) if (has(names, id)) return true
    return false
  }

  /** Whether the repository's entry of a layer has been read and is in order. */
  isKnownLayer (repository: Repository, id: number): boolean {
    const { oddities } = repository
    return this.hasLayer(repository, id) && oddities?.vacantLayers.has(id) !== true && oddities?.damagedLayers.has(id) !== true
  }

  revisionDrawer (repository: Repository, digest: Digest): Drawer { return drawerOf(repository.revisions, algorithmOf(digest)) }

  #damage (repository: Repository, id: number, damage: Damage): void {
    repository.odd.damaged.set(id, damage)
    this.graph.link(id, repository.number, 'name')
  }

  #link (repository: Repository, id: number, manifest: number): void {
    if (manifest === id) repository.oddities?.renamed.delete(id)
    else repository.odd.renamed.set(id, manifest)
    if (manifest !== id) this.graph.link(id, repository.number, 'name')
    this.graph.link(manifest, repository.number, 'manifest')
    if (!this.graph.isRead(manifest) && !this.unreadable.has(manifest)) this.unreadable.set(manifest, UNREAD)
  }
}
