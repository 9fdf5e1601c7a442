/**
 * What the blocks of a saved index mean. Digests are written once, and known by their place after that. Only what is in
 * order is written: whatever is odd is left out, together with the stamp that would say that it is known, so that it is
 * read from the disk again.
 */
import type { Stamp } from '../storage/stamp.js'

/** Sizes are written in two halves. */
export const HALF = 2 ** 32

/** To be raised with every change of what the blocks mean. */
export const VERSION = 3

export const BLOCK = {
  /** JSON, the first one: `Head`. */
  head: 1,
  /** Eight numbers for each sha256 digest. */
  digests: 2,
  /** JSON: digests of other algorithms, with their places, which hold zeros among the others. */
  others: 3,
  /** Numbers: a manifest's place, how many references it has, their places; and so on. */
  manifests: 4,
  /** JSON: `SavedFolder[]`. */
  folders: 5,
  /** A number, which is the length of the JSON after it: `SavedRepository`, with spaces to a whole number of numbers; then the places of all drawers' names. */
  repository: 6,
  /** Numbers: the place of the first of some digests that follow each other, then two for the size of each, as it was measured; -1 where it was not. */
  sizes: 7
} as const

export interface Head {
  readonly format: 'delgate reference index'
  readonly version: number
  /** Of which tree. */
  readonly identity: string
}

type SavedStamp = Stamp | null

export interface SavedFolder {
  readonly path: string
  readonly stamp: SavedStamp
  readonly hasLayers: boolean
  readonly hasManifests: boolean
  readonly hasUploads: boolean
}

export interface SavedShelf {
  readonly stamp: SavedStamp
  readonly drawers: ReadonlyArray<{ readonly algorithm: string, readonly stamp: SavedStamp, readonly count: number }>
}

export interface SavedRepository {
  readonly name: string
  readonly revisions: SavedShelf
  readonly layers: SavedShelf
}

/** The numbers in a buffer, which is one that `readBlocks` gave, from a place that is a multiple of four. */
export const numbersIn = (bytes: Buffer, from = 0): Int32Array => new Int32Array(bytes.buffer, bytes.byteOffset + from, (bytes.length - from) >> 2)
export const bytesOfNumbers = (numbers: Int32Array): Buffer => Buffer.from(numbers.buffer, numbers.byteOffset, numbers.byteLength)
