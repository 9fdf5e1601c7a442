/**
 * The heart of planning: from what was named to everything that goes with it, and nothing that something else still
 * reaches. Pure.
 */
import { algorithmOf, hexOf, type Digest } from '../oci/digest.js'
import type { Tag } from '../oci/name.js'
import { damageText, type Damage, type RepositoryState } from '../storage/state.js'
import { candidates, isBlind, unusedLayers } from './layers.js'
import type { Plan, PlanOptions } from './plan.js'
import { closure, pointedTo, tagIndex } from './reach.js'

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
  const remaining = [...state.revisions.keys()].filter(digest => !gone.manifests.has(digest))
  const poison = selection.everything === true ? undefined : hiding(state, remaining, gone.tags)
  const manifests = poison === undefined ? gone.manifests : new Set([...gone.manifests].filter(digest => digest === selection.explicit))
  const kept = remaining.filter(digest => gone.candidates.has(digest))
  const layers = poison === undefined ? unusedLayers(state, manifests, selection, options) : []
  const left = { ...state, tags: new Map([...state.tags].filter(([tag]) => !gone.tags.has(tag))) }
  const leftTags = [...left.tags.keys()]
  const tagsOf = tagIndex(left)
  return {
    repository: state.name,
    tags: [...gone.tags].sort().map(tag => {
      const digest = state.tags.get(tag)?.current
      return digest === undefined ? { tag } : { tag, digest }
    }),
    manifests: [...manifests].filter(digest => state.revisions.has(digest)).sort(),
    history: leftTags.flatMap(tag => state.tags.get(tag)!.history.filter(digest => manifests.has(digest)).map(digest => ({ tag, digest }))),
    layers,
    empties: isEmptied(state, manifests, leftTags, layers, options),
    candidates: candidates(state, manifests, layers),
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

export const damageOfTag = (state: RepositoryState, tag: Tag): Damage =>
  state.damages.find(damage => damage.kind === 'tag' && damage.path.includes(`/${tag}/`)) ?? { kind: 'tag', path: tag, reason: 'it is not known what the tag points to' }

function isEmptied (state: RepositoryState, manifests: ReadonlySet<Digest>, leftTags: readonly Tag[], layers: readonly Digest[], options: PlanOptions): boolean {
  const left = [...state.revisions.keys()].some(digest => !manifests.has(digest))
  return !left && leftTags.length === 0 && layers.length === state.layers.size && state.exists && !state.uploads.some(upload => options.uploading(upload))
}

export function histories (state: RepositoryState, tags: Iterable<Tag>): Digest[] {
  return [...tags].flatMap(name => {
    const tag = state.tags.get(name)
    return tag === undefined ? [] : [...pointedTo(tag), ...tag.history]
  })
}
