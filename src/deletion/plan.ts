/**
 * What a deletion removes from one repository. Plain data: it goes into the journal. Decided by `planner.ts`, finished
 * after an interruption by `resume.ts`, carried out by `execute.ts`.
 */
import type { Digest } from '../oci/digest.js'
import type { RepositoryName, Tag } from '../oci/name.js'
import type { Damage, UploadState } from '../storage/state.js'
import type { Target } from './target.js'

/** Whether a collection has anything to do for a plan: a tag whose manifest stays needs none. */
export const leavesGarbage = (plan: Plan): boolean => plan.manifests.length > 0 || plan.layers.length > 0 || plan.empties || plan.candidates.length > 0

/** What a deletion removes from one repository, and what it may leave unused. Plain data: it goes into the journal. */
export interface Plan {
  readonly repository: RepositoryName
  /** Tags that go, each with what it pointed to. */
  readonly tags: ReadonlyArray<{ readonly tag: Tag, readonly digest?: Digest }>
  /** Revision links that go. */
  readonly manifests: readonly Digest[]
  /** Entries in the history of tags that stay, for manifests that go. */
  readonly history: ReadonlyArray<{ readonly tag: Tag, readonly digest: Digest }>
  /** Layer links that go, by the name of their directory. */
  readonly layers: readonly Digest[]
  /** Nothing is left: the repository goes too. */
  readonly empties: boolean
  /** Blobs that may be unused once the links are gone. */
  readonly candidates: readonly Digest[]
  /** What manifests that go list, at any depth, and that stays linked: whoever puts them back needs it. Layers that are stored under their own names. */
  readonly spared?: { readonly layers: readonly Digest[], readonly manifests: readonly Digest[] }
  /** What something else in the repository keeps. */
  readonly kept: ReadonlyArray<{ readonly digest: Digest, readonly tags: readonly Tag[] }>
  readonly warnings: readonly string[]
  /** A manifest that goes cannot be read, so it is not known which blobs it leaves unused. */
  readonly blind: boolean
}

export type Planned =
  | { readonly outcome: 'planned', readonly plan: Plan }
  /** The target does not exist. */
  | { readonly outcome: 'unknown' }
  /** Something live needs it, or, with `damage`, may need it: that cannot be read. */
  | { readonly outcome: 'denied', readonly by: Digest, readonly tags: readonly Tag[], readonly damage?: Damage }

export interface PlanOptions {
  /** `purge` removes what was attached to a deleted manifest (signatures, SBOMs, attestations); `keep` leaves it. */
  readonly referrers: 'purge' | 'keep'
  /** Whether a running push or pull relies on the link of this layer in this repository. */
  readonly leased: (digest: Digest) => boolean
  /**
   * Whether a running push relies on this manifest in this repository. A pull does not need its link: what the pull
   * may still ask for, the gate serves from what is stored.
   */
  readonly pushed: (digest: Digest) => boolean
  /** Whether somebody still works on an upload. */
  readonly uploading: (upload: UploadState) => boolean
  /** In a repository without manifests, so are those that are older than this. Milliseconds since the epoch. */
  readonly idleBefore: number
  /** Layer links that nothing uses and that are older than this go as well, milliseconds since the epoch. */
  readonly staleBefore: number
}

/** What holds for plans in a repository at the moment, for a kind of target. */
export type PlanOptionsFor = (repository: RepositoryName, target?: Target['type']) => PlanOptions
