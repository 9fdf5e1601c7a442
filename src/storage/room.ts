/** How much room there is. */
import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { codeOf } from './contain.js'

export interface Room {
  readonly bytes: number
  /** What this user may still take. */
  readonly availableBytes: number
}

/** The file system that holds a directory, or will, where that does not exist yet; `undefined` when it cannot be asked. */
export async function roomOf (directory: string): Promise<Room | undefined> {
  try {
    const { bsize, blocks, bavail } = await statfs(directory)
    return { bytes: blocks * bsize, availableBytes: bavail * bsize }
  } catch (error) {
    const isMissing = codeOf(error) === 'ENOENT' && directory !== dirname(directory)
    return isMissing ? await roomOf(dirname(directory)) : undefined
  }
}
