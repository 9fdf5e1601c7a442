/** What the rules of the configuration let go in a repository, as a plan, with the rule that decides each tag. Pure. */
import type { Plan, PlanOptions, Planned } from '../deletion/plan.js'
import { plan } from '../deletion/planner.js'
import { tagIndex } from '../deletion/reach.js'
import type { Digest } from '../oci/digest.js'
import type { RepositoryName, Tag } from '../oci/name.js'
import type { Protection } from '../protection/protection.js'
import type { LastPulls } from '../pull-times/pull-times.js'
import type { RepositoryState } from '../storage/state.js'
import { judgeTags, subjectsOf, type Judgement } from './judge.js'
import { compileRule, rulesFor, type Rule, type RuleSettings } from './rules.js'
import { judgeUntagged, type Untagged } from './untagged.js'

/** What is to happen in one repository. */
export interface RetentionPlan {
  /** `unknown`: nothing goes. It is never denied. */
  readonly planned: Planned
  /** Every tag. */
  readonly tags: readonly Judgement[]
  /** Manifests without a tag that go. */
  readonly untagged: readonly Untagged[]
}

export interface RetentionParts {
  readonly protection: Pick<Protection, 'deleting'>
  readonly pulls: LastPulls
}

export class Retention {
  readonly #rules: readonly Rule[]

  constructor (readonly rules: readonly RuleSettings[], private readonly parts: RetentionParts) {
    this.#rules = rules.map(compileRule)
  }

  /** What has no last pull counts from then, milliseconds since the epoch. */
  get pullsKnownSince (): number { return this.parts.pulls.since }

  /** Whether any rule is about a repository. */
  concerns (repository: RepositoryName): boolean { return rulesFor(this.#rules, repository).length > 0 }

  /**
   * Nothing of what is protected goes, whoever asks: neither a protected tag, nor what one is attached to.
   * @param now milliseconds since the epoch
   */
  plan (state: RepositoryState, options: PlanOptions, now = Date.now()): RetentionPlan {
    const { name: repository } = state
    const rules = rulesFor(this.#rules, repository)
    const moment = { now, pulls: this.parts.pulls }
    const isWhole = this.#protecting(repository, []) !== undefined
    let tags = judgeTags(state, rules, { ...moment, protectedBy: tag => this.#protecting(repository, [{ tag }])?.rule })
    const { gone, stay } = judgeUntagged(state, isWhole ? [] : rules, moment, options)
    const subjects = subjectsOf(state)
    let asked = options
    for (;;) {
      const chosen = new Set(tags.filter(isGone).map(({ tag }) => tag))
      const planned = plan(state, { type: 'retention', repository, tags: chosen, manifests: new Set(gone.map(({ digest }) => digest)), stay }, asked)
      if (planned.outcome !== 'planned') return { planned, tags, untagged: [] }
      // What is attached goes along, by its name.
      const along = planned.plan.tags.filter(({ tag }) => !chosen.has(tag))
      const names = along.flatMap(one => {
        const by = this.#protecting(repository, [one])
        return by?.tag === undefined ? [] : [{ rule: by.rule, tag: by.tag }]
      })
      if (along.some(({ tag }) => subjects(tag) === undefined)) {
        // Attached to what is not linked any more: such a tag was judged by itself.
        asked = { ...options, referrers: 'keep' }
      } else if (names.length > 0) {
        // A name that is protected keeps what it is attached to.
        const reaching = tagIndex(state, { about: new Set(names.map(({ tag }) => subjects(tag)!)) })
        const spared = new Map<Tag, Why>()
        for (const { rule, tag } of names) {
          const subject = subjects(tag)!
          stay.add(subject)
          for (const one of reaching(subject)) if (!spared.has(one)) spared.set(one, { rule, reason: `what is attached to it is protected: ${tag}` })
        }
        tags = spare(tags, spared)
      } else {
        const manifests = new Set(planned.plan.manifests)
        return { planned, tags: withAttached(tags, along, subjects), untagged: gone.filter(({ digest }) => manifests.has(digest)) }
      }
    }
  }

  #protecting (repository: RepositoryName, tags: Plan['tags']): ReturnType<Protection['deleting']> {
    return this.parts.protection.deleting({ repository, tags }, undefined)
  }
}

const isGone = ({ action }: Judgement): boolean => action === 'delete'

type Why = Pick<Judgement, 'rule' | 'reason'>

const spare = (tags: readonly Judgement[], spared: ReadonlyMap<Tag, Why>): Judgement[] =>
  tags.map(one => spared.has(one.tag) && isGone(one) ? { ...one, ...spared.get(one.tag)!, action: 'keep' } : one)

/** Tags that go along with what they are attached to. */
function withAttached (tags: readonly Judgement[], along: Plan['tags'], subjects: (tag: Tag) => Digest | undefined): Judgement[] {
  const names = new Set(along.map(({ tag }) => tag))
  return tags.map(one => names.has(one.tag) ? { ...one, action: 'delete', reason: `attached to ${subjects(one.tag)}, which goes` } : one)
}
