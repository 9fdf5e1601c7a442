/** What the rules say of manifests that no tag reaches. Pure. */
import { tagged } from '../deletion/planner.js'
import type { PlanOptions } from '../deletion/plan.js'
import type { Digest } from '../oci/digest.js'
import type { RepositoryState } from '../storage/state.js'
import { DAY_MS, daysText, type Moment } from './ages.js'
import type { Rule } from './rules.js'

/** A manifest that goes. */
export interface Untagged {
  readonly digest: Digest
  readonly rule: string
  readonly reason: string
}

/**
 * What was not seen to be pulled may have been before there was anybody to see it: that time counts as a pull.
 * A manifest that is attached to another one is not judged by itself: it goes with that.
 * @param rules those that are about this repository
 * @returns what goes; and what stays, also where what listed it goes
 */
export function judgeUntagged (state: RepositoryState, rules: readonly Rule[], { now, pulls }: Moment, options: Pick<PlanOptions, 'pushed'>): { gone: Untagged[], stay: Set<Digest> } {
  const gone: Untagged[] = []
  const stay = new Set<Digest>()
  const asked = rules.filter(({ settings }) => settings.deleteUntaggedAfterDays !== undefined)
  if (asked.length === 0) return { gone, stay }
  const reached = tagged(state, new Set(), options)
  for (const [digest, revision] of state.revisions) {
    if (reached.has(digest)) continue
    const subject = revision.readable ? revision.references.subject : undefined
    if (subject !== undefined && subject !== digest && state.revisions.has(subject)) continue
    const age = now - Math.max(revision.modifiedAt, pulls.lastPull(state.name, digest) ?? pulls.since)
    const rule = revision.readable ? asked.find(({ settings }) => age > settings.deleteUntaggedAfterDays! * DAY_MS)?.settings : undefined
    if (rule === undefined) stay.add(digest)
    else gone.push({ digest, rule: rule.name, reason: `without a tag, pushed and pulled ${daysText(age)} ago or longer, more than ${rule.deleteUntaggedAfterDays}` })
  }
  return { gone, stay }
}
