/**
 * What many clients at once may expect of each tag. What a deletion does to a tag is open only from when the DELETE is
 * sent until it is answered; and whether a push that was answered meanwhile came before or after it.
 */
import type { Content } from './images.js'

/** A tag that clients share. */
export class Slot {
  /** What it may point to now; `undefined` is: it is not there. One entry means that it is certain. */
  possible: ReadonlyArray<Content | undefined> = [undefined]
  /** Grows whenever something begins or ends that may change it. */
  version = 0
  /** What somebody is putting there. */
  putting: Content | undefined
  /** Somebody is going to push to it: pushes to one tag take turns. */
  reserved = false
  /** A deletion ran while something was put there. */
  contested = false

  constructor (readonly repository: string, readonly tag: string) {}

  get name (): string { return `${this.repository}:${this.tag}` }
  /** What it points to for certain. */
  get content (): Content | undefined { return this.possible.length === 1 ? this.possible[0] : undefined }
}

/** What a DELETE names: a tag, a digest, or with neither all of a repository. */
export interface Target { readonly repository: string, readonly tag?: string, readonly digest?: string }

interface Deletion extends Target {
  /** Tags that something was put to meanwhile. */
  readonly overlapped: Set<Slot>
}

/** Whether a deletion may change a tag. */
function reaches ({ repository, tag, digest }: Target, slot: Slot): boolean {
  if (slot.repository !== repository || (tag !== undefined && slot.tag !== tag)) return false
  return digest === undefined || [...slot.possible, slot.putting].some(content => content?.digest === digest)
}

const isWhole = ({ repository, tag, digest }: Target, of: string): boolean => repository === of && tag === undefined && digest === undefined

export class TortureModel {
  readonly slots: readonly Slot[]
  readonly #deletions = new Set<Deletion>()
  /** How many deletions of all of a repository have begun. */
  readonly #wholes = new Map<string, number>()
  /** Everything that was ever pushed, by digest. */
  readonly #known = new Map<string, Content>()

  constructor (readonly repositories: readonly string[], tags: readonly string[]) {
    this.slots = repositories.flatMap(repository => tags.map(tag => new Slot(repository, tag)))
  }

  known (digest: string): Content | undefined { return this.#known.get(digest) }

  /** Something goes on in a repository; the result says whether a deletion of all of it ran since. */
  watchRepository (repository: string): () => boolean {
    const running = [...this.#deletions].some(deletion => isWhole(deletion, repository))
    const before = this.#wholes.get(repository) ?? 0
    return () => running || (this.#wholes.get(repository) ?? 0) > before
  }

  /** The PUT of a manifest under a tag is sent; call the result when it was answered, with whether it was accepted. */
  beginPut (slot: Slot, content: Content): (accepted: boolean) => void {
    this.#known.set(content.digest, content)
    slot.version++
    slot.putting = content
    for (const deletion of this.#deletions) {
      if (reaches(deletion, slot)) this.#contest(deletion, slot)
    }
    return accepted => {
      const put = accepted ? [content] : slot.possible
      slot.possible = slot.contested ? [...new Set([...put, undefined])] : put
      slot.putting = undefined
      slot.contested = false
      slot.version++
    }
  }

  /**
   * A DELETE is sent; call the result with whether it was accepted (404 otherwise).
   * @throws Error from the result, when it was not although what it names was there all the time
   */
  beginDelete (target: Target): (accepted: boolean) => void {
    const deletion: Deletion = { ...target, overlapped: new Set() }
    const reached = this.slots.filter(slot => reaches(target, slot))
    const certain = reached.filter(slot => slot.content !== undefined && !this.#isMoving(slot))
    this.#deletions.add(deletion)
    if (isWhole(target, target.repository)) this.#wholes.set(target.repository, (this.#wholes.get(target.repository) ?? 0) + 1)
    for (const slot of reached) {
      slot.version++
      if (slot.putting !== undefined) this.#contest(deletion, slot)
    }
    const versions = new Map(certain.map(slot => [slot, slot.version]))
    return accepted => {
      this.#deletions.delete(deletion)
      const there = [...versions].filter(([slot, version]) => slot.version === version)
      if (!accepted && there.length > 0) throw new Error(`DELETE ${JSON.stringify(target)} says 404, but there was ${there.map(([slot]) => slot.name).join(', ')}`)
      for (const slot of this.slots.filter(slot => reaches(target, slot))) this.#afterDelete(deletion, slot)
    }
  }

  /** A look at a tag begins; the result says, at any later time, whether nothing can have changed it since. */
  watch (slot: Slot): () => boolean {
    const { version } = slot
    const wasMoving = this.#isMoving(slot)
    return () => !wasMoving && slot.version === version
  }

  #contest (deletion: Deletion, slot: Slot): void {
    deletion.overlapped.add(slot)
    slot.contested = true
  }

  #isMoving (slot: Slot): boolean {
    return slot.putting !== undefined || [...this.#deletions].some(deletion => reaches(deletion, slot))
  }

  #afterDelete ({ digest, overlapped }: Deletion, slot: Slot): void {
    slot.version++
    if (overlapped.has(slot)) return
    const left = slot.possible.map(content => digest === undefined || content?.digest === digest ? undefined : content)
    slot.possible = [...new Set(left)]
  }
}
