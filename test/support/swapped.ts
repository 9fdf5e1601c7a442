/** A tree whose directories are replaced, on the way to what somebody works on, by symbolic links to a directory outside. */
import { existsSync, renameSync, rmSync, symlinkSync, unlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { writeRepository } from './guarded.js'
import type { Chance } from './random.js'

const SWAPS = 10_000

/** Every directory on a way. */
export const steps = (way: string): string[] => way === '.' ? [] : [...steps(dirname(way)), way]

export class Swapped {
  readonly root: string
  readonly #aside: string

  /** @param outside where the links lead to: it has the same directories */
  constructor (scratch: string, private readonly outside: string) {
    this.root = join(scratch, 'tree')
    this.#aside = join(scratch, 'aside')
  }

  /** Writes the tree anew. */
  fresh (): void {
    for (const path of [this.root, this.#aside]) rmSync(path, { recursive: true, force: true })
    writeRepository(this.root)
  }

  /** Puts a link to the outside in the place of a directory. */
  swap (step: string): void {
    if (existsSync(this.#aside) || !existsSync(join(this.root, step))) return
    renameSync(join(this.root, step), this.#aside)
    symlinkSync(join(this.outside, step), join(this.root, step))
  }

  /** Does some work while a directory is swapped all the time. */
  async toAndFro<T> (step: string, chance: Chance, work: () => Promise<T>): Promise<T> {
    const over = new AbortController()
    const swapping = (async () => {
      for (let times = 0; !over.signal.aborted && times < SWAPS; times++) {
        this.swap(step)
        if (chance.happens(0.5)) await turn()
        this.#swapBack(step)
        await turn()
      }
    })().catch(() => {})
    try {
      return await work()
    } finally {
      over.abort()
      await swapping
    }
  }

  #swapBack (step: string): void {
    if (!existsSync(this.#aside)) return
    unlinkSync(join(this.root, step))
    renameSync(this.#aside, join(this.root, step))
  }
}
