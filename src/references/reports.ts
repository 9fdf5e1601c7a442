/** What the gate reports, as changes of the index: each in one go, without awaiting. */
import { algorithmOf, type Digest } from '../oci/digest.js'
import type { ManifestReferences } from '../oci/manifest.js'
import * as paths from '../storage/paths.js'
import type { Repository } from './folder.js'
import { VACANT, type Memory } from './memory.js'

/** Told of each entry that a report is about. */
type Touch = (repository: Repository, id: number) => void

export function reportLinked (memory: Memory, repository: Repository, digest: Digest, references: ManifestReferences | undefined, stored: ReadonlyMap<Digest, Digest>, touch: Touch): void {
  const manifest = memory.digests.acquire(digest)
  const isNew = memory.add(memory.revisionDrawer(repository, digest), manifest)
  memory.change(repository, manifest, { kind: 'link', manifest }, isNew ? VACANT : undefined)
  if (references === undefined) memory.misread(manifest, { kind: 'manifest', path: paths.blobData(digest), reason: 'it was pushed, and cannot be understood' })
  else memory.refer(manifest, references)
  touch(repository, manifest)
  memory.digests.release(manifest)
  if (references === undefined) return
  for (const name of [...references.blobs, ...references.manifests]) {
    if (algorithmOf(name) !== 'sha256') reportNamed(memory, repository, memory.digests.find(name), stored.get(name), touch)
  }
}

/** A layer that is named by another algorithm than it is stored by. */
function reportNamed (memory: Memory, repository: Repository, name: number, stored: Digest | undefined, touch: Touch): void {
  if (stored === undefined && (repository.oddities?.aliases.has(name) === true || memory.isKnownLayer(repository, name))) return
  touch(repository, name)
  if (stored === undefined) {
    memory.addUnknown(repository, name)
    return
  }
  const target = memory.digests.acquire(stored)
  memory.alias(repository, name, target)
  memory.digests.release(target)
  memory.removeUnknown(repository, name)
}
