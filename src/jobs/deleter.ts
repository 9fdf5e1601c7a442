/**
 * Accepts deletions: plans, records, unlinks, and hands the rest to the runner. When `accept` has resolved with a job
 * the references are gone; blobs follow.
 */
import type { Receipt } from '../deletion/receipt.js'
import { EMPTY_RECEIPT, addToReceipt, keptInRepository } from '../deletion/receipt.js'
import { decideCurrently, subjectOf, type States } from '../deletion/current.js'
import { execute, pathsOf } from '../deletion/execute.js'
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
import type { Keeper } from '../trash/trash.js'
import type { CallerCredentials } from './credentials.js'
import { isOpen, keepUntilOf, newJob, type By, type Job } from './job.js'
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
  readonly trash: Keeper
  /** Until when the trash keeps what such a deletion removes, milliseconds since the epoch; `undefined`: not at all. */
  readonly keepUntil: (target: Target['type']) => number | undefined
  /** Whether there is anybody to be told when a job has ended. */
  readonly tells?: boolean
  readonly rehearse: (plans: readonly Plan[]) => Promise<Receipt>
  readonly log: { error (details: object, message: string): void }
}

/** What goes in a repository now that it is its turn; `undefined`: nothing any more. */
export interface Turn {
  readonly plan: Plan | undefined
  /** Whether nobody writes there. */
  readonly quiet: boolean
  end (): void
}

/** Takes the turn of a repository, and decides again what was planned for it. */
export type TakeTurn = (planned: Plan) => Promise<Turn>

/** What is known of a job before anything is removed. */
export interface NewDeletion {
  readonly target: Target
  readonly plans: readonly Plan[]
  /** When planning began, ISO 8601. Default: now. */
  readonly createdAt?: string
  readonly decided?: Job['decided']
}

/** Why nothing is deleted. */
export type Refusal =
  | Exclude<Planned, { outcome: 'planned' }>
  /** A rule of the configuration forbids it. */
  | { readonly outcome: 'protected', readonly by: Protected }
export type Accepted = { readonly outcome: 'accepted', readonly job: Job } | Refusal
export type Rehearsed = { readonly outcome: 'rehearsed', readonly receipt: Receipt } | Refusal

/** What a request names; what rules let go is planned by `retainer.ts`. */
export type NamedTarget = Exclude<Target, { type: 'retention' }>

/** Who asked for a deletion. */
export interface Asker {
  /** By which the registry is told to forget. */
  readonly authorization?: string | undefined
  /** As far as it was verified. */
  readonly user?: string | undefined
  /** For the record. */
  readonly by?: By | undefined
  /** The trace of the request. */
  readonly traceparent?: string | undefined
}

export class Deleter {
  constructor (private readonly parts: DeleterParts) {}

  /** The repositories that a deletion would touch: what its caller must be allowed to delete in. */
  async repositories (target: Target): Promise<RepositoryName[]> {
    await this.parts.anchor.check()
    if (target.type === 'everything' || target.type === 'untagged' || target.type === 'garbage' || target.type === 'retention') return await this.parts.reader.repositories()
    if (target.type !== 'repository' || !target.recursive) return [target.repository]
    const within = (await this.parts.reader.repositories()).filter(name => isWithin(name, target.repository))
    return within.length === 0 ? [target.repository] : within
  }

  /** What a deletion would do; nothing changes. */
  async rehearse (target: NamedTarget, asker: Asker = {}): Promise<Rehearsed> {
    const planned = await this.#planAll(target, await this.repositories(target), asker)
    if (planned.outcome !== 'planned') return planned
    return { outcome: 'rehearsed', receipt: await this.receiptOf(target, planned.plans) }
  }

  /** The receipt that plans would have; nothing changes. */
  async receiptOf (target: Target, plans: readonly Plan[]): Promise<Receipt> {
    const receipt = await this.parts.rehearse(plans)
    return this.parts.keepUntil(target.type) === undefined ? receipt : { ...receipt, bytesFreed: 0, bytesInTrash: receipt.bytesFreed }
  }

  /**
   * Carries out a deletion as far as its references go. It runs to its end whether or not the caller still listens.
   * @param repositories those that the caller was found to be allowed to delete in
   */
  async accept (target: NamedTarget, repositories: readonly RepositoryName[], asker: Asker = {}): Promise<Accepted> {
    // Asked before the turn: whoever deletes at the same time as another gets a job too, not an error.
    // What it finds damaged may be a link that is being written at this moment.
    const before = await this.#planAll(target, repositories, asker)
    if (before.outcome === 'unknown' || before.outcome === 'protected') return before
    const release = await this.#lock(repositories)
    try {
      const quiet = this.#quiet(repositories)
      const planned = await this.#planAll(target, repositories, asker)
      if (planned.outcome === 'denied' || planned.outcome === 'protected') return planned
      return { outcome: 'accepted', job: await this.carryOut({ target, plans: planned.outcome === 'planned' ? planned.plans : [] }, asker, mine(quiet)) }
    } finally {
      release()
    }
  }

  /** Queues a collection of everything that nothing uses; it finds out itself what that is. */
  async collect (target: Target, asker: Asker = {}): Promise<Job> {
    return await this.carryOut({ target, plans: [] }, asker, mine(new Set()))
  }

  /**
   * Records a deletion, and carries it out as far as its references go.
   * @param turn asked before each plan; what it says instead goes into the journal first
   */
  async carryOut ({ target, plans, createdAt, decided }: NewDeletion, { authorization, by, traceparent }: Asker, turn: TakeTurn): Promise<Job> {
    const keepUntil = this.parts.keepUntil(target.type)
    const job: Job = {
      ...newJob(target.type === 'garbage' || target.type === 'untagged' ? 'collection' : 'delete', target, plans, by, traceparent),
      ...(createdAt === undefined ? {} : { createdAt }),
      ...(decided === undefined ? {} : { decided }),
      ...(this.parts.tells === true ? { untold: true } : {}),
      ...(keepUntil === undefined ? {} : { trash: { state: 'kept', until: new Date(keepUntil).toISOString() } })
    }
    await this.parts.store.save(job).catch(error => {
      this.parts.log.error({ err: error, jobId: job.id }, 'a deletion could not be recorded')
      throw unavailable(`nothing was deleted, since the deletion could not be recorded (${(error as NodeJS.ErrnoException).code ?? 'unknown error'}): make room for, or mend, Delgate's state directory`)
    })
    this.parts.credentials.remember(job.id, authorization)
    try {
      return await this.#unlink(job, plans, turn)
    } catch (error) {
      throw await this.#interrupted(job, error as Error)
    }
  }

  /** Finishes what an earlier process began to unlink. Before the first request is served. */
  async recover (): Promise<number> {
    const jobs = this.parts.store.list().filter(({ kind }) => kind !== 'undo')
    const open = jobs.filter(isOpen).reverse()
    for (const job of jobs.filter(job => job.state !== 'done')) {
      const rest: Plan[] = []
      for (const earlier of job.plans) {
        const state = await this.parts.states.repository(earlier.repository)
        this.#bury(earlier, state)
        if (!job.unlinked) rest.push(planRest(state, earlier, Date.parse(job.createdAt), this.parts.planOptions(earlier.repository, job.target.type)))
      }
      if (job.unlinked || !isOpen(job)) continue
      await this.#resume(job, rest).catch(async error => { await this.#interrupted(job, error as Error) })
    }
    return open.length
  }

  /** Nobody is served yet. Of a link that was removed in the middle the directory is still there. */
  async #resume (job: Job, rest: readonly Plan[]): Promise<void> {
    await this.parts.writer.pruneUp(job.plans.flatMap(pathsOf))
    await this.#unlink(job, rest, mine(new Set(rest.map(plan => plan.repository))))
  }

  /** The registry may have outlived the earlier process, and with it what its cache says of content that is gone. */
  #bury ({ repository, layers, manifests }: Plan, state: RepositoryState): void {
    for (const digest of layers) if (!state.layers.has(digest)) this.parts.tombstones.buryLayer(repository, digest)
    for (const digest of manifests) if (!state.revisions.has(digest)) this.parts.tombstones.buryManifest(repository, digest)
  }

  async #planAll (target: NamedTarget, repositories: readonly RepositoryName[], { user }: Asker): Promise<{ outcome: 'planned', plans: Plan[] } | Refusal> {
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

  /** Unlinking stopped half-way (a full disk, missing rights): the job stays, and the next collection finishes it. */
  async #interrupted (job: Job, error: Error): Promise<Error> {
    this.parts.log.error({ err: error, jobId: job.id }, 'links could not be removed')
    // With the plans as they are by now.
    const failed: Job = { ...this.parts.store.get(job.id) ?? job, state: 'failed', phase: 'waiting', error: { message: publicReason(error) }, nextAttemptAt: new Date().toISOString() }
    await this.parts.store.keep(failed).catch(() => {})
    this.parts.runner.notify()
    return new CodedError(500, 'INTERNAL', 'the deletion was accepted, but links could not be removed; it will be tried again, and its job says why', { job: job.id })
  }

  async #unlink (accepted: Job, plans: readonly Plan[], turn: TakeTurn): Promise<Job> {
    const { store, runner } = this.parts
    let job = accepted
    let receipt = EMPTY_RECEIPT
    const carriedOut: Plan[] = []
    for (const planned of plans) {
      const { plan, quiet, end } = await turn(planned)
      try {
        if (plan !== planned) await store.save(job = { ...job, plans: job.plans.flatMap(one => one !== planned ? [one] : plan ?? []) })
        if (plan === undefined) continue
        carriedOut.push(plan)
        receipt = addToReceipt(receipt, await this.#execute(job, plan, quiet))
      } finally {
        end()
      }
    }
    const now = new Date().toISOString()
    const isOver = job.kind === 'delete' && !job.plans.some(leavesGarbage)
    const done = { ...job, unlinked: true }
    const next: Job = isOver
      ? { ...done, state: 'done', phase: 'ended', startedAt: now, endedAt: now, receipt: addToReceipt(receipt, { kept: keptInRepository(carriedOut) }) }
      : { ...done, state: 'queued', phase: 'waiting', receipt }
    await store.save(next)
    if (isOver) this.parts.credentials.forget(job.id)
    else runner.notify()
    return next
  }

  async #execute (job: Job, plan: Plan, quiet: boolean): Promise<Receipt> {
    const { states, tombstones, reads, writer, trash } = this.parts
    const taker = await trash.begin({ id: job.id, keepUntil: keepUntilOf(job) }, plan)
    return await execute(plan, writer, { states, tombstones, reads, quiet, taker })
  }
}

/** Of whoever has the turns already, or needs none: what was planned goes. */
const mine = (quiet: ReadonlySet<RepositoryName>): TakeTurn => async plan => ({ plan, quiet: quiet.has(plan.repository), end () {} })

function within (target: NamedTarget, repository: RepositoryName): RepositoryTarget {
  switch (target.type) {
    case 'everything': return { type: 'repository', repository }
    case 'repository': case 'untagged': case 'garbage': return { type: target.type, repository }
    default: return target
  }
}
