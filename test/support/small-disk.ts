/** A file system of its own, small enough to be filled. Needs root. */
import { execFile } from 'node:child_process'
import { mkdir, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { temporaryDirectory } from './temporary.js'

const run = promisify(execFile)

/** Why tests with such a file system are skipped; false where they are not. */
export const skipWithoutMount: string | false = process.platform === 'linux' && process.getuid?.() === 0 ? false : 'mounting a small file system needs root on Linux'

const FILLER = 'filler'

export class SmallDisk {
  private constructor (readonly directory: string) {}

  /** It goes when the test ends. @param bytes how much it holds */
  static async mount (t: Test, bytes: number): Promise<SmallDisk> {
    const directory = join(await temporaryDirectory(t), 'disk')
    await mkdir(directory)
    await run('mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=700`, 'tmpfs', directory])
    t.teardown(async () => { await run('umount', ['-l', directory]) })
    return new SmallDisk(directory)
  }

  /** Fills it, to the last byte. */
  async fill (): Promise<void> {
    const file = await open(join(this.directory, FILLER), 'a')
    try {
      for (const size of [65_536, 4096, 1]) {
        for (let isFull = false; !isFull;) isFull = await file.write(Buffer.alloc(size)).then(({ bytesWritten }) => bytesWritten < size, isEnospc)
      }
    } finally {
      await file.close()
    }
  }

  /** Gives back what filled it. */
  async free (): Promise<void> { await rm(join(this.directory, FILLER)) }

  async setWritable (isWritable: boolean): Promise<void> { await run('mount', ['-o', `remount,${isWritable ? 'rw' : 'ro'}`, this.directory]) }
}

function isEnospc (error: NodeJS.ErrnoException): true {
  if (error.code !== 'ENOSPC') throw error
  return true
}
