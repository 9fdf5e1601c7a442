/** Who reaches whom inside one repository (pure). */
import type { Digest } from '../oci/digest.js'
import type { Tag } from '../oci/name.js'
import type { RepositoryState, TagState } from '../storage/state.js'

/** Manifests that an index lists and that are linked in the repository. */
export function children (state: RepositoryState, digest: Digest): Digest[] {
  const revision = state.revisions.get(digest)
  return revision?.readable === true ? revision.references.manifests.filter(child => state.revisions.has(child)) : []
}

/** `start` and everything that its indexes list, at any depth; cycles end by themselves. */
export function closure (state: RepositoryState, start: Iterable<Digest>): Set<Digest> {
  const reached = new Set<Digest>()
  const open = [...start]
  for (let digest = open.pop(); digest !== undefined; digest = open.pop()) {
    if (reached.has(digest)) continue
    reached.add(digest)
    open.push(...children(state, digest))
  }
  return reached
}

/** What a tag may point to: its current digest, or anything that it ever pointed to when its link is damaged. */
export function pointedTo (tag: TagState): readonly Digest[] {
  return tag.current === undefined ? tag.history : [tag.current]
}

/** The tags that reach a manifest or a blob, directly or through indexes. */
export function tagsReaching (state: RepositoryState, digest: Digest): Tag[] {
  const uses = (manifest: Digest): boolean => {
    if (manifest === digest) return true
    const revision = state.revisions.get(manifest)
    if (revision?.readable !== true) return false
    return [...revision.references.blobs, ...revision.references.manifests].some(used => used === digest || state.layers.get(used)?.target === digest)
  }
  return [...state.tags].filter(([, tag]) => [...closure(state, pointedTo(tag))].some(uses)).map(([name]) => name).sort()
}

/** A linked index that lists this manifest. */
export function indexListing (state: RepositoryState, digest: Digest): Digest | undefined {
  for (const [index, revision] of state.revisions) {
    if (index !== digest && revision.readable && revision.references.manifests.includes(digest)) return index
  }
  return undefined
}
