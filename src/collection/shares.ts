/** Says who got what of a collection that served several jobs. */
import { dirname } from 'node:path'
import { parentsOf, pathsOf } from '../deletion/execute.js'
import { addToReceipt, type Receipt } from '../deletion/receipt.js'
import type { Digest } from '../oci/digest.js'
import * as paths from '../storage/paths.js'
import type { Extent, TreeWriter } from '../storage/write.js'
import type { CollectionRequest } from './request.js'

type Receipts = Map<string, Receipt>

/** Writes the blobs into the receipts. A blob was unused only after the last of the jobs that let go of it. */
export function shareBlobs (requests: readonly CollectionRequest[], receipts: Receipts, removed: ReadonlyMap<Digest, Extent>): void {
  const left = new Map(removed)
  const share = ({ id }: CollectionRequest, digests: Iterable<Digest>): void => {
    const mine = [...new Set(digests)].filter(digest => left.has(digest)).map(digest => ({ digest, extent: left.get(digest)! }))
    mine.forEach(({ digest }) => left.delete(digest))
    receipts.set(id, addToReceipt(receipts.get(id)!, {
      blobs: mine.map(({ digest, extent }) => ({ digest, bytes: extent.bytes + (extent.inTrash ?? 0) })),
      bytesFreed: mine.reduce((sum, { extent }) => sum + extent.bytes, 0),
      bytesInTrash: mine.reduce((sum, { extent }) => sum + (extent.inTrash ?? 0), 0),
      directories: mine.reduce((sum, { extent }) => sum + extent.directories, 0)
    }))
  }
  for (const request of [...requests].reverse()) share(request, request.plans.flatMap(plan => plan.candidates))
  for (const request of requests.filter(request => request.tidy !== undefined)) share(request, [...left.keys()])
}

/**
 * Removes empty directories, where nobody writes. Each counts for the job that emptied it; old ones count for a job that
 * asked for garbage.
 * @param empty directories that were empty before
 */
export async function pruneDirectories (requests: readonly CollectionRequest[], receipts: Receipts, removed: ReadonlyMap<Digest, Extent>, empty: readonly string[], writer: Pick<TreeWriter, 'pruneUp'>): Promise<void> {
  const count = (id: string, directories: number): void => { receipts.set(id, addToReceipt(receipts.get(id)!, { directories })) }
  const above = (digest: Digest): string => dirname(paths.blobDirectory(digest))
  for (const { id, plans, unlinked } of requests) {
    // What was interrupted may have left the directory of a link that it had removed.
    const emptied = plans.flatMap(plan => [...(unlinked ? parentsOf(plan) : pathsOf(plan)), paths.repositoryDirectory(plan.repository)])
    // Also of blobs that had gone before: what is left of them may be an empty directory.
    const blobs = plans.flatMap(plan => plan.candidates).map(above)
    count(id, await writer.pruneUp([...emptied, ...blobs]))
  }
  const rest = await writer.pruneUp([...empty, ...[...removed.keys()].map(above)])
  const garbage = requests.find(request => request.tidy !== undefined)
  if (garbage !== undefined) count(garbage.id, rest)
}
