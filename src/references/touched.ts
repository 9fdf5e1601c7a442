/**
 * What the gate reported while the disk is being read. What the disk said of it may be older, so it is not applied: the
 * report stands, and the next pass looks again.
 */
import type { DigestTable } from './digests.js'
import type { Repository } from './folder.js'

export class Touched {
  readonly #ids = new Map<Repository, Set<number>>()

  constructor (private readonly digests: DigestTable) {}

  add (repository: Repository, id: number): void {
    let ids = this.#ids.get(repository)
    if (ids === undefined) this.#ids.set(repository, ids = new Set())
    // Held, so that the number means the same digest for as long as it stands here.
    if (!ids.has(id)) ids.add(this.digests.hold(id))
  }

  has (repository: Repository, id?: number): boolean {
    const ids = this.#ids.get(repository)
    return ids !== undefined && (id === undefined || ids.has(id))
  }

  clear (): void {
    for (const ids of this.#ids.values()) ids.forEach(id => { this.digests.release(id) })
    this.#ids.clear()
  }
}
