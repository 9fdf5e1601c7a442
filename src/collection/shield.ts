/**
 * Protects blobs from the registry's own collector. It marks only what manifests list, under the name that they list:
 * it would sweep what a push that is still running has uploaded, and content that is listed by sha512 but stored by
 * sha256. So a manifest that lists such blobs is linked, in a repository of its own, while the collector runs.
 *
 * The repository's name sorts before every other: 3.x also drops the layer links of blobs that no repository walked
 * so far has marked.
 */
import { createHash } from 'node:crypto'
import { dirname } from 'node:path'
import type { Digest } from '../oci/digest.js'
import type { RepositoryName } from '../oci/name.js'
import * as paths from '../storage/paths.js'
import type { TreeWriter } from '../storage/write.js'

export const SHIELD_REPOSITORY = '0/0/0-delgate-shield' as RepositoryName

/** Links a manifest that lists `digests`; call the result to remove it again. */
export async function raiseShield (tree: TreeWriter, digests: readonly Digest[]): Promise<() => Promise<void>> {
  const [first] = digests
  if (first === undefined) return async () => {}
  const descriptor = (digest: Digest): object => ({ mediaType: 'application/octet-stream', digest, size: 0 })
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  const bytes = JSON.stringify({ schemaVersion: 2, mediaType, config: descriptor(first), layers: digests.map(descriptor) })
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest
  await tree.linkManifest(SHIELD_REPOSITORY, digest, bytes)
  return async () => {
    await lowerShield(tree)
    await tree.remove(paths.blobDirectory(digest))
    await tree.pruneUp([dirname(paths.blobDirectory(digest))])
  }
}

/** Removes the shield's repository; its manifest's blob is then garbage like any other. */
export async function lowerShield (tree: TreeWriter): Promise<void> {
  await tree.remove(paths.manifestsDirectory(SHIELD_REPOSITORY))
  await tree.remove(paths.layersDirectory(SHIELD_REPOSITORY))
  await tree.pruneUp([paths.repositoryDirectory(SHIELD_REPOSITORY)])
}
