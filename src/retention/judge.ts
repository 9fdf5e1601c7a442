/** What the rules say of each tag of a repository. Whatever keeps a tag wins over whatever would delete it. Pure. */
import { COSIGN_SUFFIXES, referrersTag } from '../deletion/select.js'
import type { Digest } from '../oci/digest.js'
import type { Tag } from '../oci/name.js'
import type { RepositoryState, TagState } from '../storage/state.js'
import { DAY_MS, daysText, pushedAt, usedAt, type Moment } from './ages.js'
import type { Rule } from './rules.js'

/** What happens to a tag, and which rule decides it. */
export interface Judgement {
  readonly tag: Tag
  /** What it points to; `undefined` where its link cannot be read. */
  readonly digest?: Digest
  readonly action: 'keep' | 'delete'
  /** The name of the rule; none where no rule is about it. */
  readonly rule?: string
  readonly reason: string
}

export interface Judging extends Moment {
  /** The rule of `protection.rules` that protects a tag. */
  readonly protectedBy: (tag: Tag) => string | undefined
}

type Readable = TagState & { readonly current: Digest, readonly modifiedAt: number }
type Verdict = Pick<Judgement, 'action' | 'rule' | 'reason'>

/** @param rules those that are about this repository */
export function judgeTags (state: RepositoryState, rules: readonly Rule[], judging: Judging): Judgement[] {
  const subjects = subjectsOf(state)
  const readable = [...state.tags].filter((entry): entry is [Tag, Readable] => entry[1].current !== undefined && entry[1].modifiedAt !== undefined)
  const own = readable.filter(([tag]) => subjects(tag) === undefined)
  const newest = new Map(rules.map(rule => [rule, newestOf(state, rule, own, judging)]))
  return [...state.tags].sort(([a], [b]) => a < b ? -1 : 1).map(([tag, found]) => {
    const { current, modifiedAt } = found
    if (current === undefined || modifiedAt === undefined) return { tag, action: 'keep', reason: 'its link cannot be read' }
    const subject = subjects(tag)
    const verdict = subject === undefined ? judge(state, tag, { ...found, current, modifiedAt }, rules, newest, judging) : { action: 'keep', reason: `attached to ${subject}: it stays and goes with that` } as const
    return { tag, digest: current, ...verdict }
  })
}

function judge (state: RepositoryState, tag: Tag, found: Readable, rules: readonly Rule[], newest: ReadonlyMap<Rule, ReadonlySet<Tag>>, judging: Judging): Verdict {
  const protecting = judging.protectedBy(tag)
  if (protecting !== undefined) return { action: 'keep', rule: protecting, reason: 'protected (protection.rules)' }
  const applying = rules.filter(rule => rule.matchesTag(tag))
  for (const rule of applying) {
    const { name, keepNewest, keepTags = [] } = rule.settings
    if (rule.keepsTag(tag)) return { action: 'keep', rule: name, reason: `matches keepTags ${keepTags.join(', ')}` }
    if (newest.get(rule)?.has(tag) === true) return { action: 'keep', rule: name, reason: `among the newest ${keepNewest}` }
  }
  for (const { settings } of applying) {
    const reason = reasonToDelete(state, tag, found, settings, judging)
    if (reason !== undefined) return { action: 'delete', rule: settings.name, reason }
  }
  return { action: 'keep', reason: applying.length === 0 ? 'no rule is about it' : 'no rule lets it go yet' }
}

/** Why a rule lets a tag go; `undefined` when it does not. */
function reasonToDelete (state: RepositoryState, tag: Tag, found: Readable, { deleteOlderThanDays: older, deleteNotPulledForDays: unpulled }: Rule['settings'], judging: Judging): string | undefined {
  const reasons: string[] = []
  if (older !== undefined) {
    const age = judging.now - pushedAt(state, tag, found.modifiedAt, judging)
    if (age <= older * DAY_MS) return undefined
    reasons.push(`pushed ${daysText(age)} ago, more than ${older}`)
  }
  if (unpulled !== undefined) {
    const age = judging.now - usedAt(state, tag, found, judging)
    if (age <= unpulled * DAY_MS) return undefined
    reasons.push(`not pulled for ${daysText(age)}, more than ${unpulled}`)
  }
  return reasons.length === 0 ? undefined : reasons.join('; ')
}

/** Of the tags that a rule is about, those that were pushed, or put back, last: else what was put back would go with the next run. */
function newestOf (state: RepositoryState, { settings: { keepNewest = 0 }, matchesTag }: Rule, tags: ReadonlyArray<[Tag, Readable]>, moment: Moment): ReadonlySet<Tag> {
  if (keepNewest === 0) return new Set()
  const dated = tags.filter(([tag]) => matchesTag(tag)).map(([tag, { modifiedAt }]) => ({ tag, at: pushedAt(state, tag, modifiedAt, moment) }))
  const sorted = dated.sort((a, b) => b.at - a.at || (a.tag < b.tag ? 1 : -1))
  return new Set(sorted.slice(0, keepNewest).map(({ tag }) => tag))
}

/** Tags of signatures and the like, by the manifest of this repository that they are attached to: no rule judges them by themselves. */
export function subjectsOf (state: RepositoryState): (tag: Tag) => Digest | undefined {
  let byTag: ReadonlyMap<string, Digest> | undefined
  return tag => {
    if (!/^[a-z0-9]+-[0-9a-f]{64}/.test(tag)) return undefined
    byTag ??= new Map([...state.revisions.keys()].flatMap(digest => COSIGN_SUFFIXES.map(suffix => [referrersTag(digest) + suffix, digest] as const)))
    return byTag.get(tag)
  }
}
