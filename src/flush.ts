/** Makes names in a directory certain: a power cut does not take them any more. */
import { open } from 'node:fs/promises'

/** Some network file systems have nothing to flush (fsync(2)). */
const NOTHING_TO_FLUSH: readonly unknown[] = ['EINVAL', 'ENOTSUP']

export async function flushDirectory (path: string): Promise<void> {
  const directory = await open(path)
  try {
    await directory.sync().catch((error: unknown) => { if (!NOTHING_TO_FLUSH.includes((error as NodeJS.ErrnoException).code)) throw error })
  } finally {
    await directory.close()
  }
}
