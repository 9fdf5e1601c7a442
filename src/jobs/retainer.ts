/**
 * Runs of the retention rules: a plan first, over all repositories that the rules are about, and then a deletion that each
 * repository takes its turn for by itself. In its turn everything is decided again, and only what the plan named goes:
 *
 *     run     plans: v1 goes; writes its journal
 *     client  pushes v1 again, or pulls it
 *     run     takes the turn of the repository: v1 stays
 */
import { decideCurrently, subjectOf, type States } from '../deletion/current.js'
import type { Plan, PlanOptions } from '../deletion/plan.js'
import type { Receipt } from '../deletion/receipt.js'
import { planRest } from '../deletion/resume.js'
import type { Target } from '../deletion/target.js'
import type { RepositoryName } from '../oci/name.js'
import type { Retention, RetentionPlan } from '../retention/retention.js'
import type { RepositoryState } from '../storage/state.js'
import type { RepositoryLocks } from '../traffic/locks.js'
import type { Sessions } from '../traffic/sessions.js'
import type { Asker, Deleter, Turn } from './deleter.js'
import type { Decided, Job } from './job.js'

export interface RetainerParts {
  readonly retention: Pick<Retention, 'concerns' | 'plan'>
  readonly deleter: Pick<Deleter, 'repositories' | 'receiptOf' | 'carryOut'>
  readonly states: States
  readonly locks: Pick<RepositoryLocks, 'exclusive'>
  readonly sessions: Pick<Sessions, 'inFlight'>
  readonly planOptions: (repository: RepositoryName, target: Target['type']) => PlanOptions
}

/** What a run would do. */
export interface RetentionRehearsal {
  readonly repositories: ReadonlyArray<{ readonly repository: RepositoryName } & Pick<RetentionPlan, 'tags' | 'untagged'>>
  readonly receipt: Receipt
}

const TARGET = { type: 'retention' } as const

interface PlannedIn extends RetentionPlan { readonly repository: RepositoryName }

export class Retainer {
  constructor (private readonly parts: RetainerParts) {}

  /** The repositories that any rule is about: whoever asks for a run must be allowed to delete in them. */
  async repositories (): Promise<RepositoryName[]> {
    return (await this.parts.deleter.repositories(TARGET)).filter(repository => this.parts.retention.concerns(repository))
  }

  /** What a run would do; nothing changes. */
  async rehearse (repositories: readonly RepositoryName[]): Promise<RetentionRehearsal> {
    const plans: Plan[] = []
    const shown: Array<RetentionRehearsal['repositories'][number]> = []
    for await (const { repository, planned, tags, untagged } of this.#planAll(repositories)) {
      if (planned.outcome === 'planned') plans.push(planned.plan)
      shown.push({ repository, tags, untagged })
    }
    return { repositories: shown, receipt: await this.parts.deleter.receiptOf(TARGET, plans) }
  }

  /**
   * Carries the rules out, as far as references go.
   * @param repositories those that the caller was found to be allowed to delete in
   */
  async run (repositories: readonly RepositoryName[], asker: Asker = {}): Promise<Job> {
    // What is pushed from here on is newer than the job.
    const since = Date.now()
    const plans: Plan[] = []
    const decided: Decided[] = []
    for await (const one of this.#planAll(repositories)) {
      if (one.planned.outcome !== 'planned') continue
      plans.push(one.planned.plan)
      for (const why of decidedIn(one)) decided.push(why)
    }
    return await this.parts.deleter.carryOut({ target: TARGET, plans, createdAt: new Date(since).toISOString(), decided }, asker, async plan => await this.#takeTurn(plan, since))
  }

  /** One repository after the other: what is not needed any more is let go of. */
  async * #planAll (repositories: readonly RepositoryName[]): AsyncGenerator<PlannedIn> {
    for (const repository of repositories) {
      const plan = await decideCurrently(this.parts.states, {
        repository,
        decide: state => this.#plan(state),
        about: ({ planned }) => subjectOf(repository, planned)
      })
      yield { repository, ...plan }
    }
  }

  #plan (state: RepositoryState): RetentionPlan {
    return this.parts.retention.plan(state, this.parts.planOptions(state.name, TARGET.type))
  }

  async #takeTurn (planned: Plan, since: number): Promise<Turn> {
    const { states, locks, sessions } = this.parts
    const { repository } = planned
    const end = await locks.exclusive(repository)
    try {
      // Asked before anything is decided: what was not quiet then may have made something that the plan does not see.
      const quiet = sessions.inFlight(repository) === 0
      const plan = await decideCurrently(states, { repository, decide: state => this.#again(state, planned, since), about: plan => plan })
      return { plan: plan !== undefined && isSame(plan, planned) ? planned : plan, quiet, end }
    } catch (error) {
      end()
      throw error
    }
  }

  /** What the rules still let go, of what was planned. */
  #again (state: RepositoryState, planned: Plan, since: number): Plan | undefined {
    const now = this.#plan(state).planned
    if (now.outcome !== 'planned') return undefined
    const gone = { tags: new Map(now.plan.tags.map(({ tag, digest }) => [tag, { digest }])), manifests: new Set(now.plan.manifests) }
    const tags = planned.tags.filter(({ tag, digest }) => gone.tags.has(tag) && gone.tags.get(tag)!.digest === digest)
    const manifests = planned.manifests.filter(digest => gone.manifests.has(digest))
    if (tags.length === now.plan.tags.length && manifests.length === now.plan.manifests.length) return now.plan
    if (tags.length + manifests.length === 0) return undefined
    return planRest(state, { ...planned, tags, manifests }, since, this.parts.planOptions(state.name, TARGET.type))
  }
}

function decidedIn ({ repository, tags, untagged }: PlannedIn): Decided[] {
  const gone = tags.filter(({ action }) => action === 'delete').map(({ action: _, ...one }) => one)
  return [...gone, ...untagged].map(one => ({ repository, ...one }))
}

/** Both are plain data, made by the same hand. */
const isSame = (a: Plan, b: Plan): boolean => JSON.stringify(a) === JSON.stringify(b)
