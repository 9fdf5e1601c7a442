/** What Delgate's interface answers to the page alone, as far as it shows it. Times are ISO 8601, sizes bytes. */
import type { Job } from '../../interface/jobs.js'

export interface Shares {
  readonly repository: string
  readonly with: ReadonlyArray<{ readonly repository: string, readonly bytes: number }>
}

export interface Sample { readonly at: string, readonly storedBytes: number, readonly usedBytes: number, readonly trashBytes: number }

export interface Status {
  readonly version: string
  readonly index: { readonly complete: boolean, readonly repositories: number }
  readonly hold: { readonly problem?: string }
  /** Of all deletions, also of those whose jobs somebody may not see. */
  readonly trash: { readonly jobs: number, readonly bytes: number }
}

export interface Jobs { readonly jobs: readonly Job[], readonly total: number }

/** One entry of OCI error JSON. */
export interface ErrorEntry {
  readonly code: string
  readonly message: string
  readonly detail?: { readonly rule?: string, readonly repository?: string, readonly tag?: string, readonly digest?: string, readonly job?: string }
}
