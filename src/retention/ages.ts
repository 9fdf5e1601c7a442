/** How long ago something was pushed, or used. Pure. */
import { closure } from '../deletion/reach.js'
import type { Digest } from '../oci/digest.js'
import type { Tag } from '../oci/name.js'
import type { LastPulls } from '../pull-times/pull-times.js'
import type { RepositoryState, TagState } from '../storage/state.js'

export const DAY_MS = 86_400_000

/** When rules are asked, and what is known of pulls. */
export interface Moment {
  /** Milliseconds since the epoch. */
  readonly now: number
  readonly pulls: LastPulls
}

/** When a tag was pushed, or put back after it was deleted: whoever did that wants it. Milliseconds since the epoch. */
export function pushedAt ({ name }: RepositoryState, tag: Tag, modifiedAt: number, { pulls }: Moment): number {
  return Math.max(modifiedAt, pulls.restoredAt(name, tag) ?? -Infinity)
}

/**
 * When a tag was last used: pulled by its name, or what it points to, or lists, by digest; or pushed. What was not seen to
 * be pulled may have been before there was anybody to see it.
 */
export function usedAt (state: RepositoryState, tag: Tag, { current, modifiedAt }: TagState & { readonly current: Digest, readonly modifiedAt: number }, moment: Moment): number {
  const { pulls } = moment
  let pulled = pulls.lastPull(state.name, tag)
  for (const digest of closure(state, [current])) pulled = latest(pulled, pulls.lastPullByDigest(state.name, digest))
  return Math.max(pushedAt(state, tag, modifiedAt, moment), pulled ?? pulls.since)
}

const latest = (a: number | undefined, b: number | undefined): number | undefined => a === undefined || b === undefined ? a ?? b : Math.max(a, b)

/** An age in words. Days under ten are not rounded to whole ones. */
export function daysText (ms: number): string {
  const days = ms / DAY_MS
  const shown = days >= 10 ? Math.floor(days) : Math.floor(days * 10) / 10
  return `${shown} ${shown === 1 ? 'day' : 'days'}`
}
