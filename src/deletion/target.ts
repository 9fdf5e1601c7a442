/** What one DELETE asks for. */
import type { Digest } from '../oci/digest.js'
import type { RepositoryName, Tag } from '../oci/name.js'

export type Target =
  | { readonly type: 'tag', readonly repository: RepositoryName, readonly tag: Tag }
  | { readonly type: 'manifest', readonly repository: RepositoryName, readonly digest: Digest }
  | { readonly type: 'tags', readonly repository: RepositoryName }
  | { readonly type: 'repository', readonly repository: RepositoryName, readonly recursive: boolean }
  | { readonly type: 'blob', readonly repository: RepositoryName, readonly digest: Digest }
  /** Every repository of the registry. */
  | { readonly type: 'everything' }
  /** Manifests that no tag reaches, in every repository. */
  | { readonly type: 'untagged' }
  /** Nothing by name: sweep what nothing uses. */
  | { readonly type: 'garbage' }

/** A target within one repository: what the planner works on. */
export type RepositoryTarget =
  | Exclude<Target, { type: 'everything' | 'untagged' | 'garbage' | 'repository' }>
  | { readonly type: 'repository', readonly repository: RepositoryName }
  | { readonly type: 'untagged', readonly repository: RepositoryName }
  /** Layer links that nothing uses, and the repository when nothing is left in it. */
  | { readonly type: 'garbage', readonly repository: RepositoryName }
