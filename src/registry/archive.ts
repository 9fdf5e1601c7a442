import { posix } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { extract } from 'tar-stream'

/** Larger files are no configuration. Bytes. */
const MAXIMUM_BYTES = 1024 * 1024

/** What lies at a path: a file's text, a link's target (absolute), or something else. */
export type ArchivedEntry =
  | { readonly kind: 'file', readonly text: string }
  | { readonly kind: 'link', readonly target: string }
  | { readonly kind: 'other' }

/** Reads the first entry of the tar stream that the engine sends for `path`. @throws Error when the stream breaks. */
export async function readArchivedFile (archive: NodeJS.ReadableStream, path: string): Promise<ArchivedEntry> {
  let found: ArchivedEntry = { kind: 'other' }
  let isFirst = true
  const entries = extract()
  const ended = pipeline(archive, entries)
  ended.catch(() => {}) // reported by the await below, or by the loop
  for await (const entry of entries) {
    const { type, linkname, size = 0 } = entry.header
    if (isFirst && type === 'symlink' && linkname) found = { kind: 'link', target: posix.resolve(posix.dirname(path), linkname) }
    if (isFirst && type === 'file' && size <= MAXIMUM_BYTES) found = { kind: 'file', text: await textOf(entry) }
    isFirst = false
    entry.resume()
  }
  await ended
  return found
}

async function textOf (chunks: AsyncIterable<unknown>): Promise<string> {
  const parts: Buffer[] = []
  for await (const chunk of chunks) parts.push(chunk as Buffer)
  return Buffer.concat(parts).toString('utf8')
}
