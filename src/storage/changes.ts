/**
 * Where the tree was changed since that was flushed last. Names are on the disk when the directory that they are in has
 * been flushed (fsync(2)); on a file system that keeps a journal, so is all that came before.
 */
import { dirname } from 'node:path'

export class Changes {
  #directories = new Set<string>()

  /** Something is about to be changed in these directories. */
  note (...directories: readonly string[]): void { for (const directory of directories) this.#directories.add(directory) }

  /**
   * Flushes them; of one that is gone, the nearest that is left. One flush at a time.
   * @param one flushes a directory; resolves with whether it is there
   */
  async flush (one: (directory: string) => Promise<boolean>): Promise<void> {
    const changed = this.#directories
    this.#directories = new Set()
    try {
      const done = new Set<string>()
      for (const directory of changed) await flushNearest(directory, done, one)
    } catch (error) {
      this.note(...changed)
      throw error
    }
  }
}

async function flushNearest (directory: string, done: Set<string>, one: (directory: string) => Promise<boolean>): Promise<void> {
  for (let at = directory; !done.has(at); at = dirname(at)) {
    done.add(at)
    if (await one(at)) return
  }
}
