/** What Delgate's interface answers, as far as the page shows it. Times are ISO 8601, sizes bytes. */

export interface Repository {
  readonly name: string
  readonly tags: number
  readonly manifests: number
  /** Everything that it uses, each blob once. */
  readonly bytes: number
  /** What no other repository uses: what its deletion would free. */
  readonly ownBytes: number
  readonly pushedAt: string | null
  readonly pulledAt: string | null
}

/** One page of a list. `complete` is false while Delgate still reads what is stored: then numbers are too small. */
export interface Repositories {
  readonly repositories: readonly Repository[]
  /** Names the page after this one; none on the last. */
  readonly next?: string
  readonly complete: boolean
}

export interface Tag {
  readonly tag: string
  readonly digest?: string
  readonly mediaType?: string
  readonly platforms?: readonly string[]
  readonly createdAt?: string | null
  readonly pushedAt?: string | null
  readonly pulledAt?: string | null
  readonly bytes?: number
  /** What only this tag holds: what its deletion would free. */
  readonly ownBytes?: number
  /** Why it cannot be read. */
  readonly problem?: string
}

export interface Tags {
  readonly repository: string
  readonly tags: readonly Tag[]
  readonly next?: string
  readonly complete: boolean
}

export interface Shares {
  readonly repository: string
  readonly with: ReadonlyArray<{ readonly repository: string, readonly bytes: number }>
}

interface Amount { readonly blobs: number, readonly bytes: number }

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

export interface Sample { readonly at: string, readonly storedBytes: number, readonly usedBytes: number, readonly trashBytes: number }

export interface Status {
  readonly version: string
  readonly index: { readonly complete: boolean, readonly repositories: number }
  readonly hold: { readonly problem?: string }
  /** Of all deletions, also of those whose jobs somebody may not see. */
  readonly trash: { readonly jobs: number, readonly bytes: number }
}

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
  readonly undoes?: string
  readonly error?: { readonly message: string }
  readonly nextAttemptAt?: string
}

export interface Jobs { readonly jobs: readonly Job[], readonly total: number }

/** One entry of OCI error JSON. */
export interface ErrorEntry {
  readonly code: string
  readonly message: string
  readonly detail?: { readonly rule?: string, readonly repository?: string, readonly tag?: string, readonly digest?: string, readonly job?: string }
}
