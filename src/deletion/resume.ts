/** Decides what is left to do of a deletion that did not get to its end. Pure. */
import type { Digest } from '../oci/digest.js'
import type { RepositoryState } from '../storage/state.js'
import type { Plan, PlanOptions } from './plan.js'
import { select } from './select.js'

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
  const planned = new Set(earlier.manifests)
  const stay = new Set([...state.revisions.keys()].filter(digest => !planned.has(digest)))
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
