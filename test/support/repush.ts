/** The scenarios' words "re-push works". */
import type { Test } from 'tap'
import { blobsOf, type Content } from './images.js'
import { pull, push, type ClientOptions } from './client.js'

/**
 * Asserts that pushing again works: exactly the missing blobs are uploaded (so nothing was believed of a stale cache),
 * and a pull returns every byte. `kept` are blobs that are still there for good reason.
 */
export async function assertRepush (t: Test, base: string, repository: string, tag: string, content: Content, kept: readonly string[] = [], options: ClientOptions = {}): Promise<void> {
  const { uploaded } = await push(base, repository, tag, content, options)
  const missing = blobsOf(content).map(({ digest }) => digest).filter((digest) => !kept.includes(digest))
  t.same([...uploaded].sort(), missing.sort(), 'every missing blob is uploaded again')
  await t.resolves(pull(base, repository, tag, content, options), 'a pull returns every byte')
}
