/** How many tags reach what is stored, in the whole registry: for the room that one tag alone holds. */
import type { Digest } from '../oci/digest.js'
import type { RepositoryName } from '../oci/name.js'
import type { Memory } from './memory.js'
import type { Extent } from './weights.js'

/** More than one is all that matters. */
const MANY = 2

export class TagCounts {
  /** By the number of what is stored. */
  #counts = new Uint8Array(0)

  constructor (private readonly memory: Memory) {}

  /** Counts what one tag of a repository reaches: a manifest, what that lists, and so on. */
  add (name: RepositoryName, manifest: Digest): void {
    const { digests, graph, repositories } = this.memory
    const aliases = repositories.get(name)?.oddities?.aliases
    const first = digests.find(manifest)
    if (first === 0) return
    if (this.#counts.length < digests.cells.end) this.#counts = grown(this.#counts, digests.cells.end)
    const reached = new Set([first])
    for (const id of reached) {
      // A set gives what is added to it on the way, too.
      if (graph.isLinked(id)) for (const next of graph.referencesOf(id)) reached.add(aliases?.get(next) ?? next)
    }
    for (const id of reached) if (this.#counts[id]! < MANY) this.#counts[id]!++
  }

  /** What exactly one tag reaches, as far as its size is known. */
  single (): Extent {
    const { digests, sizes } = this.memory
    let [blobs, bytes] = [0, 0]
    for (const [id, count] of this.#counts.entries()) {
      const size = count === 1 && digests.isHeld(id) ? sizes.get(id) : undefined
      if (size === undefined) continue
      blobs++
      bytes += size
    }
    return { blobs, bytes }
  }
}

function grown (counts: Uint8Array<ArrayBuffer>, length: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(Math.ceil(length * 1.25))
  larger.set(counts)
  return larger
}
