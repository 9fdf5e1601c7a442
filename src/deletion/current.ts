/**
 * Plans on what is known of a repository, and makes sure that what the plan is about is still so on the disk: somebody
 * may have pushed around the gate. See storage/states.ts.
 */
import type { RepositoryName, Tag } from '../oci/name.js'
import type { RepositoryState } from '../storage/state.js'
import type { Plan, Planned } from './plan.js'

/** What a plan is about, as far as it has to be looked at again. */
export type Subject = Pick<Plan, 'repository' | 'tags' | 'manifests' | 'history' | 'layers' | 'kept'>

/** Repositories as they are. */
export interface States {
  /** @param options.tag named in a request: it is read again whatever is known */
  repository (name: RepositoryName, options?: { readonly tag?: Tag | undefined }): Promise<RepositoryState>
  /** Whether what a plan is about is still as it was in the state that the plan was made from; if not, ask for the state anew. */
  isCurrent (state: RepositoryState, subject: Subject): Promise<boolean>
  /** Told before links are removed, and by a call of the result after, even if not all of them were. */
  removing (subject: Subject): Promise<() => Promise<void>>
  /** The next reading is a whole one. */
  forget (name: RepositoryName): void
}

/** Somebody who pushes the same again and again, around the gate, is not waited for. Times. */
const ATTEMPTS = 4

export interface Question<T> {
  readonly repository: RepositoryName
  readonly tag?: Tag | undefined
  /** A state to begin with, if there is one. */
  readonly state?: RepositoryState | undefined
  readonly decide: (state: RepositoryState) => T
  /** What was decided about; `undefined` for nothing. */
  readonly about: (decided: T) => Subject | undefined
}

/** Decides on the state of a repository, anew as long as what it was decided about has changed. */
export async function decideCurrently<T> (states: States, { repository, tag, state: first, decide, about }: Question<T>): Promise<T> {
  let state = first ?? await states.repository(repository, { tag })
  for (let attempt = 1; ; attempt++) {
    const decided = decide(state)
    const subject = about(decided)
    if (subject === undefined || attempt === ATTEMPTS || await states.isCurrent(state, subject)) return decided
    if (attempt === ATTEMPTS - 1) states.forget(repository)
    state = await states.repository(repository, { tag })
  }
}

/** What the planner's answer is about: the plan, or the manifest that stands in its way. */
export function subjectOf (repository: RepositoryName, planned: Planned): Subject | undefined {
  switch (planned.outcome) {
    case 'planned': return planned.plan
    case 'denied': return { repository, tags: [], manifests: [planned.by], history: [], layers: [], kept: [{ digest: planned.by, tags: planned.tags }] }
    case 'unknown': return undefined
  }
}
