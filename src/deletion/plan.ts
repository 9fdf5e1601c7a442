/**
 * Decides what one deletion removes in one repository. Pure: the state of the repository in, the steps out. The
 * order of the steps is that of `execute.ts`; which step removes what, and why, is documented in
 * docs/deletion.md.
 */
import { algorithmOf, hexOf, type Digest } from '../oci/digest.js'
import type { RepositoryName, Tag } from '../oci/name.js'
import type { Damage, RepositoryState, UploadState } from '../storage/state.js'
import { closure, indexListing, pointedTo, tagIndex, tagsReaching } from './reach.js'
import type { RepositoryTarget } from './target.js'

/** Whether a collection has anything to do for a plan: a tag whose manifest stays needs none. */
export const leavesGarbage = (plan: Plan): boolean => plan.manifests.length > 0 || plan.layers.length > 0 || plan.empties || plan.candidates.length > 0

/** What a deletion removes from one repository, and what it may leave unused. Plain data: it goes into the journal. */
export interface Plan {
  readonly repository: RepositoryName
  /** Tags that go, each with what it pointed to. */
  readonly tags: ReadonlyArray<{ readonly tag: Tag, readonly digest?: Digest }>
  /** Revision links that go. */
  readonly manifests: readonly Digest[]
  /** Entries in the history of tags that stay, for manifests that go. */
  readonly history: ReadonlyArray<{ readonly tag: Tag, readonly digest: Digest }>
  /** Layer links that go, by the name of their directory. */
  readonly layers: readonly Digest[]
  /** Nothing is left: the repository goes too. */
  readonly empties: boolean
  /** Blobs that may be unused once the links are gone. */
  readonly candidates: readonly Digest[]
  /** What something else in the repository keeps. */
  readonly kept: ReadonlyArray<{ readonly digest: Digest, readonly tags: readonly Tag[] }>
  readonly warnings: readonly string[]
  /** A manifest that goes cannot be read, so it is not known which blobs it leaves unused. */
  readonly blind: boolean
}

export type Planned =
  | { readonly outcome: 'planned', readonly plan: Plan }
  /** The target does not exist. */
  | { readonly outcome: 'unknown' }
  /** Something live needs it, or, with `damage`, may need it: that cannot be read. */
  | { readonly outcome: 'denied', readonly by: Digest, readonly tags: readonly Tag[], readonly damage?: Damage }

export interface PlanOptions {
  /** `purge` removes what was attached to a deleted manifest (signatures, SBOMs, attestations); `keep` leaves it. */
  readonly referrers: 'purge' | 'keep'
  /** Whether a running push relies on this digest in this repository. */
  readonly leased: (digest: Digest) => boolean
  /** Whether somebody still works on an upload. */
  readonly uploading: (upload: UploadState) => boolean
  /** In a repository without manifests, so are those that are older than this. Milliseconds since the epoch. */
  readonly idleBefore: number
  /** Layer links that nothing uses and that are older than this go as well, milliseconds since the epoch. */
  readonly staleBefore: number
}

/** The parts of a repository that a deletion starts from. */
interface Selection {
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

/** Plans a deletion. */
export function plan (state: RepositoryState, target: RepositoryTarget, options: PlanOptions): Planned {
  switch (target.type) {
    case 'tag': {
      const tag = state.tags.get(target.tag)
      return tag === undefined ? { outcome: 'unknown' } : planned(state, { tags: new Set([target.tag]), manifests: [...pointedTo(tag), ...tag.history] }, options)
    }
    case 'manifest': return planManifest(state, target.digest, options)
    case 'tags': return state.tags.size === 0 ? { outcome: 'unknown' } : planned(state, { tags: new Set(state.tags.keys()), manifests: histories(state, state.tags.keys()) }, options)
    case 'repository': return state.exists ? planned(state, { tags: new Set(state.tags.keys()), manifests: state.revisions.keys(), everything: true }, options) : { outcome: 'unknown' }
    case 'untagged': return planUntagged(state, options)
    case 'garbage': return unlessNothing(select(state, { tags: new Set(), manifests: [] }, options))
    case 'blob': return planBlob(state, target.digest, options)
  }
}

/**
 * Plans the rest of a deletion that was interrupted while it unlinked: only what the earlier plan named, and only
 * where it is still true. What was pushed again since, or points elsewhere by now, or is reached again, stays.
 * @param since when the deletion was accepted, milliseconds since the epoch
 */
export function planRest (state: RepositoryState, earlier: Plan, since: number, options: PlanOptions): Plan {
  const tags = earlier.tags.filter(({ tag, digest }) => {
    const now = state.tags.get(tag)
    // A tag without its link is what an interrupted removal leaves.
    return now !== undefined && (now.modifiedAt === undefined || (now.modifiedAt < since && now.current === digest))
  })
  const manifests = earlier.manifests.filter(digest => (state.revisions.get(digest)?.modifiedAt ?? since) < since)
  // The earlier plan named all that goes, attachments included: nothing else does.
  const stay = new Set([...state.revisions.keys()].filter(digest => !earlier.manifests.includes(digest)))
  return select(state, { tags: new Set(tags.map(({ tag }) => tag)), manifests, stay, layers: older(state, earlier, since) }, { ...options, referrers: 'keep' })
}

/**
 * Plans what a deletion had to leave although its unlinking has ended: layer links that a push relied on at the time,
 * and a repository that was not empty yet. Tags and manifests are no longer its business: they were pushed again.
 * @param since when the deletion was accepted, milliseconds since the epoch
 */
export function planLeftovers (state: RepositoryState, earlier: Plan, since: number, options: PlanOptions): Plan {
  return select(state, { tags: new Set(), manifests: [], layers: older(state, earlier, since) }, options)
}

/** Layers that an earlier plan was about, unless their links were written again since. */
const older = (state: RepositoryState, earlier: Plan, since: number): Digest[] =>
  [...earlier.layers, ...earlier.candidates].filter(digest => (state.layers.get(digest)?.modifiedAt ?? 0) < since)

function planManifest (state: RepositoryState, digest: Digest, options: PlanOptions): Planned {
  const tags = [...state.tags].filter(([, tag]) => tag.current === digest).map(([name]) => name)
  if (!state.revisions.has(digest) && tags.length === 0) return { outcome: 'unknown' }
  const index = indexListing(state, digest)
  if (index !== undefined) return { outcome: 'denied', by: index, tags: tagsReaching(state, index) }
  const blind = [...state.tags].find(([, tag]) => tag.current === undefined && tag.history.includes(digest))
  if (blind !== undefined) return { outcome: 'denied', by: digest, tags: [blind[0]], damage: damageOfTag(state, blind[0]) }
  for (const [by, revision] of state.revisions) {
    if (by !== digest && !revision.readable) return { outcome: 'denied', by, tags: tagsReaching(state, by), damage: revision.damage }
  }
  return planned(state, { tags: new Set(tags), manifests: [digest, ...histories(state, tags)], explicit: digest }, options)
}

function unlessNothing (plan: Plan): Planned {
  return plan.manifests.length === 0 && plan.layers.length === 0 && !plan.empties ? { outcome: 'unknown' } : { outcome: 'planned', plan }
}

/**
 * Plans the removal of manifests that no tag reaches, directly or through an index, and that are not attached to one
 * that stays. Signature tags of what goes, go too, and what only they reached with them: so until nothing changes.
 */
function planUntagged (state: RepositoryState, options: PlanOptions): Planned {
  let gone = new Set<Tag>()
  for (;;) {
    const stay = tagged(state, gone, options)
    const manifests = [...state.revisions.keys()].filter(digest => !stay.has(digest) && state.revisions.get(digest)!.readable)
    const selected = select(state, { tags: gone, manifests, stay }, options)
    if (selected.tags.length === gone.size) return unlessNothing(selected)
    gone = new Set(selected.tags.map(({ tag }) => tag))
  }
}

/** What the tags that stay reach, and what is attached to that. */
function tagged (state: RepositoryState, gone: ReadonlySet<Tag>, options: PlanOptions): Set<Digest> {
  const reached = closure(state, [...state.tags].filter(([name]) => !gone.has(name)).flatMap(([, tag]) => pointedTo(tag)))
  for (let before = -1; before < reached.size;) {
    before = reached.size
    for (const [digest, revision] of state.revisions) {
      const subject = revision.readable ? revision.references.subject : undefined
      if ((subject !== undefined && reached.has(subject)) || options.leased(digest)) closure(state, [digest]).forEach(found => reached.add(found))
    }
  }
  return reached
}

function planBlob (state: RepositoryState, digest: Digest, options: PlanOptions): Planned {
  const layer = state.layers.get(digest)
  if (layer === undefined) return { outcome: 'unknown' }
  for (const [by, revision] of state.revisions) {
    if (!revision.readable) return { outcome: 'denied', by, tags: tagsReaching(state, by), damage: revision.damage }
    if (usesLayer(state, revision.references, digest)) return { outcome: 'denied', by, tags: tagsReaching(state, by) }
  }
  // The content may be linked under the names of two algorithms.
  const names = [...state.layers.values()].filter(other => other.digest === digest || (other.target !== undefined && other.target === layer.target)).map(other => other.digest)
  const layers = names.some(name => options.leased(name)) ? [] : names
  const warnings = layers.length === 0 ? [`blob ${digest} is kept: a push that is running uses it`] : []
  return { outcome: 'planned', plan: { repository: state.name, tags: [], manifests: [], history: [], layers, empties: false, candidates: stored([digest], state), kept: [], warnings, blind: false } }
}

const planned = (state: RepositoryState, selection: Selection, options: PlanOptions): Planned => ({ outcome: 'planned', plan: select(state, selection, options) })

/** The heart: from what was named to everything that goes with it, and nothing that something else still reaches. */
function select (state: RepositoryState, selection: Selection, options: PlanOptions): Plan {
  const gone = grow(state, selection, options)
  const remaining = [...state.revisions.keys()].filter(digest => !gone.manifests.has(digest))
  const poison = selection.everything === true ? undefined : hiding(state, remaining, gone.tags)
  const manifests = poison === undefined ? gone.manifests : new Set([...gone.manifests].filter(digest => digest === selection.explicit))
  const kept = remaining.filter(digest => gone.candidates.has(digest))
  const layers = poison === undefined ? unusedLayers(state, manifests, selection, options) : []
  const tags = [...gone.tags].sort().map(tag => ({ tag, digest: state.tags.get(tag)?.current }))
  const left = { ...state, tags: new Map([...state.tags].filter(([tag]) => !gone.tags.has(tag))) }
  const leftTags = [...left.tags.keys()]
  const tagsOf = tagIndex(left)
  return {
    repository: state.name,
    tags: tags.map(({ tag, digest }) => digest === undefined ? { tag } : { tag, digest }),
    manifests: [...manifests].filter(digest => state.revisions.has(digest)).sort(),
    history: leftTags.flatMap(tag => state.tags.get(tag)!.history.filter(digest => manifests.has(digest)).map(digest => ({ tag, digest }))),
    layers,
    empties: isEmptied(state, manifests, leftTags, layers, options),
    candidates: candidates(state, manifests, layers),
    kept: [...new Set(kept)].sort().map(digest => ({ digest, tags: tagsOf(digest) })),
    blind: isBlind(state, manifests),
    warnings: poison === undefined ? [] : [`kept what repository ${state.name} may still need: ${poison.path}: ${poison.reason}`]
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
      selection.stay?.has(digest) === true || (selection.everything !== true && digest !== selection.explicit && options.leased(digest)))
    const attached = options.referrers === 'purge' ? attachedTo(state, manifests, tags, candidates) : { tags: [], manifests: [] }
    if (attached.tags.length === 0 && attached.manifests.length === 0) return { tags, manifests, candidates }
    attached.tags.forEach(tag => tags.add(tag))
    named = new Set([...candidates, ...attached.manifests, ...histories(state, attached.tags)])
  }
}

/** The candidates that no remaining tag, no other linked index and nothing else that stays reaches. */
function unreached (state: RepositoryState, gone: ReadonlySet<Tag>, candidates: ReadonlySet<Digest>, stays: (digest: Digest) => boolean): Set<Digest> {
  const roots = [...state.tags].filter(([name]) => !gone.has(name)).flatMap(([, tag]) => pointedTo(tag))
  const others = [...state.revisions.keys()].filter(digest => !candidates.has(digest) || stays(digest))
  const reached = closure(state, [...roots, ...others])
  return new Set([...candidates].filter(digest => !reached.has(digest)))
}

/** distribution-spec, "Referrers Tag Schema": the algorithm cut at 32 characters, the rest at 64. */
const referrersTag = (digest: Digest): string => `${algorithmOf(digest).slice(0, 32)}-${hexOf(digest).slice(0, 64)}`

const COSIGN_SUFFIXES = ['', '.sig', '.att', '.sbom'] as const

/**
 * What hangs on manifests that go: manifests whose `subject` they are (OCI 1.1), the fallback tag `<alg>-<hex>`
 * (distribution-spec, "Referrers Tag Schema"), and cosign's tags, which add a suffix to it.
 */
function attachedTo (state: RepositoryState, manifests: ReadonlySet<Digest>, tags: ReadonlySet<Tag>, candidates: ReadonlySet<Digest>): { tags: Tag[], manifests: Digest[] } {
  const names = [...manifests].flatMap(digest => COSIGN_SUFFIXES.map(suffix => `${referrersTag(digest)}${suffix}` as Tag))
  const referrers = [...state.revisions].filter(([digest, revision]) =>
    !candidates.has(digest) && revision.readable && revision.references.subject !== undefined && manifests.has(revision.references.subject))
  return { tags: names.filter(name => state.tags.has(name) && !tags.has(name)), manifests: referrers.map(([digest]) => digest) }
}

/** Something that stays, cannot be read, and so may reach anything. */
function hiding (state: RepositoryState, remaining: readonly Digest[], gone: ReadonlySet<Tag>): Damage | undefined {
  for (const digest of remaining) {
    const revision = state.revisions.get(digest)!
    if (!revision.readable) return revision.damage
  }
  const blindTag = [...state.tags].find(([name, tag]) => !gone.has(name) && pointedTo(tag).length === 0)
  if (blindTag !== undefined) return damageOfTag(state, blindTag[0])
  return state.damages.find(damage => damage.kind === 'tree')
}

const damageOfTag = (state: RepositoryState, tag: Tag): Damage =>
  state.damages.find(damage => damage.kind === 'tag' && damage.path.includes(`/${tag}/`)) ?? { kind: 'tag', path: tag, reason: 'it is not known what the tag points to' }

function unusedLayers (state: RepositoryState, manifests: ReadonlySet<Digest>, selection: Selection, options: PlanOptions): Digest[] {
  const used = usedBy(state, [...state.revisions.keys()].filter(digest => !manifests.has(digest)))
  const before = new Set([...usedBy(state, manifests), ...(selection.layers ?? [])])
  // What an unreadable manifest used is not known: whatever nothing else uses may have been its own.
  const any = selection.everything === true || isBlind(state, manifests)
  const isBare = [...state.revisions.keys()].every(digest => manifests.has(digest))
  const oldest = isBare ? options.idleBefore : options.staleBefore
  return [...state.layers.values()].filter(layer => {
    const names = layer.target === undefined ? [layer.digest] : [layer.digest, layer.target]
    if (names.some(name => used.has(name) || options.leased(name))) return false
    if (any || names.some(name => before.has(name))) return true
    return layer.target !== undefined && layer.modifiedAt < oldest
  }).map(layer => layer.digest).sort()
}

const isBlind = (state: RepositoryState, manifests: ReadonlySet<Digest>): boolean =>
  [...manifests].some(digest => state.revisions.get(digest)?.readable === false)

/** Config and layers of these manifests, and what is stored for them where a link maps to another algorithm. */
function usedBy (state: RepositoryState, manifests: Iterable<Digest>): Set<Digest> {
  const used: Digest[] = []
  for (const digest of manifests) {
    const revision = state.revisions.get(digest)
    // An index may list blobs too: build caches do (`application/vnd.buildkit.cacheconfig.v0`).
    if (revision?.readable === true) used.push(...revision.references.blobs, ...revision.references.manifests)
  }
  return new Set([...used, ...stored(used, state)])
}

function usesLayer (state: RepositoryState, references: { blobs: readonly Digest[], manifests: readonly Digest[] }, digest: Digest): boolean {
  const target = state.layers.get(digest)?.target
  return [...references.blobs, ...references.manifests].some(used => used === digest || used === target || state.layers.get(used)?.target === digest)
}

/** The digests under which the content is stored. */
const stored = (digests: Iterable<Digest>, state: RepositoryState): Digest[] => [...digests].map(digest => state.layers.get(digest)?.target ?? digest)

function candidates (state: RepositoryState, manifests: ReadonlySet<Digest>, layers: readonly Digest[]): Digest[] {
  return [...new Set([...manifests, ...usedBy(state, manifests), ...stored(layers, state)])].sort()
}

function isEmptied (state: RepositoryState, manifests: ReadonlySet<Digest>, leftTags: readonly Tag[], layers: readonly Digest[], options: PlanOptions): boolean {
  const left = [...state.revisions.keys()].some(digest => !manifests.has(digest))
  return !left && leftTags.length === 0 && layers.length === state.layers.size && state.exists && !state.uploads.some(upload => options.uploading(upload))
}

function histories (state: RepositoryState, tags: Iterable<Tag>): Digest[] {
  return [...tags].flatMap(name => {
    const tag = state.tags.get(name)
    return tag === undefined ? [] : [...pointedTo(tag), ...tag.history]
  })
}
