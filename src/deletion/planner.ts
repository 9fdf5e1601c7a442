/**
 * Decides what one deletion removes in one repository. Pure: the state of the repository in, the plan out. Which step
 * removes what, and why, is documented in docs/deletion.md.
 */
import type { Digest } from '../oci/digest.js'
import type { Tag } from '../oci/name.js'
import type { RepositoryState } from '../storage/state.js'
import { stored, usesLayer } from './layers.js'
import type { Plan, PlanOptions, Planned } from './plan.js'
import { closure, indexListing, pointedTo, tagsReaching } from './reach.js'
import { damageOfTag, histories, select, type Selection } from './select.js'
import type { RepositoryTarget } from './target.js'

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
    case 'retention': return planRetention(state, target, options)
  }
}

function planManifest (state: RepositoryState, digest: Digest, options: PlanOptions): Planned {
  const tags: Tag[] = []
  for (const [name, tag] of state.tags) if (tag.current === digest) tags.push(name)
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

/** What the tags that stay reach, what is attached to that, and what is just being pushed. */
export function tagged (state: RepositoryState, gone: ReadonlySet<Tag>, options: Pick<PlanOptions, 'pushed'>): Set<Digest> {
  const reached = closure(state, [...state.tags].filter(([name]) => !gone.has(name)).flatMap(([, tag]) => pointedTo(tag)))
  for (let before = -1; before < reached.size;) {
    before = reached.size
    for (const [digest, revision] of state.revisions) {
      const subject = revision.readable ? revision.references.subject : undefined
      if ((subject !== undefined && reached.has(subject)) || options.pushed(digest)) closure(state, [digest]).forEach(found => reached.add(found))
    }
  }
  return reached
}

/** Unlike a request that names something, a run of rules may find nothing to do; what it could not decide on, it says. */
function planRetention (state: RepositoryState, { tags, manifests, stay }: Extract<RepositoryTarget, { type: 'retention' }>, options: PlanOptions): Planned {
  if (tags.size + manifests.size === 0) return { outcome: 'unknown' }
  const plan = select(state, { tags, manifests: [...histories(state, tags), ...manifests], stay }, options)
  return plan.tags.length + plan.manifests.length + plan.warnings.length === 0 ? { outcome: 'unknown' } : { outcome: 'planned', plan }
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
