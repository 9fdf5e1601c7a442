/** What is asked of a collection, and how it may end. */
import type { Plan } from '../deletion/plan.js'
import type { Receipt } from '../deletion/receipt.js'

export type CollectionPhase = 'scan' | 'drain' | 'collect' | 'restart'

/** What one job wants of a collection. */
export interface CollectionRequest {
  readonly id: string
  readonly plans: readonly Plan[]
  /** When the job was accepted, milliseconds since the epoch. */
  readonly since: number
  /** Whether the links that its plans name have been removed. */
  readonly unlinked: boolean
  /** It asks for everything that nothing uses, in every repository, not only for what its plans left; `untagged`: manifests that no tag reaches, too. */
  readonly tidy?: 'garbage' | 'untagged'
  /** Whom the registry lets delete: it is told to forget in their name. Never journalled. */
  readonly authorization?: string | undefined
  /** What it unlinks goes into the trash until then, milliseconds since the epoch. */
  readonly keepUntil?: number | undefined
  /** An earlier collection has done all but what running pushes relied on. */
  readonly leftovers: boolean
}

/** Who asks for a collection. */
export interface Requester {
  readonly requests: readonly CollectionRequest[]
  readonly onPhase: (phase: CollectionPhase) => void
  /**
   * Called when nobody writes any more. The sweep takes everything that is unused, so deletions that were accepted
   * meanwhile belong to this collection too.
   */
  readonly join: () => Promise<readonly CollectionRequest[]>
}

export type CollectionOutcome =
  /** Receipts by job id; `unfinished` jobs have something left that a running push relies on. */
  | { readonly outcome: 'collected', readonly receipts: ReadonlyMap<string, Receipt>, readonly unfinished: ReadonlySet<string> }
  /** Nothing was touched. */
  | { readonly outcome: 'postponed', readonly reason: string }
  | { readonly outcome: 'failed', readonly reason: string, readonly output?: string }

/** A port: whoever sweeps. It never throws: what went wrong is in the outcome. */
export interface Collection {
  run (requester: Requester): Promise<CollectionOutcome>
  /** The gate is closing: ends what can be made again at the next start. */
  hurry (): void
}
