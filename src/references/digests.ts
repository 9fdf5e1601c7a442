/**
 * A number for each digest. A sha256 digest takes 32 bytes here, not the several hundred of a string in a map; other
 * algorithms are rare and kept in one. A number stays while anything counts on it, and is used again after.
 */
import { parseDigest, type Digest } from '../oci/digest.js'
import { Cells, NONE } from './cells.js'

/** 32-bit numbers in a sha256 digest. */
export const WORDS = 8
const COUNT = WORDS
const NEXT = WORDS + 1
/** Further fields of a digest's record belong to the user of the table. */
export const FIRST_FREE_FIELD = WORDS + 2

/** Buckets lie in shards, so that making room for more copies a small part: no call takes long, however many there are. */
const SHARDS = 256
const SMALLEST_SHARD = 8
const SHA256 = 'sha256:'

export class DigestTable {
  readonly cells: Cells
  readonly #shards: Int32Array[] = Array.from({ length: SHARDS }, () => new Int32Array(SMALLEST_SHARD))
  readonly #counts = new Int32Array(SHARDS)
  readonly #others = new Map<Digest, number>()
  readonly #otherNames = new Map<number, Digest>()
  readonly #words = new Int32Array(WORDS)
  #freedWhilePinned: number[] | undefined

  /** @param fields how many fields of its own the user wants in each record */
  constructor (fields: number) {
    this.cells = new Cells(FIRST_FREE_FIELD + fields)
  }

  /** Memory, bytes; that of other algorithms is an estimate. */
  get bytes (): number {
    return this.cells.bytes + this.#shards.reduce((sum, shard) => sum + shard.byteLength, 0) + this.#others.size * 400
  }

  /** The number of a digest; `NONE` where nothing counts on it. */
  find (digest: Digest): number {
    if (!digest.startsWith(SHA256)) return this.#others.get(digest) ?? NONE
    this.#parse(digest)
    return this.#findWords()
  }

  /** The number of a digest, counted once more. */
  acquire (digest: Digest): number {
    if (digest.startsWith(SHA256)) {
      this.#parse(digest)
      return this.#acquireWords()
    }
    const known = this.#others.get(digest)
    if (known !== undefined) return this.hold(known)
    const id = this.#allocate()
    this.#others.set(digest, id)
    this.#otherNames.set(id, digest)
    return id
  }

  /** The same for a sha256 digest as `words` gives it. */
  acquireWords (words: Int32Array, at: number): number {
    for (let word = 0; word < WORDS; word++) this.#words[word] = words[at + word]!
    return this.#acquireWords()
  }

  /** Whether anything counts on a number. */
  isHeld (id: number): boolean { return this.cells.get(id, COUNT) > 0 }

  isSha256 (id: number): boolean { return !this.#otherNames.has(id) }

  /** Writes a sha256 digest as eight numbers. @returns the digest, where it is of another algorithm */
  words (id: number, words: Int32Array, at: number): Digest | undefined {
    for (let word = 0; word < WORDS; word++) words[at + word] = this.cells.get(id, word)
    return this.#otherNames.get(id)
  }

  /** From now on no number comes to mean another digest, until `unpin`. */
  pin (): void { this.#freedWhilePinned = [] }

  unpin (): void {
    const freed = this.#freedWhilePinned ?? []
    this.#freedWhilePinned = undefined
    for (const id of new Set(freed)) if (!this.isHeld(id)) this.#free(id)
  }

  /** Counts a number once more. */
  hold (id: number): number {
    this.cells.set(id, COUNT, this.cells.get(id, COUNT) + 1)
    return id
  }

  /** Counts a number once less; the last one frees it. */
  release (id: number): void {
    const count = this.cells.get(id, COUNT) - 1
    this.cells.set(id, COUNT, count)
    if (count > 0) return
    if (this.#freedWhilePinned === undefined) this.#free(id)
    else this.#freedWhilePinned.push(id)
  }

  digest (id: number): Digest {
    const other = this.#otherNames.get(id)
    if (other !== undefined) return other
    let hex = ''
    for (let word = 0; word < WORDS; word++) hex += (this.cells.get(id, word) >>> 0).toString(16).padStart(8, '0')
    return parseDigest(SHA256 + hex)!
  }

  #allocate (): number {
    const id = this.cells.allocate()
    this.cells.set(id, COUNT, 1)
    return id
  }

  #free (id: number): void {
    const other = this.#otherNames.get(id)
    if (other === undefined) {
      this.#remove(id)
    } else {
      this.#others.delete(other)
      this.#otherNames.delete(id)
    }
    this.cells.release(id)
  }

  #acquireWords (): number {
    const known = this.#findWords()
    if (known !== NONE) return this.hold(known)
    const id = this.#allocate()
    this.#insert(id)
    return id
  }

  #parse (digest: Digest): void {
    for (let word = 0, at = SHA256.length; word < WORDS; word++) {
      let value = 0
      for (const end = at + 8; at < end; at++) {
        const code = digest.charCodeAt(at)
        value = (value << 4) | (code <= 57 ? code - 48 : code - 87)
      }
      this.#words[word] = value
    }
  }

  #findWords (): number {
    const shard = this.#shards[this.#words[0]! & (SHARDS - 1)]!
    let id = shard[this.#words[1]! & (shard.length - 1)]!
    while (id !== NONE && !this.#isAt(id)) id = this.cells.get(id, NEXT)
    return id
  }

  #isAt (id: number): boolean {
    for (let word = 0; word < WORDS; word++) {
      if (this.cells.get(id, word) !== this.#words[word]) return false
    }
    return true
  }

  #insert (id: number): void {
    for (let word = 0; word < WORDS; word++) this.cells.set(id, word, this.#words[word]!)
    const at = this.#words[0]! & (SHARDS - 1)
    const shard = this.#shards[at]!
    this.#chain(shard, id)
    if (++this.#counts[at]! > shard.length) this.#shards[at] = this.#grown(shard)
  }

  #chain (shard: Int32Array, id: number): void {
    const bucket = this.cells.get(id, 1) & (shard.length - 1)
    this.cells.set(id, NEXT, shard[bucket]!)
    shard[bucket] = id
  }

  #grown (shard: Int32Array): Int32Array {
    const larger = new Int32Array(shard.length * 2)
    for (const first of shard) {
      for (let id = first, next; id !== NONE; id = next) {
        next = this.cells.get(id, NEXT)
        this.#chain(larger, id)
      }
    }
    return larger
  }

  #remove (id: number): void {
    const at = this.cells.get(id, 0) & (SHARDS - 1)
    const shard = this.#shards[at]!
    const bucket = this.cells.get(id, 1) & (shard.length - 1)
    this.#counts[at]!--
    if (shard[bucket] === id) {
      shard[bucket] = this.cells.get(id, NEXT)
      return
    }
    let before = shard[bucket]!
    while (this.cells.get(before, NEXT) !== id) before = this.cells.get(before, NEXT)
    this.cells.set(before, NEXT, this.cells.get(id, NEXT))
  }
}
