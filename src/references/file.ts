/**
 * A file of blocks with a checksum over all of it. It is written to a temporary file, flushed and renamed, so that there
 * is either the old or the new one; a file that was cut or changed is noticed before anything of it is used.
 */
import { createHash } from 'node:crypto'
import { open, rename, rm, type FileHandle } from 'node:fs/promises'

/** Before each block: what it is, and how many bytes. */
const HEAD_BYTES = 8
const CHECKSUM_BYTES = 32
/** How much is read or written at once. Bytes. */
const CHUNK_BYTES = 256 * 1024

export interface Block {
  readonly type: number
  /** Numbers are written as the processor has them: the file never leaves its machine. */
  readonly bytes: Buffer
}

/** Writes the blocks, one after the other; between them the event loop turns. */
export async function writeBlocks (path: string, blocks: Iterable<Block>): Promise<void> {
  try {
    const file = await open(temporaryOf(path), 'w', 0o600)
    try {
      await writeAll(file, blocks)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporaryOf(path), path)
  } catch (error) {
    await removeUnfinished(path).catch(() => {})
    throw error
  }
}

/** Removes what a crash left of a file that was being written. */
export async function removeUnfinished (path: string): Promise<void> { await rm(temporaryOf(path), { force: true }) }

const temporaryOf = (path: string): string => `${path}.tmp`

async function writeAll (file: FileHandle, blocks: Iterable<Block>): Promise<void> {
  const hash = createHash('sha256')
  let pending: Buffer[] = []
  let size = 0
  const flush = async (): Promise<void> => {
    await file.appendFile(Buffer.concat(pending))
    pending = []
    size = 0
  }
  for (const { type, bytes } of blocks) {
    const head = Buffer.alloc(HEAD_BYTES)
    head.writeUInt32LE(type, 0)
    head.writeUInt32LE(bytes.length, 4)
    hash.update(head).update(bytes)
    pending.push(head, bytes)
    size += bytes.length
    if (size >= CHUNK_BYTES) await flush()
  }
  pending.push(hash.digest())
  await flush()
}

/** Whether a file is what was written. */
async function isIntact (file: FileHandle): Promise<boolean> {
  const hash = createHash('sha256')
  const end = (await file.stat()).size - CHECKSUM_BYTES
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES)
  for (let at = 0; at < end;) {
    const { bytesRead } = await file.read(chunk, 0, Math.min(chunk.length, end - at), at)
    if (bytesRead === 0) return false
    hash.update(chunk.subarray(0, bytesRead))
    at += bytesRead
  }
  const checksum = Buffer.alloc(CHECKSUM_BYTES)
  return end > 0 && (await file.read(checksum, 0, CHECKSUM_BYTES, end)).bytesRead === CHECKSUM_BYTES && hash.digest().equals(checksum)
}

/** The blocks of a file that is intact; none of one that is not, or is not there. */
export async function * readBlocks (path: string): AsyncGenerator<Block> {
  const file = await open(path, 'r').catch(() => undefined)
  if (file === undefined) return
  try {
    if (!await isIntact(file)) return
    const end = (await file.stat()).size - CHECKSUM_BYTES
    for (let at = 0; at < end;) {
      const head = Buffer.alloc(HEAD_BYTES)
      await file.read(head, 0, HEAD_BYTES, at)
      // A memory of its own, so that numbers in it lie where the processor wants them.
      const bytes = Buffer.from(new ArrayBuffer(head.readUInt32LE(4)))
      await file.read(bytes, 0, bytes.length, at + HEAD_BYTES)
      yield { type: head.readUInt32LE(0), bytes }
      at += HEAD_BYTES + bytes.length
    }
  } finally {
    await file.close()
  }
}
