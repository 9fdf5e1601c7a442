/** Repositories, tags and disk use, as the HTTP interface answers them: docs/http-api.md. Sizes are bytes, times ISO 8601. Pure. */

export interface Repository {
  readonly name: string
  readonly tags: number
  readonly manifests: number
  /** All blobs that it uses, each once. */
  readonly bytes: number
  /** Those that no other repository uses: what its deletion would free. */
  readonly ownBytes: number
  /** `false` while sizes are being measured for the first time: then both are too small. */
  readonly measured: boolean
  /** When a tag was pushed last. */
  readonly pushedAt: string | null
  /** When it was pulled last, as far as that was seen. */
  readonly pulledAt: string | null
}

export interface Tag {
  readonly tag: string
  /** Missing where the tag is damaged. */
  readonly digest?: string
  readonly mediaType?: string
  readonly platforms?: readonly string[]
  readonly createdAt?: string | null
  readonly pushedAt?: string | null
  readonly pulledAt?: string | null
  readonly bytes?: number
  /** What only this tag holds: what its deletion would free. */
  readonly ownBytes?: number
  /** As of a repository. */
  readonly measured?: boolean
  /** Why it cannot be read. */
  readonly problem?: string
}

/** One page of a list. */
export interface Page {
  /** Names the page after this one; missing on the last. */
  readonly next?: string
  /** `false` while Delgate still reads what is stored: then numbers are too small. */
  readonly complete: boolean
}
export type RepositoryPage = Page & { readonly repositories: readonly Repository[] }
export type TagPage = Page & { readonly repository: string, readonly tags: readonly Tag[] }

interface Amount { readonly blobs: number, readonly bytes: number }

/** What the disk is used for. */
export interface Usage {
  readonly stored: Amount
  readonly used: Amount
  /** Used by more than one repository. */
  readonly shared: Amount
  /** What exactly one tag holds. */
  readonly single: Amount
  readonly garbage: Amount
  readonly trash: { readonly jobs: number, readonly bytes: number }
  readonly uploads: { readonly count: number, readonly bytes: number }
  /** `null` where the file system does not say. */
  readonly disk: { readonly totalBytes: number, readonly freeBytes: number } | null
  /** When `single`, `garbage` and `uploads` were measured; `null`: not yet. */
  readonly measuredAt: string | null
  readonly measuring: boolean
  /** `false` while sizes are being measured for the first time: then the others are too small, too. */
  readonly measured: boolean
  readonly complete: boolean
}

/** Whether the sizes of all that a list shows are known. */
export const areMeasured = (items: ReadonlyArray<{ readonly measured?: boolean }>): boolean => items.every(({ measured }) => measured !== false)
