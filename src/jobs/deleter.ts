/**
 * Accepts deletions: plans, records, unlinks, and hands the rest to the runner. When `accept` has resolved with a job
 * the references are gone; blobs follow.
 */
import type { Receipt } from '../deletion/receipt.js'
import { EMPTY_RECEIPT, addToReceipt, keptInRepository } from '../deletion/receipt.js'
import { decideCurrently, subjectOf, type States } from '../deletion/current.js'
import { execute } from '../deletion/execute.js'
import { leavesGarbage, type Plan, type PlanOptions, type Planned } from '../deletion/plan.js'
import { plan } from '../deletion/planner.js'
import { planRest } from '../deletion/resume.js'
import type { RepositoryTarget, Target } from '../deletion/target.js'
import { CodedError, publicReason, unavailable } from '../errors.js'
import { isWithin, type RepositoryName } from '../oci/name.js'
import type { Protected, Protection } from '../protection/protection.js'
import type { Anchor } from '../storage/anchor.js'
import type { TreeReader } from '../storage/read.js'
import type { RepositoryState } from '../storage/state.js'
import type { TreeWriter } from '../storage/write.js'
import type { RepositoryLocks } from '../traffic/locks.js'
import type { Reads } from '../traffic/reads.js'
import type { Sessions } from '../traffic/sessions.js'
import type { Tombstones } from '../traffic/tombstones.js'
import type { CallerCredentials } from './credentials.js'
import { isOpen, newJob, type By, type Job } from './job.js'
import type { JobRunner } from './runner.js'
import type { JobStore } from './store.js'

export interface DeleterParts {
  readonly reader: Pick<TreeReader, 'repositories'>
  readonly states: States
  readonly writer: TreeWriter
  readonly locks: RepositoryLocks
  readonly sessions: Sessions
  readonly tombstones: Tombstones
  readonly reads: Reads
  readonly store: JobStore
  readonly runner: JobRunner
  readonly planOptions: (repository: RepositoryName, target: Target['type']) => PlanOptions
  readonly credentials: CallerCredentials
  /** Whether the registry's tree is what it was. */
  readonly anchor: Pick<Anchor, 'check'>
  /** What may not be deleted. */
  readonly protection: Pick<Protection, 'deleting'>
  readonly rehearse: (plans: readonly Plan[]) => Promise<Receipt>
  readonly log: { error (details: object, message: string): void }
}

/** Why nothing is deleted. */
export type Refusal =
  | Exclude<Planned, { outcome: 'planned' }>
  /** A rule of the configuration forbids it. */
  | { readonly outcome: 'protected', readonly by: Protected }
export type Accepted = { readonly outcome: 'accepted', readonly job: Job } | Refusal
export type Rehearsed = { readonly outcome: 'rehearsed', readonly receipt: Receipt } | Refusal

/** Who asked for a deletion. */
export interface Asker {
  /** By which the registry is told to forget. */
  readonly authorization?: string | undefined
  /** As far as it was verified. */
  readonly user?: string | undefined
  /** For the record. */
  readonly by?: By | undefined
}

export class Deleter {
  constructor (private readonly parts: DeleterParts) {}

  /** The repositories that a deletion would touch: what its caller must be allowed to delete in. */
  async repositories (target: Target): Promise<RepositoryName[]> {
    await this.parts.anchor.check()
    if (target.type === 'everything' || target.type === 'untagged' || target.type === 'garbage') return await this.parts.reader.repositories()
    if (target.type !== 'repository' || !target.recursive) return [target.repository]
    const within = (await this.parts.reader.repositories()).filter(name => isWithin(name, target.repository))
    return within.length === 0 ? [target.repository] : within
  }

  /** What a deletion would do; nothing changes. */
  async rehearse (target: Target, asker: Asker = {}): Promise<Rehearsed> {
    const planned = await this.#planAll(target, await this.repositories(target), asker)
    return planned.outcome === 'planned' ? { outcome: 'rehearsed', receipt: await this.parts.rehearse(planned.plans) } : planned
  }

  /**
   * Carries out a deletion as far as its references go. It runs to its end whether or not the caller still listens.
   * @param repositories those that the caller was found to be allowed to delete in
   */
  async accept (target: Target, repositories: readonly RepositoryName[], asker: Asker = {}): Promise<Accepted> {
    // Asked before the turn: whoever deletes at the same time as another gets a job too, not an error.
    // What it finds damaged may be a link that is being written at this moment.
    const before = await this.#planAll(target, repositories, asker)
    if (before.outcome === 'unknown' || before.outcome === 'protected') return before
    const release = await this.#lock(repositories)
    try {
      const quiet = this.#quiet(repositories)
      const planned = await this.#planAll(target, repositories, asker)
      if (planned.outcome === 'denied' || planned.outcome === 'protected') return planned
      return { outcome: 'accepted', job: await this.#carryOut(target, planned.outcome === 'planned' ? planned.plans : [], quiet, asker) }
    } finally {
      release()
    }
  }

  /** Queues a collection of everything that nothing uses; it finds out itself what that is. */
  async collect (target: Target, asker: Asker = {}): Promise<Job> {
    return await this.#carryOut(target, [], new Set(), asker)
  }

  /** Finishes what an earlier process began to unlink. Before the first request is served. */
  async recover (): Promise<number> {
    const open = this.parts.store.list().filter(isOpen).reverse()
    for (const job of this.parts.store.list().filter(job => job.state !== 'done')) {
      const rest: Plan[] = []
      for (const earlier of job.plans) {
        const state = await this.parts.states.repository(earlier.repository)
        this.#bury(earlier, state)
        if (!job.unlinked) rest.push(planRest(state, earlier, Date.parse(job.createdAt), this.parts.planOptions(earlier.repository, job.target.type)))
      }
      if (job.unlinked || !isOpen(job)) continue
      // Nobody is served yet.
      await this.#unlink(job, rest, new Set(rest.map(plan => plan.repository))).catch(async error => { await this.#interrupted(job, error as Error) })
    }
    return open.length
  }

  /** The registry may have outlived the earlier process, and with it what its cache says of content that is gone. */
  #bury ({ repository, layers, manifests }: Plan, state: RepositoryState): void {
    for (const digest of layers) if (!state.layers.has(digest)) this.parts.tombstones.buryLayer(repository, digest)
    for (const digest of manifests) if (!state.revisions.has(digest)) this.parts.tombstones.buryManifest(repository, digest)
  }

  async #planAll (target: Target, repositories: readonly RepositoryName[], { user }: Asker): Promise<{ outcome: 'planned', plans: Plan[] } | Refusal> {
    const plans: Plan[] = []
    for (const repository of repositories) {
      const planned = await decideCurrently(this.parts.states, {
        repository,
        tag: target.type === 'tag' ? target.tag : undefined,
        decide: state => plan(state, within(target, repository), this.parts.planOptions(repository, target.type)),
        about: planned => subjectOf(repository, planned)
      })
      if (planned.outcome === 'denied') return planned
      if (planned.outcome !== 'planned') continue
      const by = this.parts.protection.deleting(planned.plan, user)
      if (by !== undefined) return { outcome: 'protected', by }
      plans.push(planned.plan)
    }
    return plans.length === 0 ? { outcome: 'unknown' } : { outcome: 'planned', plans }
  }

  /** In order of name, so that two deletions of several repositories cannot wait for each other. */
  async #lock (repositories: readonly RepositoryName[]): Promise<() => void> {
    const releases: Array<() => void> = []
    for (const repository of [...repositories].sort()) releases.push(await this.parts.locks.exclusive(repository))
    return () => { releases.forEach(release => { release() }) }
  }

  /**
   * The repositories in which nobody writes. Asked with the turn taken, before anything is planned: what is quiet then
   * stays so, since pushes wait for the turn to end; what was not may have made something that the plan does not see.
   */
  #quiet (repositories: readonly RepositoryName[]): ReadonlySet<RepositoryName> {
    return new Set(repositories.filter(name => this.parts.sessions.inFlight(name) === 0))
  }

  async #carryOut (target: Target, plans: readonly Plan[], quiet: ReadonlySet<RepositoryName>, { authorization, by }: Asker): Promise<Job> {
    const job = newJob(target.type === 'garbage' || target.type === 'untagged' ? 'collection' : 'delete', target, plans, by)
    await this.parts.store.save(job).catch(error => {
      this.parts.log.error({ err: error, jobId: job.id }, 'a deletion could not be recorded')
      throw unavailable(`nothing was deleted, since the deletion could not be recorded (${(error as NodeJS.ErrnoException).code ?? 'unknown error'}): make room for, or mend, Delgate's state directory`)
    })
    this.parts.credentials.remember(job.id, authorization)
    try {
      return await this.#unlink(job, plans, quiet)
    } catch (error) {
      throw await this.#interrupted(job, error as Error)
    }
  }

  /** Unlinking stopped half-way (a full disk, missing rights): the job stays, and the next collection finishes it. */
  async #interrupted (job: Job, error: Error): Promise<Error> {
    this.parts.log.error({ err: error, jobId: job.id }, 'links could not be removed')
    const failed: Job = { ...job, state: 'failed', phase: 'waiting', error: { message: publicReason(error) }, nextAttemptAt: new Date().toISOString() }
    await this.parts.store.keep(failed).catch(() => {})
    this.parts.runner.notify()
    return new CodedError(500, 'INTERNAL', 'the deletion was accepted, but links could not be removed; it will be tried again, and its job says why', { job: job.id })
  }

  async #unlink (job: Job, plans: readonly Plan[], quiet: ReadonlySet<RepositoryName>): Promise<Job> {
    const { store, runner, states, tombstones, reads, writer } = this.parts
    let receipt = EMPTY_RECEIPT
    for (const plan of plans) {
      const removed = await execute(plan, writer, { states, tombstones, reads, quiet: quiet.has(plan.repository) })
      receipt = addToReceipt(receipt, removed)
    }
    const now = new Date().toISOString()
    const isOver = job.kind === 'delete' && !job.plans.some(leavesGarbage)
    const done = { ...job, unlinked: true }
    const next: Job = isOver
      ? { ...done, state: 'done', phase: 'ended', startedAt: now, endedAt: now, receipt: addToReceipt(receipt, { kept: keptInRepository(plans) }) }
      : { ...done, state: 'queued', phase: 'waiting', receipt }
    await store.save(next)
    if (isOver) this.parts.credentials.forget(job.id)
    else runner.notify()
    return next
  }
}

function within (target: Target, repository: RepositoryName): RepositoryTarget {
  switch (target.type) {
    case 'everything': return { type: 'repository', repository }
    case 'repository': case 'untagged': case 'garbage': return { type: target.type, repository }
    default: return target
  }
}
