/**
 * The states of repositories, kept in memory for those that were used last. The same as reading each repository whole,
 * at the cost of what has changed since.
 *
 * Pushes through the gate say what they changed. What goes around the gate is seen by the stamps of directories, and,
 * where no directory shows it, by `isCurrent`, which looks at everything that a plan is about before it is carried out.
 * One thing is not seen: an existing tag that is moved around the gate to a manifest which is new, and which is then
 * pushed through the gate too, before anybody has read the repository in between.
 */
import type { Digest } from '../oci/digest.js'
import type { RepositoryName, Tag } from '../oci/name.js'
import type { Reference } from '../oci/route.js'
import { each } from './concurrency.js'
import type { EntryReader } from './entries.js'
import * as paths from './paths.js'
import { noMarks, refresh, type Marks, type Snapshot } from './snapshot.js'
import type { RepositoryState } from './state.js'

/** Tags, manifests and layer links that are kept, of all repositories together; each takes some 300 bytes. Entries. */
const ENTRIES_KEPT = 200_000
/** Tags that are looked at for what they keep: one that is right is reason enough to keep it. Tags. */
const KEEPERS_CHECKED = 20

/** The parts of a deletion's plan that must still be what they were when it was planned. */
export interface Touched {
  readonly repository: RepositoryName
  readonly tags: ReadonlyArray<{ readonly tag: Tag }>
  readonly manifests: readonly Digest[]
  readonly history: ReadonlyArray<{ readonly tag: Tag }>
  readonly layers: readonly Digest[]
  readonly kept: ReadonlyArray<{ readonly tags: readonly Tag[] }>
}

interface Slot {
  snapshot: Snapshot | undefined
  marks: Marks
  /** Known manifests that were pushed again through the gate: this hides a push around it that came just before. */
  doubtful: Set<Digest>
  /** Counts how often all was forgotten. */
  generation: number
  running: Promise<RepositoryState> | undefined
  next: { readonly tags: Set<Tag>, readonly state: Promise<RepositoryState> } | undefined
}

export class RepositoryStates {
  /** Least recently used first. */
  readonly #slots = new Map<RepositoryName, Slot>()

  /**
   * @param options.maximum how many entries are kept; one repository is kept however many it has
   * @param options.onRemoving told of every removal, too, before it; what it returns is called after
   */
  constructor (private readonly reader: EntryReader, private readonly options: { readonly maximum?: number, readonly onRemoving?: (plan: Touched) => Promise<() => void> } = {}) {}

  /**
   * The state of a repository as it is now. It does not change any more.
   * @param options.tag read again whatever is known: it was named in a request
   */
  async repository (name: RepositoryName, options: { readonly tag?: Tag | undefined } = {}): Promise<RepositoryState> {
    let slot = this.#slots.get(name)
    if (slot === undefined) this.#slots.set(name, slot = { ...unread(), generation: 0, running: undefined, next: undefined })
    // Whoever asks while a reading runs waits for the next one: the running one may already have passed what changed.
    const next = slot.next ?? this.#enqueue(name, slot)
    if (options.tag !== undefined) next.tags.add(options.tag)
    return await next.state
  }

  /** A manifest PUT through the gate was accepted. */
  pushed (name: RepositoryName, reference: Reference, digest: Digest): void {
    const slot = this.#slots.get(name)
    if (slot === undefined) return
    if ('tag' in reference) slot.marks.tags.add(reference.tag)
    slot.marks.told.set(digest, Date.now())
    if (slot.snapshot?.state.revisions.has(digest) === true) slot.doubtful.add(digest)
  }

  /** An upload was committed, or a blob mounted, through the gate; or its link was written by Delgate. */
  layerLinked (name: RepositoryName, digest: Digest): void {
    this.#slots.get(name)?.marks.layers.add(digest)
  }

  /** Links will be removed: all that a plan names, or a part of it. Call the result once they are. */
  async removing (plan: Touched): Promise<() => Promise<void>> {
    const removed = await this.options.onRemoving?.(plan)
    return async () => {
      removed?.()
      await this.#removed(plan)
    }
  }

  /** Nothing is known any more: the next reading is a whole one. */
  forget (name: RepositoryName): void {
    const slot = this.#slots.get(name)
    if (slot === undefined) return
    // A reading that runs goes on for those who wait for it, and is not kept.
    Object.assign(slot, { ...unread(), generation: slot.generation + 1 })
    this.#tidy()
  }

  /**
   * Whether all that a plan is about still is as it was in the state that the plan was made from: nobody has pushed it
   * again, or moved a tag to it, since. If not, what differs will be read again: ask for the state, and plan again.
   */
  async isCurrent (state: RepositoryState, plan: Touched): Promise<boolean> {
    const { name } = state
    const { marks, doubtful } = this.#slots.get(name) ?? unread()
    const doubts = plan.manifests.filter(digest => doubtful.delete(digest))
    if (doubts.length > 0) marks.allTags = true
    let current = doubts.length === 0
    const check = async (path: string, modifiedAt: number | undefined, differs: () => void): Promise<void> => {
      if (await this.reader.modifiedAt(path) === modifiedAt) return
      current = false
      differs()
    }
    const keepers = plan.kept.flatMap(({ tags }) => tags.slice(0, KEEPERS_CHECKED))
    await each([
      ...plan.manifests.map(digest => async () => { await check(paths.revisionLink(name, digest), state.revisions.get(digest)?.modifiedAt, () => { marks.revisions.add(digest) }) }),
      ...plan.layers.map(digest => async () => { await check(paths.layerLink(name, digest), state.layers.get(digest)?.modifiedAt, () => { marks.layers.add(digest) }) }),
      ...new Set([...plan.tags.map(({ tag }) => tag), ...keepers])
    ].map(one => typeof one === 'function' ? one : async () => { await check(paths.tagCurrentLink(name, one), state.tags.get(one)?.modifiedAt, () => { marks.tags.add(one) }) }), async look => { await look() })
    return current
  }

  async #removed (plan: Touched): Promise<void> {
    const slot = this.#slots.get(plan.repository)
    if (slot === undefined) return
    const { marks, snapshot } = slot
    for (const { tag } of [...plan.tags, ...plan.history]) marks.tags.add(tag)
    for (const digest of plan.manifests) marks.revisions.add(digest)
    for (const digest of plan.layers) marks.layers.add(digest)
    await snapshot?.directories.removed(paths.revisionsDirectory(plan.repository), plan.manifests)
    await snapshot?.directories.removed(paths.layersDirectory(plan.repository), plan.layers)
  }

  #enqueue (name: RepositoryName, slot: Slot): NonNullable<Slot['next']> {
    const tags = new Set<Tag>()
    const before = slot.running?.catch(() => {}) ?? Promise.resolve()
    const state = before.then(async () => {
      slot.next = undefined
      return await (slot.running = this.#refresh(name, slot, tags))
    })
    return (slot.next = { tags, state })
  }

  async #refresh (name: RepositoryName, slot: Slot, named: ReadonlySet<Tag>): Promise<RepositoryState> {
    const { snapshot, marks, generation } = slot
    slot.marks = noMarks()
    try {
      const read = await refresh(this.reader, name, snapshot, { ...marks, tags: new Set([...marks.tags, ...named]) })
      if (slot.generation === generation) slot.snapshot = read.state.exists ? read : undefined
      return read.state
    } catch (error) {
      // The listings are ahead of what was read with them.
      if (slot.generation === generation) this.forget(name)
      throw error
    } finally {
      slot.running = undefined
      if (this.#slots.get(name) === slot) {
        this.#slots.delete(name)
        this.#slots.set(name, slot)
      }
      this.#tidy()
    }
  }

  /** Forgets repositories of which nothing is known, and those that were used least recently when there are too many. */
  #tidy (): void {
    let entries = 0
    for (const [name, slot] of [...this.#slots].reverse()) {
      const isFirst = entries === 0
      entries += weight(slot.snapshot)
      const isIdle = slot.running === undefined && slot.next === undefined
      if (isIdle && (slot.snapshot === undefined || (entries > (this.options.maximum ?? ENTRIES_KEPT) && !isFirst))) this.#slots.delete(name)
    }
  }
}

const unread = (): Pick<Slot, 'snapshot' | 'marks' | 'doubtful'> => ({ snapshot: undefined, marks: noMarks(), doubtful: new Set() })

const weight = (snapshot: Snapshot | undefined): number => snapshot === undefined ? 0 : 1 + snapshot.state.tags.size + snapshot.state.revisions.size + snapshot.state.layers.size
