/** A job: one accepted deletion or collection, from its acceptance to its receipt. */
import { randomBytes } from 'node:crypto'
import type { Plan } from '../deletion/plan.js'
import { EMPTY_RECEIPT, type Receipt } from '../deletion/receipt.js'
import type { Target } from '../deletion/target.js'
import type { Digest } from '../oci/digest.js'
import type { RepositoryName, Tag } from '../oci/name.js'
import type { Restored } from '../trash/undo.js'

export type JobState = 'queued' | 'running' | 'done' | 'failed' | 'cancelled'

/**
 * Where a job is. `unlink` removes the links (before the 202); `waiting` waits for the next collection; then `scan`
 * (who uses what), `drain` (running pushes end), `collect` (unused blobs go), `restart` (the registry forgets them).
 */
export type JobPhase = 'unlink' | 'waiting' | 'scan' | 'drain' | 'collect' | 'restart' | 'ended'

export interface JobError {
  readonly message: string
  /** The end of what the registry's collector printed. */
  readonly output?: string
}

/** Who asked for a job, as far as it is known. */
export interface By {
  /** Where somebody has verified it. */
  readonly user?: string
  readonly address?: string
  /** `User-Agent`. */
  readonly agent?: string
}

/** Why a rule let a tag, or a manifest without a tag, go. */
export interface Decided {
  readonly repository: RepositoryName
  readonly tag?: Tag
  readonly digest?: Digest
  readonly rule?: string
  readonly reason: string
}

/** What the trash has of a job. */
export interface JobTrash {
  /** `kept`: it can be undone; `undone`: it was; `purged`: time or room was up, or somebody emptied the trash. */
  readonly state: 'kept' | 'undone' | 'purged'
  /** How long it is kept, ISO 8601. */
  readonly until: string
}

export interface Job {
  readonly id: string
  readonly kind: 'delete' | 'collection' | 'undo'
  readonly target: Target
  /** Nobody for what Delgate does by itself. */
  readonly by?: By
  /** The trace of the request that asked for it (W3C Trace Context), where requests are traced. Not shown. */
  readonly traceparent?: string
  readonly state: JobState
  readonly phase: JobPhase
  /** ISO 8601. */
  readonly createdAt: string
  readonly startedAt?: string
  readonly endedAt?: string
  readonly receipt: Receipt
  /** Where its kind of deletion is kept. */
  readonly trash?: JobTrash
  /** Id of the job that this one undoes. */
  readonly undoes?: string
  /** What that brought back. */
  readonly restored?: Restored
  readonly error?: JobError
  /** How often the collection was tried. */
  readonly attempts: number
  /** When a failed job is tried again, ISO 8601. */
  readonly nextAttemptAt?: string
  /** Whether the links that the plans name have been removed. */
  readonly unlinked: boolean
  /** A collection has done all but what running pushes relied on. */
  readonly leftovers: boolean
  /** Others have not been told of its end yet, or may not have been. Not shown. */
  readonly untold?: true
  /** Of a run of the retention rules: why what it planned to remove was to go. */
  readonly decided?: readonly Decided[]
  /** What was decided, one plan a repository: what an interrupted run is finished from. Not shown. */
  readonly plans: readonly Plan[]
}

/** A new job. Ids sort by the time of creation. */
export function newJob (kind: Job['kind'], target: Target, plans: readonly Plan[], by?: By, traceparent?: string): Job {
  const id = `${Date.now().toString(36).padStart(9, '0')}-${randomBytes(4).toString('hex')}`
  return { id, kind, target, ...(by === undefined ? {} : { by }), ...(traceparent === undefined ? {} : { traceparent }), state: 'running', phase: 'unlink', createdAt: new Date().toISOString(), receipt: EMPTY_RECEIPT, attempts: 0, unlinked: false, leftovers: false, plans }
}

/** Whether nothing more will happen to the job. A failed one that will be tried again has ended for those who wait. */
export const hasEnded = (job: Job): boolean => job.state === 'done' || job.state === 'failed' || job.state === 'cancelled'

/** Whether something is still owed: the journal keeps it until this is false. */
export const isOpen = (job: Job): boolean => job.state === 'queued' || job.state === 'running' || (job.state === 'failed' && job.nextAttemptAt !== undefined)

/** Until when what it unlinks goes into the trash, milliseconds since the epoch. */
export const keepUntilOf = ({ trash }: Job): number | undefined => trash?.state === 'kept' ? Date.parse(trash.until) : undefined

/** What clients see. */
export function publicJob (job: Job): Omit<Job, 'plans' | 'unlinked' | 'leftovers' | 'traceparent' | 'untold'> {
  const { plans: _, unlinked: __, leftovers: ___, traceparent: ____, untold: _____, ...shown } = job
  return shown
}

/** What of a job says neither who asked for it, nor what is stored. */
export function outlinedJob ({ id, kind, target, state, phase, createdAt, startedAt, endedAt, attempts, nextAttemptAt }: Job): Omit<ReturnType<typeof publicJob>, 'by'> & { readonly withheld: true } {
  const times = Object.fromEntries(Object.entries({ startedAt, endedAt, nextAttemptAt }).filter(([, time]) => time !== undefined))
  return { id, kind, target, state, phase, createdAt, ...times, attempts, receipt: EMPTY_RECEIPT, withheld: true }
}

/** Of each list in a receipt, a list of jobs shows so much. Count. */
const LISTED = 100

/** What a list of jobs shows of one: long lists in its receipt are cut off. The counts are whole, and so is the job by itself. */
export function listedJob (job: Job): ReturnType<typeof publicJob> & { readonly cut?: true } {
  const cut = <T>(list: readonly T[]): readonly T[] => list.length > LISTED ? list.slice(0, LISTED) : list
  const { receipt, restored, decided, ...rest } = publicJob(job)
  const lists = Object.fromEntries(Object.entries(receipt).map(([key, value]) => [key, Array.isArray(value) ? cut(value) : value])) as unknown as Receipt
  const isCut = [...Object.values(receipt), ...Object.values(restored ?? {}), decided].some(value => Array.isArray(value) && value.length > LISTED)
  return {
    ...rest,
    receipt: lists,
    ...(restored === undefined ? {} : { restored: { tags: cut(restored.tags), manifests: cut(restored.manifests), blobs: cut(restored.blobs) } }),
    ...(decided === undefined ? {} : { decided: cut(decided) }),
    ...(isCut ? { cut: true } : {})
  }
}

/** The repositories that a job is about: of those that could delete in all of them it is the business. */
export function repositoriesOf ({ target, plans, receipt, restored, decided = [] }: Job): RepositoryName[] {
  const named = 'repository' in target ? [target.repository] : []
  const names = new Set(named)
  for (const list of [plans, receipt.tags, receipt.manifests, receipt.layerLinks, restored?.tags ?? [], restored?.manifests ?? [], decided]) {
    for (const { repository } of list) names.add(repository)
  }
  return [...names]
}
