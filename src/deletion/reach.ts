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

/**
 * Which tags reach a manifest or a blob, directly or through indexes; for asking about many digests.
 * The answer is sorted.
 */
export function tagIndex (state: RepositoryState): (digest: Digest) => readonly Tag[] {
  const index = new Map<Digest, Set<Tag>>()
  const note = (digest: Digest, tag: Tag): void => {
    const tags = index.get(digest)
    if (tags === undefined) index.set(digest, new Set([tag]))
    else tags.add(tag)
  }
  for (const [name, tag] of state.tags) {
    for (const manifest of closure(state, pointedTo(tag))) {
      note(manifest, name)
      const revision = state.revisions.get(manifest)
      if (revision?.readable !== true) continue
      for (const used of [...revision.references.blobs, ...revision.references.manifests]) {
        note(used, name)
        const target = state.layers.get(used)?.target
        if (target !== undefined) note(target, name)
      }
    }
  }
  return digest => [...index.get(digest) ?? []].sort()
}

/** The tags that reach a manifest or a blob. */
export const tagsReaching = (state: RepositoryState, digest: Digest): readonly Tag[] => tagIndex(state)(digest)

/** A linked index that lists this manifest. */
export function indexListing (state: RepositoryState, digest: Digest): Digest | undefined {
  for (const [index, revision] of state.revisions) {
    if (index !== digest && revision.readable && revision.references.manifests.includes(digest)) return index
  }
  return undefined
}
