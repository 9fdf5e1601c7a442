/**
 * What the registry's tree says of one repository, as plain data: read by `read.ts`, decided on by `deletion/plan.ts`.
 */
import type { Digest } from '../oci/digest.js'
import type { ManifestReferences } from '../oci/manifest.js'
import type { RepositoryName, Tag } from '../oci/name.js'

/** Something in the tree that cannot be understood, and so might hide a reference. */
export interface Damage {
  /**
   * Where it stands. A damaged `tag` or `layer` link cannot hide a use of a blob, since blobs are used by manifests;
   * a damaged `manifest` can, and so can anything odd in the `tree` itself.
   */
  readonly kind: 'tree' | 'tag' | 'manifest' | 'layer'
  /** Relative to `docker/registry/v2`. */
  readonly path: string
  readonly reason: string
}

/** Damage as messages show it. */
export const damageText = (damage: Damage): string => `${damage.path}: ${damage.reason}`

export interface TagState {
  /** What the tag points to; `undefined` when its link is missing or damaged. */
  readonly current: Digest | undefined
  /** When it was last pushed, milliseconds since the epoch; `undefined` when its link is missing. */
  readonly modifiedAt: number | undefined
  /** What it ever pointed to, the present digest included. */
  readonly history: readonly Digest[]
}

export type Manifest =
  | { readonly readable: true, readonly references: ManifestReferences }
  | { readonly readable: false, readonly damage: Damage }

/** A manifest that is linked; `modifiedAt` is when it was last pushed, milliseconds since the epoch. */
export type Revision = Manifest & { readonly modifiedAt: number }

export interface LayerState {
  /** The digest that a client asks for: the directory's name. */
  readonly digest: Digest
  /** The digest that is stored: the link's text; `undefined` when the link is damaged. */
  readonly target: Digest | undefined
  /** When the link was written, milliseconds since the epoch. */
  readonly modifiedAt: number
}

export interface UploadState {
  readonly id: string
  /** When bytes last arrived, milliseconds since the epoch. */
  readonly modifiedAt: number
  /**
   * It was cancelled, and what is left of it is of no use to anybody. The registry removes a cancelled upload, and only then
   * saves the state of its hash, which makes the directory again (registry/handlers/blobupload.go, closeResources).
   */
  readonly cancelled?: true
}

export interface RepositoryState {
  readonly name: RepositoryName
  /** Whether any of `_layers`, `_manifests`, `_uploads` exists. */
  readonly exists: boolean
  readonly hasLayers: boolean
  readonly hasManifests: boolean
  readonly tags: ReadonlyMap<Tag, TagState>
  readonly revisions: ReadonlyMap<Digest, Revision>
  readonly layers: ReadonlyMap<Digest, LayerState>
  /** Uploads that have not been committed or cancelled, whether or not anybody still works on them. */
  readonly uploads: readonly UploadState[]
  readonly damages: readonly Damage[]
}
