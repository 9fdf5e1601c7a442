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
  /** What the rules of the configuration let go. */
  | { readonly type: 'retention' }

/** A target within one repository: what the planner works on. */
export type RepositoryTarget =
  | Exclude<Target, { type: 'everything' | 'untagged' | 'garbage' | 'repository' | 'retention' }>
  | { readonly type: 'repository', readonly repository: RepositoryName }
  | { readonly type: 'untagged', readonly repository: RepositoryName }
  /** Layer links that nothing uses, and the repository when nothing is left in it. */
  | { readonly type: 'garbage', readonly repository: RepositoryName }
  /** Tags, and manifests that no tag reaches, that rules chose; `stay`: manifests that stay whatever listed them. */
  | { readonly type: 'retention', readonly repository: RepositoryName, readonly tags: ReadonlySet<Tag>, readonly manifests: ReadonlySet<Digest>, readonly stay: ReadonlySet<Digest> }
