/**
 * One deletion at a time in a repository, and no manifest is being written in it meanwhile:
 *
 *     PUT manifest: writes the revision link
 *     DELETE tag:   had planned to remove that revision; unlinks the tag
 *     PUT manifest: writes the tag link
 *     DELETE tag:   unlinks the revision                          → a tag that points to nothing
 *
 * Manifest PUTs are shared, deletions exclusive; whoever came first goes first, so neither can starve the other.
 */
import type { RepositoryName } from '../oci/name.js'

interface Turn { readonly exclusive: boolean, readonly start: () => void }
interface Lock { shared: number, exclusive: boolean, readonly queue: Turn[] }

export class RepositoryLocks {
  readonly #locks = new Map<RepositoryName, Lock>()

  /** Waits for a turn beside other shared users; call the result to end it. */
  async shared (repository: RepositoryName): Promise<() => void> { return await this.#acquire(repository, false) }

  /** Waits for a turn alone; call the result to end it. */
  async exclusive (repository: RepositoryName): Promise<() => void> { return await this.#acquire(repository, true) }

  /** Whether a deletion is running or waiting. */
  isContended (repository: RepositoryName): boolean {
    const lock = this.#locks.get(repository)
    return lock !== undefined && (lock.exclusive || lock.queue.length > 0)
  }

  async #acquire (repository: RepositoryName, exclusive: boolean): Promise<() => void> {
    let lock = this.#locks.get(repository)
    if (lock === undefined) this.#locks.set(repository, lock = { shared: 0, exclusive: false, queue: [] })
    const held = lock
    await new Promise<void>(resolve => {
      held.queue.push({ exclusive, start: resolve })
      this.#advance(held)
    })
    let released = false
    return () => {
      if (released) return
      released = true
      if (exclusive) held.exclusive = false
      else held.shared--
      this.#advance(held)
      if (!held.exclusive && held.shared === 0 && held.queue.length === 0) this.#locks.delete(repository)
    }
  }

  #advance (lock: Lock): void {
    for (let turn = lock.queue[0]; turn !== undefined; turn = lock.queue[0]) {
      if (lock.exclusive || (turn.exclusive && lock.shared > 0)) return
      lock.queue.shift()
      if (turn.exclusive) lock.exclusive = true
      else lock.shared++
      turn.start()
    }
  }
}
