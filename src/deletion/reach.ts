/** Who reaches whom inside one repository (pure). */
import type { Digest } from '../oci/digest.js'
import type { Tag } from '../oci/name.js'
import type { RepositoryState, TagState } from '../storage/state.js'

/** Manifests that an index lists and that are linked in the repository. */
export function children (state: RepositoryState, digest: Digest): Digest[] {
  const revision = state.revisions.get(digest)
  return revision?.readable === true && revision.references.manifests.length > 0 ? revision.references.manifests.filter(child => state.revisions.has(child)) : []
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

/** What a question about tags is about. */
export interface TagQuestion {
  /** Digests that will be asked about; without it any may be. */
  readonly about?: ReadonlySet<Digest>
  /** Tags that do not count. */
  readonly without?: ReadonlySet<Tag>
}

/**
 * Which tags reach a manifest or a blob, directly or through indexes. Nothing is looked at before the first question;
 * then the way is from what is asked about up to the tags. The answer is sorted.
 */
export function tagIndex (state: RepositoryState, { about, without = new Set() }: TagQuestion = {}): (digest: Digest) => readonly Tag[] {
  let ways: { users: ReadonlyMap<Digest, readonly Digest[]>, indexes: ReadonlyMap<Digest, readonly Digest[]>, tags: ReadonlyMap<Digest, readonly Tag[]> } | undefined
  return digest => {
    ways ??= { users: usersOf(state, about), indexes: indexesOf(state), tags: tagsTo(state, without) }
    const found = new Set<Tag>()
    const reached = new Set<Digest>()
    const open = [digest, ...ways.users.get(digest) ?? []]
    for (let manifest = open.pop(); manifest !== undefined; manifest = open.pop()) {
      if (reached.has(manifest)) continue
      reached.add(manifest)
      ways.tags.get(manifest)?.forEach(tag => found.add(tag))
      if (state.revisions.has(manifest)) open.push(...ways.indexes.get(manifest) ?? [])
    }
    return [...found].sort()
  }
}

/** The tags that reach a manifest or a blob. */
export const tagsReaching = (state: RepositoryState, digest: Digest): readonly Tag[] => tagIndex(state, { about: new Set([digest]) })(digest)

function note<Value> (map: Map<Digest, Value[]>, digest: Digest, value: Value): void {
  const values = map.get(digest)
  if (values === undefined) map.set(digest, [value])
  else values.push(value)
}

/** The manifests that list something, under its own name or another that its link maps to it. */
function usersOf (state: RepositoryState, about: ReadonlySet<Digest> | undefined): ReadonlyMap<Digest, readonly Digest[]> {
  const users = new Map<Digest, Digest[]>()
  const aliases = aliasesOf(state)
  const use = (used: Digest, by: Digest): void => {
    if (about === undefined || about.has(used)) note(users, used, by)
    const target = aliases.get(used)
    if (target !== undefined && (about === undefined || about.has(target))) note(users, target, by)
  }
  for (const [by, revision] of state.revisions) {
    if (!revision.readable) continue
    for (const used of revision.references.blobs) use(used, by)
    for (const used of revision.references.manifests) use(used, by)
  }
  return users
}

/** Links that map a name to another one: nearly none. */
export function aliasesOf (state: RepositoryState): ReadonlyMap<Digest, Digest> {
  const aliases = new Map<Digest, Digest>()
  for (const { digest, target } of state.layers.values()) if (target !== undefined && target !== digest) aliases.set(digest, target)
  return aliases
}

/** The indexes that list a manifest. */
function indexesOf (state: RepositoryState): ReadonlyMap<Digest, readonly Digest[]> {
  const indexes = new Map<Digest, Digest[]>()
  for (const [index, revision] of state.revisions) {
    if (revision.readable) for (const child of revision.references.manifests) note(indexes, child, index)
  }
  return indexes
}

/** The tags that may point to a manifest. */
function tagsTo (state: RepositoryState, without: ReadonlySet<Tag>): ReadonlyMap<Digest, readonly Tag[]> {
  const tags = new Map<Digest, Tag[]>()
  for (const [name, tag] of state.tags) if (!without.has(name)) for (const digest of pointedTo(tag)) note(tags, digest, name)
  return tags
}

/** A linked index that lists this manifest. */
export function indexListing (state: RepositoryState, digest: Digest): Digest | undefined {
  for (const [index, revision] of state.revisions) {
    if (index !== digest && revision.readable && revision.references.manifests.includes(digest)) return index
  }
  return undefined
}
