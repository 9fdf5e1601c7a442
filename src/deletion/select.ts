/**
 * The heart of planning: from what was named to everything that goes with it, and nothing that something else still
 * reaches. Pure.
 */
import { algorithmOf, hexOf, type Digest } from '../oci/digest.js'
import type { Tag } from '../oci/name.js'
import { damageText, type Damage, type RepositoryState } from '../storage/state.js'
import { candidates, isBlind, unusedLayers } from './layers.js'
import type { Plan, PlanOptions } from './plan.js'
import { children, closure, pointedTo, tagIndex } from './reach.js'

/** The parts of a repository that a deletion starts from. */
export interface Selection {
  readonly tags: ReadonlySet<Tag>
  readonly manifests: Iterable<Digest>
  /** Named by the caller: only a live index could still need it, and that was asked before. */
  readonly explicit?: Digest
  /** Named by an interrupted run of the same deletion. */
  readonly layers?: readonly Digest[]
  readonly everything?: boolean
  /** Manifests that stay whatever lists them. */
  readonly stay?: ReadonlySet<Digest>
}

/** The heart: from what was named to everything that goes with it, and nothing that something else still reaches. */
export function select (state: RepositoryState, selection: Selection, options: PlanOptions): Plan {
  const gone = grow(state, selection, options)
  const poison = selection.everything === true ? undefined : hiding(state, gone.manifests, gone.tags)
  const manifests = poison === undefined ? gone.manifests : new Set([...gone.manifests].filter(digest => digest === selection.explicit))
  const kept = [...gone.candidates].filter(digest => state.revisions.has(digest) && !gone.manifests.has(digest))
  const layers = poison === undefined ? unusedLayers(state, manifests, selection, options) : []
  const tagsOf = tagIndex(state, { about: new Set(kept), without: gone.tags })
  return {
    repository: state.name,
    tags: [...gone.tags].sort().map(tag => {
      const digest = state.tags.get(tag)?.current
      return digest === undefined ? { tag } : { tag, digest }
    }),
    manifests: [...manifests].filter(digest => state.revisions.has(digest)).sort(),
    history: manifests.size === 0 ? [] : historyOf(state, gone.tags, manifests),
    layers,
    empties: isEmptied(state, { tags: gone.tags, manifests, layers }, options),
    candidates: candidates(state, manifests, layers),
    ...sparedBy(state, manifests, layers),
    kept: kept.sort().map(digest => ({ digest, tags: tagsOf(digest) })),
    blind: isBlind(state, manifests),
    warnings: poison === undefined ? [] : [`kept what repository ${state.name} may still need: ${damageText(poison)}`]
  }
}

/**
 * Grows what was named by what only it held: the manifests that its indexes list and, with `purge`, whatever was
 * attached to a manifest that goes. Each round can only make more go, so it ends.
 */
function grow (state: RepositoryState, selection: Selection, options: PlanOptions): { tags: Set<Tag>, manifests: Set<Digest>, candidates: Set<Digest> } {
  const tags = new Set(selection.tags)
  let named = new Set(selection.manifests)
  for (;;) {
    const candidates = closure(state, named)
    const manifests = unreached(state, tags, candidates, digest =>
      selection.stay?.has(digest) === true || (selection.everything !== true && digest !== selection.explicit && options.pushed(digest)))
    const attached = options.referrers === 'purge' ? attachedTo(state, manifests, tags, candidates) : { tags: [], manifests: [] }
    if (attached.tags.length === 0 && attached.manifests.length === 0) return { tags, manifests, candidates }
    attached.tags.forEach(tag => tags.add(tag))
    named = new Set([...candidates, ...attached.manifests, ...histories(state, attached.tags)])
  }
}

/**
 * The candidates that no remaining tag, no other linked index and nothing else that stays reaches. Candidates list
 * nothing but candidates, so all others are asked only for what they list themselves.
 */
function unreached (state: RepositoryState, gone: ReadonlySet<Tag>, candidates: ReadonlySet<Digest>, stays: (digest: Digest) => boolean): Set<Digest> {
  const roots = [...candidates].filter(digest => state.revisions.has(digest) && stays(digest))
  for (const [name, tag] of state.tags) {
    if (!gone.has(name)) for (const digest of pointedTo(tag)) if (candidates.has(digest)) roots.push(digest)
  }
  for (const [digest, revision] of state.revisions) {
    if (!revision.readable || revision.references.manifests.length === 0 || candidates.has(digest)) continue
    for (const child of children(state, digest)) if (candidates.has(child)) roots.push(child)
  }
  const reached = closure(state, roots)
  return new Set([...candidates].filter(digest => !reached.has(digest)))
}

/** distribution-spec, "Referrers Tag Schema": the algorithm cut at 32 characters, the rest at 64. */
export const referrersTag = (digest: Digest): string => `${algorithmOf(digest).slice(0, 32)}-${hexOf(digest).slice(0, 64)}`

export const COSIGN_SUFFIXES = ['', '.sig', '.att', '.sbom'] as const

/**
 * What hangs on manifests that go: manifests whose `subject` they are (OCI 1.1), the fallback tag `<alg>-<hex>`
 * (distribution-spec, "Referrers Tag Schema"), and cosign's tags, which add a suffix to it.
 */
function attachedTo (state: RepositoryState, manifests: ReadonlySet<Digest>, tags: ReadonlySet<Tag>, candidates: ReadonlySet<Digest>): { tags: Tag[], manifests: Digest[] } {
  if (manifests.size === 0) return { tags: [], manifests: [] }
  const names = [...manifests].flatMap(digest => COSIGN_SUFFIXES.map(suffix => `${referrersTag(digest)}${suffix}` as Tag))
  const referrers: Digest[] = []
  for (const [digest, revision] of state.revisions) {
    const subject = revision.readable ? revision.references.subject : undefined
    if (subject !== undefined && manifests.has(subject) && !candidates.has(digest)) referrers.push(digest)
  }
  return { tags: names.filter(name => state.tags.has(name) && !tags.has(name)), manifests: referrers }
}

/** Something that stays, cannot be read, and so may reach anything. */
function hiding (state: RepositoryState, manifests: ReadonlySet<Digest>, gone: ReadonlySet<Tag>): Damage | undefined {
  for (const [digest, revision] of state.revisions) {
    if (!revision.readable && !manifests.has(digest)) return revision.damage
  }
  for (const [name, tag] of state.tags) {
    if (!gone.has(name) && pointedTo(tag).length === 0) return damageOfTag(state, name)
  }
  return state.damages.find(damage => damage.kind === 'tree')
}

export const damageOfTag = (state: RepositoryState, tag: Tag): Damage =>
  state.damages.find(damage => damage.kind === 'tag' && damage.path.includes(`/${tag}/`)) ?? { kind: 'tag', path: tag, reason: 'it is not known what the tag points to' }

/** What manifests that go list, and that stays. */
function sparedBy (state: RepositoryState, manifests: ReadonlySet<Digest>, layers: readonly Digest[]): Pick<Plan, 'spared'> {
  const reached = closure(state, manifests)
  const going = new Set(layers)
  const spared = new Set<Digest>()
  for (const digest of reached) {
    const revision = state.revisions.get(digest)
    if (revision?.readable !== true) continue
    for (const listed of [...revision.references.blobs, ...revision.references.manifests]) if (!going.has(listed) && state.layers.get(listed)?.target === listed) spared.add(listed)
  }
  const staying = [...reached].filter(digest => state.revisions.has(digest) && !manifests.has(digest))
  return spared.size + staying.length === 0 ? {} : { spared: { layers: [...spared].sort(), manifests: staying.sort() } }
}

/** Entries in the histories of the tags that stay. */
function historyOf (state: RepositoryState, gone: ReadonlySet<Tag>, manifests: ReadonlySet<Digest>): Plan['history'] {
  const entries: Array<{ tag: Tag, digest: Digest }> = []
  for (const [tag, { history }] of state.tags) {
    if (!gone.has(tag)) for (const digest of history) if (manifests.has(digest)) entries.push({ tag, digest })
  }
  return entries
}

function isEmptied (state: RepositoryState, gone: { tags: ReadonlySet<Tag>, manifests: ReadonlySet<Digest>, layers: readonly Digest[] }, options: PlanOptions): boolean {
  return state.exists && gone.layers.length === state.layers.size && isWithin(state.revisions, gone.manifests) && isWithin(state.tags, gone.tags) && !state.uploads.some(upload => options.uploading(upload))
}

function isWithin<Name> (names: ReadonlyMap<Name, unknown>, set: ReadonlySet<Name>): boolean {
  for (const name of names.keys()) if (!set.has(name)) return false
  return true
}

export function histories (state: RepositoryState, tags: Iterable<Tag>): Digest[] {
  return [...tags].flatMap(name => {
    const tag = state.tags.get(name)
    return tag === undefined ? [] : [...pointedTo(tag), ...tag.history]
  })
}
