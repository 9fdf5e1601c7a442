/** What the gate answers, as far as the commands look at it: docs/http-api.md. Nothing here is computed. */
import type { Facts, Means } from '../findings/registry.js'

/** What a job is about. A gate may know more kinds than this client. */
export interface Target {
  readonly type: string
  readonly repository?: string
  readonly tag?: string
  readonly digest?: string
  readonly recursive?: boolean
}

export interface Receipt {
  readonly counts: { readonly tags: number, readonly manifests: number, readonly layerLinks: number, readonly blobs: number }
  readonly bytesFreed: number
  readonly bytesInTrash: number
  readonly kept: ReadonlyArray<{ readonly digest: string, readonly bytes?: number, readonly by: ReadonlyArray<{ readonly repository: string, readonly tags: readonly string[] }> }>
  readonly warnings: readonly string[]
}

export interface Job {
  readonly id: string
  readonly kind: string
  readonly target: Target
  readonly by?: { readonly user?: string }
  readonly state: 'queued' | 'running' | 'done' | 'failed' | 'cancelled'
  readonly phase: string
  /** ISO 8601, as all times. */
  readonly createdAt: string
  readonly endedAt?: string
  readonly receipt: Receipt
  readonly trash?: { readonly state: 'kept' | 'undone' | 'purged', readonly until: string }
  readonly undoes?: string
  readonly restored?: { readonly tags: readonly unknown[], readonly manifests: readonly unknown[], readonly blobs: readonly unknown[] }
  readonly error?: { readonly message: string }
  readonly nextAttemptAt?: string
}

/** Whether nothing more will happen to a job: a failed one may be tried again. */
export const hasEnded = ({ state, nextAttemptAt }: Job): boolean =>
  state === 'done' || state === 'cancelled' || (state === 'failed' && nextAttemptAt === undefined)

export interface Repository {
  readonly name: string
  readonly tags: number
  readonly manifests: number
  /** All blobs that it uses, each once. */
  readonly bytes: number
  /** Those that no other repository uses. */
  readonly ownBytes: number
  readonly pushedAt: string | null
  readonly pulledAt: string | null
}

export interface Tag {
  readonly tag: string
  /** Missing where the tag is damaged. */
  readonly digest?: string
  readonly platforms?: readonly string[]
  readonly createdAt?: string | null
  readonly pushedAt?: string | null
  readonly pulledAt?: string | null
  readonly bytes?: number
  /** What its deletion would free. */
  readonly ownBytes?: number
  /** What is wrong with it. */
  readonly problem?: string
}

/** One page of a list; `next` is missing on the last one. */
export interface Page { readonly next?: string, readonly complete: boolean }
export type RepositoryPage = Page & { readonly repositories: readonly Repository[] }
export type TagPage = Page & { readonly repository: string, readonly tags: readonly Tag[] }

interface Amount { readonly blobs: number, readonly bytes: number }

/** What the disk is used for. */
export interface Usage {
  readonly stored: Amount
  readonly used: Amount
  readonly shared: Amount
  readonly single: Amount
  readonly garbage: Amount
  readonly trash: { readonly jobs: number, readonly bytes: number }
  readonly uploads: { readonly count: number, readonly bytes: number }
  /** `null` where the file system does not say. */
  readonly disk: { readonly totalBytes: number, readonly freeBytes: number } | null
  readonly measuredAt: string | null
  readonly measuring: boolean
  readonly complete: boolean
}

/** What `GET status` shows, as far as doctor looks at it. */
export interface Status extends Means {
  readonly version: string
  readonly registry: Facts & { readonly controller: string, readonly auth: string }
  readonly index: { readonly complete: boolean, readonly repositories: number }
  readonly hold: { readonly now: string, readonly waiting: number, readonly problem?: string }
  readonly jobs: Readonly<Record<string, number>>
  readonly trash: { readonly jobs: number, readonly bytes: number }
  readonly audit: { readonly problem?: string, readonly lost?: number }
  readonly notifications?: ReadonlyArray<{ readonly name: string, readonly waiting?: number, readonly problem?: string }>
}

/** What a run of the retention rules would do. */
export interface RetentionPlan {
  readonly repositories: ReadonlyArray<{
    readonly repository: string
    readonly tags: ReadonlyArray<{ readonly tag: string, readonly action: string, readonly rule?: string, readonly reason: string }>
    readonly untagged: ReadonlyArray<{ readonly digest: string, readonly rule: string, readonly reason: string }>
  }>
  readonly receipt: Receipt
}
