/** What a deletion would free, and what it would leave: the parts of the picture, from a receipt. Pure. */
import type { Kept, Receipt } from '../../interface/jobs.js'

/** `freed` goes (into the trash, where that is kept); `shared` stays because other repositories use it; `kept` because other tags here do. */
export type PartKind = 'freed' | 'shared' | 'kept'

export interface Part {
  readonly kind: PartKind
  /** Blobs, the largest first. */
  readonly pieces: readonly number[]
  readonly bytes: number
}

/** So many blobs of each kind are shown one by one; the rest together. */
const PIECES = 24

export function partsOf (receipt: Receipt, repository: string | undefined): readonly Part[] {
  const shared = receipt.kept.filter(kept => isShared(kept, repository))
  const others = receipt.kept.filter(kept => !isShared(kept, repository))
  const freed = partOf('freed', receipt.blobs.map(({ bytes }) => bytes))
  // The receipt also counts the links, which are small and have no picture.
  return [{ ...freed, bytes: receipt.bytesFreed + receipt.bytesInTrash }, partOf('shared', sizes(shared)), partOf('kept', sizes(others))]
}

/** Whether a repository other than the one that is deleted from needs it. */
const isShared = ({ by }: Kept, repository: string | undefined): boolean => by.some(keeper => keeper.repository !== repository)

const sizes = (kept: readonly Kept[]): number[] => kept.map(({ bytes = 0 }) => bytes)

function partOf (kind: PartKind, blobs: readonly number[]): Part {
  const sorted = [...blobs].sort((a, b) => b - a)
  const rest = sum(sorted.slice(PIECES))
  return { kind, pieces: [...sorted.slice(0, PIECES), ...(rest > 0 ? [rest] : [])], bytes: sum(sorted) }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)

/** Who keeps what stays, each once: the repositories with their tags. */
export function keepersOf (receipt: Receipt): ReadonlyArray<{ readonly repository: string, readonly tags: readonly string[], readonly bytes: number }> {
  const found = new Map<string, { tags: Set<string>, bytes: number }>()
  for (const { by, bytes = 0 } of receipt.kept) {
    for (const { repository, tags } of by) {
      const keeper = found.get(repository) ?? { tags: new Set(), bytes: 0 }
      tags.forEach(tag => keeper.tags.add(tag))
      keeper.bytes += bytes
      found.set(repository, keeper)
    }
  }
  return [...found].map(([repository, { tags, bytes }]) => ({ repository, tags: [...tags], bytes })).sort((a, b) => b.bytes - a.bytes)
}
