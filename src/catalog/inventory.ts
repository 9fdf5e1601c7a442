/** Measures everything that is stored: a look at each blob, used or not, and at each upload that runs. Beside running requests. */
import { join } from 'node:path'
import type { Digest } from '../oci/digest.js'
import { parseTag } from '../oci/name.js'
import type { ReferenceIndex } from '../references/index.js'
import type { Extent } from '../references/weights.js'
import * as paths from '../storage/paths.js'
import type { TreeReader } from '../storage/read.js'

/** What nothing uses, at some moment. */
export interface Inventory {
  /** Blobs that no linked manifest uses, and no running push or pull relies on. */
  readonly garbage: Extent
  /** What exactly one tag holds: all that would go if each tag that has something of its own were deleted. */
  readonly single: Extent
  /** Uploads that have not been committed. */
  readonly uploads: { readonly count: number, readonly bytes: number }
}

/**
 * @param isLeased whether a running push or pull relies on a blob
 * @param signal ends it: it throws then
 */
export async function takeInventory (index: ReferenceIndex, reader: TreeReader, isLeased: (digest: Digest) => boolean, signal: AbortSignal): Promise<Inventory> {
  const garbage = { blobs: 0, bytes: 0 }
  for await (const digests of reader.blobsByPrefix()) {
    for (const digest of digests) {
      signal.throwIfAborted()
      const bytes = await reader.blobSize(digest)
      if (bytes === undefined) continue
      index.weights.measured(digest, bytes)
      // A manifest that is accepted is in the index before its leases end.
      if (index.isUsed(digest) || isLeased(digest)) continue
      garbage.blobs++
      garbage.bytes += bytes
    }
  }
  const uploads = { count: 0, bytes: 0 }
  const counts = index.weights.tagCounts()
  for (const name of index.repositories()) {
    signal.throwIfAborted()
    for (const { name: entry } of await reader.list(paths.tagsDirectory(name), [])) {
      const tag = parseTag(entry)
      const link = tag === undefined ? undefined : await reader.link('tag', paths.tagCurrentLink(name, tag))
      if (link !== undefined && 'digest' in link) counts.add(name, link.digest)
    }
    for (const { id, cancelled } of await reader.uploads(name, [])) {
      if (cancelled === true) continue
      uploads.count++
      uploads.bytes += (await reader.stats(join(paths.uploadDirectory(name, id), 'data')))?.size ?? 0
    }
  }
  return { garbage, single: counts.single(), uploads }
}
