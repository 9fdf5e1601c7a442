/**
 * Room on the disk that is kept for the journal. People delete because their disk is full, and a deletion is recorded before
 * anything is removed: what is held here is given up for that record, and taken again once there is room.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, rm, stat, statfs, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'

/** It is taken only where so many times as much is free: it must not be what fills the disk. */
const SPARE = 4

export class Reserve {
  #isHeld = false
  #last: Promise<unknown> = Promise.resolve()

  private constructor (private readonly file: string, private readonly bytes: number) {}

  /** @param bytes how much is kept; none where it is 0 */
  static async open (file: string, bytes: number): Promise<Reserve> {
    const reserve = new Reserve(file, bytes)
    await mkdir(dirname(file), { recursive: true })
    // What a crash cut is smaller, and is written anew.
    reserve.#isHeld = await stat(file).then(({ size }) => size === bytes, () => false)
    if (bytes === 0) await rm(file, { force: true })
    else await reserve.restore()
    return reserve
  }

  /** Whether there is room that can be given up. */
  get isHeld (): boolean { return this.#isHeld }

  /** Gives the room up. Never rejects. */
  async release (): Promise<void> {
    await this.#after(async () => {
      this.#isHeld = false
      await rm(this.file, { force: true })
    })
  }

  /** Takes the room again where there is enough. Never rejects. */
  async restore (): Promise<void> {
    if (this.#isHeld || this.bytes === 0) return
    await this.#after(async () => {
      if (!this.#isHeld && await this.#hasRoom()) await this.#take()
    })
  }

  async #hasRoom (): Promise<boolean> {
    const { bavail, bsize } = await statfs(dirname(this.file))
    return bavail * bsize >= this.bytes * SPARE
  }

  /** Random bytes: a file system that compresses would keep no room for others. */
  async #take (): Promise<void> {
    try {
      await writeFile(this.file, randomBytes(this.bytes), { mode: 0o600, flush: true })
      this.#isHeld = true
    } catch (error) {
      await rm(this.file, { force: true }).catch(() => {})
      throw error
    }
  }

  async #after (work: () => Promise<void>): Promise<void> {
    // Without it, all goes as it would with no reserve.
    const done = this.#last.then(work).catch(() => {})
    this.#last = done
    await done
  }
}
