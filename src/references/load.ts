/**
 * Reads a saved index. What it says of a directory holds only as long as that has the same stamp, which the pass after it
 * finds out. Whatever the gate has reported meanwhile is newer: it stays as it is.
 */
import { parseDigest, type Digest } from '../oci/digest.js'
import { parseRepositoryName } from '../oci/name.js'
import type { PacedDisk } from '../storage/paced.js'
import { WORDS } from './digests.js'
import { readBlocks, type Block } from './file.js'
import { drawerOf, Folder, type Repository, type Shelf } from './folder.js'
import { BLOCK, HALF, VERSION, numbersIn, type Head, type SavedFolder, type SavedRepository, type SavedShelf } from './format.js'
import { VACANT, type Memory } from './memory.js'

/** How much is done between two looks at the clock. */
const DONE_AT_ONCE = 500

/** @returns whether there was a file that is intact, of this version, about this tree */
export async function load (memory: Memory, path: string, identity: string, disk: PacedDisk, signal?: AbortSignal): Promise<boolean> {
  const loading = new Loading(memory, disk)
  try {
    let isFirst = true
    for await (const block of readBlocks(path)) {
      signal?.throwIfAborted()
      if (isFirst && !isOurs(block, identity)) return false
      isFirst = false
      await loading.take(block)
    }
    return !isFirst
  } catch (error) {
    // Folders that were taken may miss some of those in them.
    memory.root.stamp = undefined
    memory.root.children.clear()
    if (signal?.aborted === true) throw error
    return false
  } finally {
    await loading.end()
  }
}

function isOurs ({ type, bytes }: Block, identity: string): boolean {
  if (type !== BLOCK.head) return false
  const head = JSON.parse(bytes.toString()) as Head
  return head.format === 'delgate reference index' && head.version === VERSION && head.identity === identity
}

class Loading {
  /** The number of the digest at each place, counted once; the first place is 1. */
  readonly #ids: number[] = [0]
  readonly #manifests: number[] = []
  readonly #folders = new Map<string, Folder>()

  constructor (private readonly memory: Memory, private readonly disk: PacedDisk) {}

  async take ({ type, bytes }: Block): Promise<void> {
    await this.disk.breathe()
    if (type === BLOCK.digests) await this.#digests(numbersIn(bytes))
    else if (type === BLOCK.others) this.#others(JSON.parse(bytes.toString()) as Array<[number, Digest]>)
    else if (type === BLOCK.sizes) await this.#sizes(numbersIn(bytes))
    else if (type === BLOCK.manifests) await this.#takeManifests(numbersIn(bytes))
    else if (type === BLOCK.folders) (JSON.parse(bytes.toString()) as SavedFolder[]).forEach(saved => { this.#folder(saved) })
    else if (type === BLOCK.repository) this.#repository(bytes)
  }

  /** Lets go of what nothing came to use. */
  async end (): Promise<void> {
    const { graph, digests } = this.memory
    for (const [count, manifest] of this.#manifests.entries()) {
      if (!graph.isLinked(manifest)) graph.forget(manifest)
      if (count % DONE_AT_ONCE === 0) await this.disk.breathe()
    }
    for (let place = 1; place < this.#ids.length; place++) {
      digests.release(this.#ids[place]!)
      if (place % DONE_AT_ONCE === 0) await this.disk.breathe()
    }
  }

  async #digests (words: Int32Array): Promise<void> {
    for (let at = 0; at < words.length; at += WORDS) {
      this.#ids.push(this.memory.digests.acquireWords(words, at))
      if (at % (DONE_AT_ONCE * WORDS) === 0) await this.disk.breathe()
    }
  }

  #others (others: ReadonlyArray<readonly [number, Digest]>): void {
    for (const [place, digest] of others) {
      this.memory.digests.release(this.#ids[place]!)
      this.#ids[place] = this.memory.digests.acquire(parseDigest(digest)!)
    }
  }

  async #sizes (numbers: Int32Array): Promise<void> {
    const first = numbers[0]!
    for (let at = 1; at < numbers.length; at += 2) {
      if (numbers[at]! >= 0) this.memory.sizes.set(this.#ids[first + (at >> 1)]!, numbers[at]! * HALF + (numbers[at + 1]! >>> 0))
      if (at % (DONE_AT_ONCE * WORDS) === 1) await this.disk.breathe()
    }
  }

  async #takeManifests (numbers: Int32Array): Promise<void> {
    const { graph, digests } = this.memory
    for (let at = 0, count = 0; at < numbers.length; at += 2 + numbers[at + 1]!) {
      const manifest = this.#ids[numbers[at]!]!
      if (!graph.isRead(manifest)) {
        graph.refer(manifest, Array.from(numbers.subarray(at + 2, at + 2 + numbers[at + 1]!), place => digests.hold(this.#ids[place]!)))
        this.#manifests.push(manifest)
      }
      if (++count % DONE_AT_ONCE === 0) await this.disk.breathe()
    }
  }

  /** Folders come before those in them. */
  #folder ({ path, stamp, hasLayers, hasManifests, hasUploads }: SavedFolder): void {
    const folder = path === '' ? this.memory.root : new Folder(path)
    Object.assign(folder, { stamp: stamp ?? undefined, hasLayers, hasManifests, hasUploads })
    this.#folders.set(path, folder)
    if (path !== '') this.#folders.get(path.slice(0, Math.max(0, path.lastIndexOf('/'))))!.children.set(path.slice(path.lastIndexOf('/') + 1), folder)
  }

  #repository (bytes: Buffer): void {
    const start = 4 + bytes.readUInt32LE(0)
    const saved = JSON.parse(bytes.toString('utf8', 4, start)) as SavedRepository
    const name = parseRepositoryName(saved.name)
    // One that is known by now was reported by the gate: it is read from the disk.
    if (name === undefined || this.memory.repositories.has(name)) return
    const repository = this.memory.repository(name)
    const places = numbersIn(bytes, start)
    const revisions = this.#shelf(repository.revisions, saved.revisions, places)
    this.#shelf(repository.layers, saved.layers, places.subarray(revisions))
    this.#link(repository)
  }

  /** @returns how many names it has */
  #shelf (shelf: Shelf, saved: SavedShelf, places: Int32Array): number {
    let at = 0
    shelf.stamp = saved.stamp ?? undefined
    for (const { algorithm, stamp, count } of saved.drawers) {
      const drawer = drawerOf(shelf, algorithm)
      drawer.stamp = stamp ?? undefined
      drawer.names = places.subarray(at, at + count).map(place => this.memory.digests.hold(this.#ids[place]!)).sort()
      at += count
    }
    return at
  }

  #link (repository: Repository): void {
    for (const { names } of repository.revisions.drawers.values()) {
      for (const manifest of names) this.memory.change(repository, manifest, { kind: 'link', manifest }, VACANT)
    }
  }
}
