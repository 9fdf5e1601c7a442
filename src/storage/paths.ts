/**
 * Every path of the registry's tree (distribution, registry/storage/paths.go), relative to its `docker/registry/v2`:
 *
 *   repositories/<name>/_layers/<alg>/<hex>/link                       this repository may serve that blob
 *   repositories/<name>/_manifests/revisions/<alg>/<hex>/link          this repository has that manifest
 *   repositories/<name>/_manifests/tags/<tag>/current/link             what the tag points to
 *   repositories/<name>/_manifests/tags/<tag>/index/<alg>/<hex>/link   what the tag ever pointed to
 *   repositories/<name>/_uploads/<id>/…                                an upload that runs
 *   blobs/<alg>/<first two of hex>/<hex>/data                          the content
 *
 * A link file holds one digest as text. The directory's name is what a client asks for, the text is what is stored:
 * they differ when a blob was uploaded under another algorithm (`_layers/sha512/<hex>/link` holds a sha256 digest).
 */
import { join, sep } from 'node:path'
import { algorithmOf, hexOf, type Digest } from '../oci/digest.js'
import type { RepositoryName, Tag } from '../oci/name.js'

/** From the registry's `rootdirectory` to the tree that the paths here are relative to. */
export const TREE = join('docker', 'registry', 'v2')

export const REPOSITORIES = 'repositories'
export const BLOBS = 'blobs'

// Put together by hand: `join` looks at every letter, and these are made by the hundred thousand.
const byDigest = (digest: Digest): string => `${algorithmOf(digest)}/${hexOf(digest)}`

export const repositoryDirectory = (name: RepositoryName): string => `${REPOSITORIES}/${name}`
export const layersDirectory = (name: RepositoryName): string => `${REPOSITORIES}/${name}/_layers`
export const manifestsDirectory = (name: RepositoryName): string => `${REPOSITORIES}/${name}/_manifests`
export const uploadsDirectory = (name: RepositoryName): string => `${REPOSITORIES}/${name}/_uploads`
export const uploadDirectory = (name: RepositoryName, id: string): string => join(uploadsDirectory(name), id)
export const revisionsDirectory = (name: RepositoryName): string => `${manifestsDirectory(name)}/revisions`
export const tagsDirectory = (name: RepositoryName): string => `${manifestsDirectory(name)}/tags`

export const layerDirectory = (name: RepositoryName, digest: Digest): string => `${layersDirectory(name)}/${byDigest(digest)}`
export const layerLink = (name: RepositoryName, digest: Digest): string => `${layerDirectory(name, digest)}/link`
export const revisionDirectory = (name: RepositoryName, digest: Digest): string => `${revisionsDirectory(name)}/${byDigest(digest)}`
export const revisionLink = (name: RepositoryName, digest: Digest): string => `${revisionDirectory(name, digest)}/link`
export const tagDirectory = (name: RepositoryName, tag: Tag): string => `${tagsDirectory(name)}/${tag}`
export const tagCurrentLink = (name: RepositoryName, tag: Tag): string => `${tagDirectory(name, tag)}/current/link`
export const tagHistoryDirectory = (name: RepositoryName, tag: Tag): string => `${tagDirectory(name, tag)}/index`
export const tagHistoryEntry = (name: RepositoryName, tag: Tag, digest: Digest): string => `${tagHistoryDirectory(name, tag)}/${byDigest(digest)}`

export const blobDirectory = (digest: Digest): string => `${BLOBS}/${algorithmOf(digest)}/${hexOf(digest).slice(0, 2)}/${hexOf(digest)}`
export const blobData = (digest: Digest): string => `${blobDirectory(digest)}/data`

/**
 * Directories that may go when they are empty: everything below `repositories` and below `blobs/<alg>`, but not
 * `_layers` and `_manifests`, which go only together (2.8 lists repositories by the one, 3.x by the other).
 */
export function isPrunable (relative: string): boolean {
  const segments = relative.split(sep)
  if (segments[0] === BLOBS) return segments.length > 2
  if (segments[0] !== REPOSITORIES || segments.length < 2) return false
  const last = segments.at(-1)
  return last !== '_layers' && last !== '_manifests'
}
