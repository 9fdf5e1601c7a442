/** Keeps the index over a restart: saved in a file, loaded once, and saved again only when something has changed. */
import { identityOf } from '../storage/identity.js'
import type { PacedDisk } from '../storage/paced.js'
import { removeUnfinished, writeBlocks } from './file.js'
import { load } from './load.js'
import type { Memory } from './memory.js'
import { blocksOf } from './save.js'

export class Store {
  /** Of the index as it was saved or loaded last. */
  #version = -1
  #hasLoaded = false

  /** @param root the directory `docker/registry/v2` of the storage */
  constructor (private readonly memory: Memory, private readonly root: string, private readonly disk: PacedDisk) {}

  /** Takes what an earlier run has saved, before anything was read; once. */
  async load (path: string | undefined, signal: AbortSignal | undefined): Promise<void> {
    if (path === undefined || this.#hasLoaded) return
    this.#hasLoaded = true
    // Where it cannot be removed, it cannot be written either, which is said then.
    await removeUnfinished(path).catch(() => {})
    const identity = await identityOf(this.root)
    if (identity !== undefined && await load(this.memory, path, identity, this.disk, signal)) this.#version = this.memory.version
  }

  /** @returns `false` when there was nothing new to save */
  async save (path: string): Promise<boolean> {
    const { version, digests } = this.memory
    const identity = await identityOf(this.root)
    if (version === this.#version || identity === undefined) return false
    digests.pin()
    try {
      await writeBlocks(path, blocksOf(this.memory, identity))
    } finally {
      digests.unpin()
    }
    this.#version = version
    return true
  }
}
