/** The record of what one deletion removed, kept, and freed. */
import type { Digest } from '../oci/digest.js'
import type { RepositoryName, Tag } from '../oci/name.js'

export interface Receipt {
  readonly counts: { readonly tags: number, readonly manifests: number, readonly layerLinks: number, readonly blobs: number }
  readonly tags: ReadonlyArray<{ readonly repository: RepositoryName, readonly tag: Tag, readonly digest?: Digest }>
  readonly manifests: ReadonlyArray<{ readonly repository: RepositoryName, readonly digest: Digest }>
  readonly layerLinks: ReadonlyArray<{ readonly repository: RepositoryName, readonly digest: Digest }>
  readonly blobs: ReadonlyArray<{ readonly digest: Digest, readonly bytes: number }>
  readonly directories: number
  /** Sizes of all removed files, links included. */
  readonly bytesFreed: number
  /** Sizes of all files that the trash keeps, so that the deletion can be undone. */
  readonly bytesInTrash: number
  /** What could have gone but is used, and by whom; in a dry run with its size. */
  readonly kept: ReadonlyArray<{ readonly digest: Digest, readonly by: readonly Keeper[], readonly bytes?: number }>
  readonly warnings: readonly string[]
}

export interface Keeper { readonly repository: RepositoryName, readonly tags: readonly Tag[] }

/** What stays because something else in its own repository uses it. */
export function keptInRepository (plans: ReadonlyArray<{ readonly repository: RepositoryName, readonly kept: ReadonlyArray<{ readonly digest: Digest, readonly tags: readonly Tag[] }> }>): Receipt['kept'] {
  return plans.flatMap(plan => plan.kept.map(({ digest, tags }) => ({ digest, by: [{ repository: plan.repository, tags }] })))
}

type Lists = Omit<Receipt, 'counts'>

export const EMPTY_RECEIPT: Receipt = withCounts({ tags: [], manifests: [], layerLinks: [], blobs: [], directories: 0, bytesFreed: 0, bytesInTrash: 0, kept: [], warnings: [] })

/** Adds what a later step removed. Of `kept`, the later word replaces the earlier. */
export function addToReceipt (receipt: Receipt, more: Partial<Lists>): Receipt {
  return withCounts({
    tags: [...receipt.tags, ...more.tags ?? []],
    manifests: [...receipt.manifests, ...more.manifests ?? []],
    layerLinks: [...receipt.layerLinks, ...more.layerLinks ?? []],
    blobs: [...receipt.blobs, ...more.blobs ?? []],
    directories: receipt.directories + (more.directories ?? 0),
    bytesFreed: receipt.bytesFreed + (more.bytesFreed ?? 0),
    bytesInTrash: receipt.bytesInTrash + (more.bytesInTrash ?? 0),
    kept: more.kept ?? receipt.kept,
    warnings: [...new Set([...receipt.warnings, ...more.warnings ?? []])]
  })
}

function withCounts (lists: Lists): Receipt {
  const counts = { tags: lists.tags.length, manifests: lists.manifests.length, layerLinks: lists.layerLinks.length, blobs: lists.blobs.length }
  return { counts, ...lists }
}
