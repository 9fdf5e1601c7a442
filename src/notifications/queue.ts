/**
 * A queue on the disk: one file for each envelope, its number as its name. A crash leaves either the whole file or none,
 * and a power cut does not take one that was said to be there, since the directory is flushed, too;
 * what was delivered goes only afterwards, so that after a crash it may be delivered again, but is never lost.
 */
import { mkdir, open, readFile, readdir, rename, rm, rmdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { flushDirectory } from '../flush.js'

const NAME = /^(\d{16})\.json$/
const TEMPORARY = '.tmp'

export interface Queued { readonly number: number, readonly text: string }

export class DiskQueue {
  #adding: Promise<void> = Promise.resolve()
  #dropped = 0
  #isFull = false

  private constructor (private readonly directory: string, private readonly maximum: number, private readonly onDropped: () => void, private readonly numbers: number[], private next: number) {}

  /**
   * Opens the queue with what an earlier process left in it.
   * @param maximum how many it holds; beyond that the oldest goes
   * @param onDropped told when one goes for the first time since there was room
   */
  static async open (directory: string, maximum: number, onDropped: () => void = () => {}): Promise<DiskQueue> {
    const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return []
      throw error
    })
    for (const name of names.filter(name => name.endsWith(TEMPORARY))) await rm(join(directory, name), { force: true })
    const numbers = names.flatMap(name => NAME.exec(name)?.[1] ?? []).map(Number).sort((a, b) => a - b)
    const queue = new DiskQueue(directory, maximum, onDropped, numbers, (numbers.at(-1) ?? 0) + 1)
    await queue.#makeRoom(maximum)
    return queue
  }

  get size (): number { return this.numbers.length }
  /** How many went undelivered since the start, because the queue was full. */
  get dropped (): number { return this.#dropped }

  /**
   * Adds one at the end; it is on the disk when this resolves.
   * @throws what the file system says
   */
  async add (text: string): Promise<void> {
    const adding = this.#adding.catch(() => {}).then(async () => { await this.#add(text) })
    this.#adding = adding
    await adding
  }

  /** The oldest; `undefined` when there is none. Files that somebody has taken away are passed over. */
  async first (): Promise<Queued | undefined> {
    for (let number = this.numbers[0]; number !== undefined; number = this.numbers[0]) {
      const text = await readFile(this.#path(number), 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined
        throw error
      })
      if (text !== undefined) return { number, text }
      this.#forget(number)
    }
    return undefined
  }

  /** Takes one away; nothing when it has gone already. */
  async remove (number: number): Promise<void> {
    this.#isFull = false
    await this.#remove(number)
  }

  /** Resolves when what is being added has been added, or could not be. */
  async close (): Promise<void> { await this.#adding.catch(() => {}) }

  async #add (text: string): Promise<void> {
    await this.#makeRoom(this.maximum - 1)
    const number = this.next
    const temporary = this.#path(number) + TEMPORARY
    const made = await mkdir(this.directory, { recursive: true })
    if (made !== undefined) for (const parent of new Set([dirname(made), dirname(this.directory)])) await flushDirectory(parent)
    const file = await open(temporary, 'w', 0o600)
    try {
      await file.writeFile(text)
      await file.sync()
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => {})
      throw error
    } finally {
      await file.close()
    }
    await rename(temporary, this.#path(number))
    await flushDirectory(this.directory)
    // Where that fails, the next one takes its place.
    this.next++
    this.numbers.push(number)
  }

  async #makeRoom (maximum: number): Promise<void> {
    while (this.numbers.length > maximum) {
      await this.#remove(this.numbers[0]!)
      this.#dropped++
      if (!this.#isFull) this.onDropped()
      this.#isFull = true
    }
  }

  async #remove (number: number): Promise<void> {
    this.#forget(number)
    await rm(this.#path(number), { force: true })
  }

  #forget (number: number): void {
    const at = this.numbers.indexOf(number)
    if (at !== -1) this.numbers.splice(at, 1)
  }

  #path (number: number): string { return join(this.directory, `${String(number).padStart(16, '0')}.json`) }
}

/** The queues below a directory that hold something. Empty ones go. */
export async function queuesIn (directory: string): Promise<Array<{ readonly name: string, readonly waiting: number }>> {
  const found: Array<{ name: string, waiting: number }> = []
  for (const name of await readdir(directory).catch(() => [])) {
    const waiting = (await readdir(join(directory, name)).catch(() => [])).filter(file => NAME.test(file)).length
    if (waiting > 0) found.push({ name, waiting })
    else await rmdir(join(directory, name)).catch(() => {})
  }
  return found
}
