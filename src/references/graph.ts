/**
 * Which manifest uses which digest, and which repository links which manifest, both ways. A manifest's references are
 * kept while any repository links it.
 */
import { Cells, NONE } from './cells.js'
import { FIRST_FREE_FIELD, type DigestTable } from './digests.js'

/** How many fields the graph needs in each digest's record. */
export const GRAPH_FIELDS = 3
/** The first reference to this digest. */
const USES = FIRST_FREE_FIELD
/** The first reference from this manifest; `READ` when it is known to have none, `NONE` when it has not been read. */
const REFERENCES = FIRST_FREE_FIELD + 1
/** The first link to this manifest. */
const LINKS = FIRST_FREE_FIELD + 2
const READ = -1

/** Fields of a reference: it is in the list of its owner and, both ways, in that of its target. */
const [TARGET, OWNER, NEXT_OF_OWNER, NEXT_OF_TARGET, PREVIOUS_OF_TARGET] = [0, 1, 2, 3, 4]
/** Fields of a link. */
const [REPOSITORY, NEXT] = [0, 1]

/**
 * How a repository links a manifest. `name`: the link bears its name, but does not say that it is this manifest: that
 * is a use of the manifest, not of what it refers to.
 */
export type LinkKind = 'manifest' | 'name'
/** A repository's number as it stands in a link. */
const stored = (repository: number, kind: LinkKind): number => kind === 'manifest' ? repository : -1 - repository

export class Graph {
  readonly #references = new Cells(5)
  readonly #links = new Cells(2)
  #manifests = 0

  constructor (private readonly digests: DigestTable) {}

  /** Manifests that are linked, each counted once. */
  get manifests (): number { return this.#manifests }
  /** Memory, bytes, without the digests. */
  get bytes (): number { return this.#references.bytes + this.#links.bytes }

  /** Whether the references of a manifest are known. */
  isRead (manifest: number): boolean { return this.#get(manifest, REFERENCES) !== NONE }
  /** Whether a repository links this manifest. */
  isLinked (manifest: number): boolean { return this.#linking(manifest).next().done !== true }
  /** Whether it is linked, or used by what is linked. */
  isUsed (id: number): boolean { return this.#get(id, USES) !== NONE || this.#get(id, LINKS) !== NONE }

  /** Notes what a manifest refers to. @param targets each counted once for it */
  refer (manifest: number, targets: Iterable<number>): void {
    this.#set(manifest, REFERENCES, READ)
    for (const target of targets) this.#add(manifest, target)
  }

  /** Adds a link; a repository may link a manifest more than once. */
  link (manifest: number, repository: number, kind: LinkKind): void {
    const link = this.#links.allocate()
    const first = this.#get(manifest, LINKS)
    if (first === NONE) this.#manifests++
    this.#links.set(link, REPOSITORY, stored(repository, kind))
    this.#links.set(link, NEXT, first)
    this.#set(this.digests.hold(manifest), LINKS, link)
  }

  /** Removes one link of a repository; with the last, what the manifest refers to goes. @returns whether it was the last of its kind */
  unlink (manifest: number, repository: number, kind: LinkKind): boolean {
    const wanted = stored(repository, kind)
    let before = NONE
    let link = this.#get(manifest, LINKS)
    while (link !== NONE && this.#links.get(link, REPOSITORY) !== wanted) link = this.#links.get(before = link, NEXT)
    if (link === NONE) throw new Error('the repository has no such link')
    if (before === NONE) this.#set(manifest, LINKS, this.#links.get(link, NEXT))
    else this.#links.set(before, NEXT, this.#links.get(link, NEXT))
    this.#links.release(link)
    if (this.#get(manifest, LINKS) === NONE) this.#manifests--
    const isLast = kind === 'manifest' && !this.isLinked(manifest)
    if (isLast) this.forget(manifest)
    this.digests.release(manifest)
    return isLast
  }

  /** Drops what a manifest refers to. */
  forget (manifest: number): void {
    let reference = this.#get(manifest, REFERENCES)
    this.#set(manifest, REFERENCES, NONE)
    while (reference > NONE) {
      const next = this.#references.get(reference, NEXT_OF_OWNER)
      this.#drop(reference)
      reference = next
    }
  }

  /** The repositories that link it, or a manifest that uses it; some more than once. */
  * users (id: number): Generator<number> {
    for (let link = this.#get(id, LINKS); link !== NONE; link = this.#links.get(link, NEXT)) {
      const repository = this.#links.get(link, REPOSITORY)
      yield repository < 0 ? -1 - repository : repository
    }
    for (let reference = this.#get(id, USES); reference !== NONE; reference = this.#references.get(reference, NEXT_OF_TARGET)) {
      yield * this.#linking(this.#references.get(reference, OWNER))
    }
  }

  /** The manifests that use it, read or linked as they may be. */
  * owners (id: number): Generator<number> {
    for (let reference = this.#get(id, USES); reference !== NONE; reference = this.#references.get(reference, NEXT_OF_TARGET)) {
      yield this.#references.get(reference, OWNER)
    }
  }

  /** Whether a manifest that a repository links uses it. */
  isUsedIn (id: number, repository: number): boolean {
    for (let reference = this.#get(id, USES); reference !== NONE; reference = this.#references.get(reference, NEXT_OF_TARGET)) {
      for (const linking of this.#linking(this.#references.get(reference, OWNER))) if (linking === repository) return true
    }
    return false
  }

  /** What a manifest refers to. */
  * referencesOf (manifest: number): Generator<number> {
    for (let reference = this.#get(manifest, REFERENCES); reference > NONE; reference = this.#references.get(reference, NEXT_OF_OWNER)) {
      yield this.#references.get(reference, TARGET)
    }
  }

  * #linking (manifest: number): Generator<number> {
    for (let link = this.#get(manifest, LINKS); link !== NONE; link = this.#links.get(link, NEXT)) {
      const repository = this.#links.get(link, REPOSITORY)
      if (repository >= 0) yield repository
    }
  }

  #add (owner: number, target: number): void {
    const reference = this.#references.allocate()
    const first = this.#get(target, USES)
    const firstOfOwner = this.#get(owner, REFERENCES)
    this.#references.set(reference, TARGET, target)
    this.#references.set(reference, OWNER, owner)
    this.#references.set(reference, NEXT_OF_OWNER, firstOfOwner === READ ? NONE : firstOfOwner)
    this.#references.set(reference, NEXT_OF_TARGET, first)
    if (first !== NONE) this.#references.set(first, PREVIOUS_OF_TARGET, reference)
    this.#set(target, USES, reference)
    this.#set(owner, REFERENCES, reference)
  }

  #drop (reference: number): void {
    const target = this.#references.get(reference, TARGET)
    const next = this.#references.get(reference, NEXT_OF_TARGET)
    const previous = this.#references.get(reference, PREVIOUS_OF_TARGET)
    if (previous === NONE) this.#set(target, USES, next)
    else this.#references.set(previous, NEXT_OF_TARGET, next)
    if (next !== NONE) this.#references.set(next, PREVIOUS_OF_TARGET, previous)
    this.#references.release(reference)
    this.digests.release(target)
  }

  #get (id: number, field: number): number { return this.digests.cells.get(id, field) }
  #set (id: number, field: number, value: number): void { this.digests.cells.set(id, field, value) }
}
