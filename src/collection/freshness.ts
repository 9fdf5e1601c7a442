/**
 * Whether the registry may still remember what was swept. The mark is made on the disk before the first blob goes and
 * taken away once the registry has forgotten, so that neither a crash nor a failed restart can lose it.
 */
import { existsSync } from 'node:fs'
import { open, rm } from 'node:fs/promises'

export class Freshness {
  #stale: boolean

  /**
   * @param path where the mark is kept
   * @param onProblem told when the mark cannot be removed; then the next start restarts the registry once more
   */
  constructor (private readonly path: string, private readonly onProblem: (error: unknown) => void = () => {}) {
    this.#stale = existsSync(path)
  }

  get isStale (): boolean { return this.#stale }

  /** From now on the registry may remember what is gone. */
  async spoil (): Promise<void> {
    if (this.#stale) return
    const file = await open(this.path, 'w', 0o600)
    await file.sync().finally(async () => { await file.close() })
    this.#stale = true
  }

  /** The registry has forgotten. */
  async renew (): Promise<void> {
    this.#stale = false
    await rm(this.path, { force: true }).catch(this.onProblem)
  }
}
