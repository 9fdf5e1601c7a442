/** What a process flushes to the disk (fsync(2)), as a test sees it or lets it fail. */
import { readlinkSync } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import type { Test } from 'tap'

/** A file or directory that is about to be flushed. */
export interface Syncing {
  readonly path: string
  readonly isDirectory: boolean
  /** Flushes it. */
  readonly sync: () => Promise<void>
}

/** Does this in place of every flush, until the test ends. @param directory any that is there */
export async function interposeSync (t: Test, directory: string, instead: (syncing: Syncing) => Promise<void>): Promise<void> {
  const any = await open(directory)
  const prototype = Object.getPrototypeOf(any) as FileHandle
  await any.close()
  const { sync } = prototype
  t.teardown(() => { prototype.sync = sync })
  prototype.sync = async function (this: FileHandle) {
    await instead({ path: readlinkSync(`/proc/self/fd/${this.fd}`), isDirectory: (await this.stat()).isDirectory(), sync: async () => { await sync.call(this) } })
  }
}
