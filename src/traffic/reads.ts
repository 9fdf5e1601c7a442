/**
 * Manifest reads that the registry is at work on. It may have found a link just before that was removed:
 *
 *     client    GET manifest: the registry reads the tag and the manifest
 *     gate      unlinks both, and the layers: nobody leases them
 *     gate      gets the answer: the pull has begun, and its layers are gone
 *
 * So layers are unlinked only when the reads that began before the tag went have been answered, and their pulls lease
 * what they need. And the registry may note in its cache, just after it was made to forget, that the manifest exists:
 *
 *     client    GET manifest: the registry reads the link
 *     gate      unlinks the manifest; makes the registry forget it
 *     registry  remembers the manifest
 *
 * So it is made to forget only after those reads, too.
 */
import type { RepositoryName } from '../oci/name.js'

interface Group { reading: number, over: () => void, readonly ended: Promise<void> }

export class Reads {
  /** The last group takes new reads; those before it are waited for. */
  readonly #groups = new Map<RepositoryName, Group[]>()

  /** A read goes to the registry; call the result once when it has been answered, or given up. */
  begin (repository: RepositoryName): () => void {
    let groups = this.#groups.get(repository)
    if (groups === undefined) this.#groups.set(repository, groups = [newGroup()])
    const group = groups.at(-1)!
    group.reading++
    return () => {
      group.reading--
      this.#tidy(repository)
    }
  }

  /**
   * Waits until every read that runs now has ended; those that begin later do not matter.
   * @returns false when the time was up first
   */
  async settled (repository: RepositoryName, seconds: number): Promise<boolean> {
    const groups = this.#groups.get(repository)
    if (groups === undefined) return true
    const before = [...groups]
    groups.push(newGroup())
    this.#tidy(repository)
    return await new Promise(resolve => {
      const timer = setTimeout(resolve, seconds * 1000, false)
      void Promise.all(before.map(async group => { await group.ended })).then(() => {
        clearTimeout(timer)
        resolve(true)
      })
    })
  }

  #tidy (repository: RepositoryName): void {
    const groups = this.#groups.get(repository)!
    const last = groups.at(-1)!
    for (const group of groups.filter(group => group.reading === 0 && group !== last)) {
      group.over()
      groups.splice(groups.indexOf(group), 1)
    }
    if (groups.length === 1 && last.reading === 0) this.#groups.delete(repository)
  }
}

function newGroup (): Group {
  let over = (): void => {}
  const ended = new Promise<void>(resolve => { over = resolve })
  return { reading: 0, over, ended }
}
