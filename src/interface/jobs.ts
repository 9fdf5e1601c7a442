/** Jobs and receipts, as the HTTP interface answers them: docs/http-api.md. Sizes are bytes, times ISO 8601. Pure. */

/** Why something is not freed. */
export interface Kept {
  readonly digest: string
  readonly bytes?: number
  readonly by: ReadonlyArray<{ readonly repository: string, readonly tags: readonly string[] }>
}

export interface Receipt {
  readonly counts: { readonly tags: number, readonly manifests: number, readonly layerLinks: number, readonly blobs: number }
  readonly tags: ReadonlyArray<{ readonly repository: string, readonly tag: string }>
  readonly blobs: ReadonlyArray<{ readonly digest: string, readonly bytes: number }>
  readonly bytesFreed: number
  readonly bytesInTrash: number
  readonly kept: readonly Kept[]
  readonly warnings: readonly string[]
}

/** What a job is about. A gate may know more kinds than its client: words for it have a case for those. */
export type Target =
  | { readonly type: 'tag', readonly repository: string, readonly tag: string }
  | { readonly type: 'manifest' | 'blob', readonly repository: string, readonly digest: string }
  | { readonly type: 'tags', readonly repository: string }
  | { readonly type: 'repository', readonly repository: string, readonly recursive: boolean }
  | { readonly type: 'everything' | 'untagged' | 'garbage' | 'retention' }

export type JobState = 'queued' | 'running' | 'done' | 'failed' | 'cancelled'

export interface Job {
  readonly id: string
  readonly kind: 'delete' | 'collection' | 'undo'
  readonly target: Target
  readonly by?: { readonly user?: string }
  readonly state: JobState
  readonly phase: string
  readonly createdAt: string
  readonly endedAt?: string
  readonly receipt: Receipt
  readonly trash?: { readonly state: 'kept' | 'undone' | 'purged', readonly until: string }
  /** The job that this one undoes. */
  readonly undoes?: string
  /** What that put back. */
  readonly restored?: { readonly tags: readonly unknown[], readonly manifests: readonly unknown[], readonly blobs: readonly unknown[] }
  readonly error?: { readonly message: string }
  readonly nextAttemptAt?: string
  /** It is about all repositories, and the caller does not see all: who asked for it and its receipt are left out. */
  readonly withheld?: boolean
}

/** Whether nothing more will happen to a job: a failed one may be tried again. */
export const hasEnded = ({ state, nextAttemptAt }: Job): boolean =>
  state === 'done' || state === 'cancelled' || (state === 'failed' && nextAttemptAt === undefined)
