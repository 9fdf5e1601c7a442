/** Reads the lines of a file from its end, one block at a time, so that it may be of any size. */
import type { FileHandle } from 'node:fs/promises'

/** How much is read at once. Bytes. */
const BLOCK_BYTES = 64 * 1024
/** A longer line is none of the log's, and is not put together. Bytes. */
const LINE_MAXIMUM_BYTES = 64 * 1024
const BREAK = 0x0a

export interface Line {
  /** Where it begins. Bytes from the beginning of the file. */
  readonly offset: number
  /** Without its end; `undefined` when it is too long. */
  readonly text: string | undefined
}

/**
 * The whole lines before `end`, the last one first. What follows the last line break is being written, and is not one.
 * @param end where reading begins, bytes; a line that ends later is left out
 */
export async function * linesBackwards (file: FileHandle, end: number): AsyncGenerator<Line> {
  /** What is known of the line that is being put together, its last piece first. */
  let pieces: Buffer[] = []
  let bytes = 0
  let isWhole = false
  const block = Buffer.allocUnsafe(BLOCK_BYTES)
  const add = (piece: Buffer): void => {
    bytes += piece.length
    if (bytes <= LINE_MAXIMUM_BYTES) pieces.push(Buffer.from(piece))
    else pieces = []
  }
  const take = (offset: number): Line => {
    const text = bytes > LINE_MAXIMUM_BYTES ? undefined : Buffer.concat(pieces.reverse()).toString('utf8')
    pieces = []
    bytes = 0
    return { offset, text }
  }
  for (let from = end; from > 0;) {
    const start = Math.max(0, from - BLOCK_BYTES)
    const { bytesRead } = await file.read(block, 0, from - start, start)
    if (bytesRead < from - start) return // It has been cut meanwhile.
    let upTo = bytesRead
    for (let at = block.subarray(0, upTo).lastIndexOf(BREAK); at !== -1; at = block.subarray(0, upTo).lastIndexOf(BREAK)) {
      if (isWhole) {
        add(block.subarray(at + 1, upTo))
        yield take(start + at + 1)
      }
      isWhole = true
      upTo = at
    }
    if (isWhole) add(block.subarray(0, upTo))
    from = start
  }
  if (isWhole) yield take(0)
}
