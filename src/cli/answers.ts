/** What the gate answers to the command line alone, as far as it looks at it: docs/http-api.md. Nothing here is computed. */
import type { Facts, Means } from '../findings/registry.js'
import type { Receipt } from '../interface/jobs.js'

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
