/** The DELETE requests that Delgate answers itself: parse, ask the registry, delete, answer 202. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Access } from '../access/access.js'
import type { Receipt } from '../deletion/receipt.js'
import { CodedError, blobUnknown, denied, isProtected, manifestUnknown, nameUnknown } from '../errors.js'
import type { Deleter, NamedTarget } from '../jobs/deleter.js'
import { hasEnded, publicJob, type Job } from '../jobs/job.js'
import type { JobStore } from '../jobs/store.js'
import type { RepositoryName } from '../oci/name.js'
import type { Route } from '../oci/route.js'
import { HoldExceeded, type Admission, type Leave } from '../traffic/admission.js'
import { authorise, isTurnedAway } from './authorise.js'
import type { Decision, Decisions } from './decisions.js'
import { parseDeleteQuery, parseWait } from './prefer.js'
import { queryOf } from './url.js'

export interface DeleteParts {
  readonly deleter: Deleter
  readonly store: JobStore
  readonly access: Access
  readonly decisions: Decisions
  readonly admission: Admission
  /** A client deletes in a repository: the pulls that it began there do not stand in its way. */
  readonly dropPulls: (request: FastifyRequest, repository: RepositoryName) => void
  /** Aborts when the gate closes: nobody is kept waiting for a job then. */
  readonly closing: AbortSignal
}

/** Where a job can be looked at. */
export const jobLocation = (id: string): string => `/delgate/v1/jobs/${id}`

/** The deletion that a route asks for; `undefined` when the registry should answer. */
export function targetOf (route: Route, recursive: boolean): NamedTarget | undefined {
  switch (route.kind) {
    case 'manifest': return 'tag' in route.reference
      ? { type: 'tag', repository: route.repository, tag: route.reference.tag }
      : { type: 'manifest', repository: route.repository, digest: route.reference.digest }
    case 'tag': return { type: 'tag', repository: route.repository, tag: route.tag }
    case 'tags': return { type: 'tags', repository: route.repository }
    case 'blob': return { type: 'blob', repository: route.repository, digest: route.digest }
    case 'repository': return { type: 'repository', repository: route.repository, recursive }
    default: return undefined
  }
}

/**
 * Answers a DELETE under `/v2/`.
 * @returns false when it is none of Delgate's, and the registry should answer
 */
export async function handleDelete (request: FastifyRequest, reply: FastifyReply, route: Route, parts: DeleteParts): Promise<boolean> {
  if (route.kind === 'invalid') throw route.error
  if (targetOf(route, false) === undefined) return false
  const query = parseDeleteQuery(queryOf(request.raw.url!), route.kind === 'repository' ? ['dry-run', 'recursive'] : ['dry-run'])
  await deleteTarget(request, reply, targetOf(route, query.recursive)!, query.dryRun, parts)
  return true
}

/** Carries out one deletion for a caller, if the registry lets the caller delete everywhere that it touches. */
export async function deleteTarget (request: FastifyRequest, reply: FastifyReply, target: NamedTarget, dryRun: boolean, parts: DeleteParts): Promise<void> {
  const wait = parseWait(request.headers.prefer)
  const decision: Deciding = { action: 'delete', target }
  const noted = dryRun ? undefined : decision
  const job = await decide(request, reply, noted, parts, async () => {
    if (target.type === 'repository' && target.recursive && await isTurnedAway(request, reply, target.repository, parts, noted)) return undefined
    const repositories = await parts.deleter.repositories(target)
    const asker = await authorise(request, reply, repositories, parts, noted)
    if (asker === undefined) return undefined
    if (dryRun) return await sendRehearsal(reply, await parts.deleter.rehearse(target, asker), target)
    decision.user = asker.user
    for (const repository of repositories) parts.dropPulls(request, repository)
    const accepted = await parts.deleter.accept(target, repositories, asker)
    if (accepted.outcome !== 'accepted') throw refusal(accepted, target)
    return accepted.job
  })
  if (job === undefined) return
  await parts.decisions.accepted(request, decision, job)
  request.log.info({ jobId: job.id, target }, 'deletion accepted')
  await sendJob(reply, job, wait, parts)
}

/** A decision of which it is not known yet who the caller is. */
export type Deciding = { user?: string | undefined } & Decision

/**
 * Does something that changes what is stored: once writes are admitted, and when it fails, that is written down. A client that
 * goes away meanwhile gives up its place, and nothing is done for it.
 * @param decision what it is about; nothing is written down where it is left out
 */
export async function decide<T> (request: FastifyRequest, reply: Pick<FastifyReply, 'raw'>, decision: Decision | undefined, { admission, decisions }: Pick<DeleteParts, 'admission' | 'decisions'>, work: () => Promise<T>): Promise<T> {
  const leave = await admitted(admission, reply)
  try {
    return await work()
  } catch (error) {
    if (decision !== undefined) await decisions.refused(request, decision, error)
    throw error
  } finally {
    leave()
  }
}

/** @throws HoldExceeded also when the client has gone while it was held */
async function admitted (admission: Pick<Admission, 'enter' | 'abandon'>, { raw }: Pick<FastifyReply, 'raw'>): Promise<Leave> {
  const entered = admission.enter('write')
  if (!(entered instanceof Promise)) return entered
  const abandon = (): void => { admission.abandon(entered) }
  raw.once('close', abandon)
  try {
    const leave = await entered
    if (!raw.destroyed) return leave
    leave()
    throw new HoldExceeded('gone')
  } finally {
    raw.off('close', abandon)
  }
}

/** 202 with the job; after it has ended when the client wants to wait for that. */
export async function sendJob (reply: FastifyReply, job: Job, wait: number | undefined, parts: Pick<DeleteParts, 'store' | 'closing'>): Promise<void> {
  const current = wait === undefined ? job : await ended(job, wait, parts, reply)
  reply.code(202).header('location', jobLocation(job.id))
  if (wait !== undefined) reply.header('preference-applied', `wait=${wait}`)
  await reply.send(publicJob(current))
}

/** The job once it has ended, or as it is when the time is up or the client has gone. */
async function ended (job: Job, seconds: number, { store, closing }: Pick<DeleteParts, 'store' | 'closing'>, reply: FastifyReply): Promise<Job> {
  const latest = store.get(job.id) ?? job
  if (hasEnded(latest) || closing.aborted) return latest
  return await new Promise<Job>(resolve => {
    const finish = (): void => {
      clearTimeout(timer)
      stop()
      reply.raw.off('close', finish)
      closing.removeEventListener('abort', finish)
      resolve(store.get(job.id) ?? job)
    }
    const timer = setTimeout(finish, seconds * 1000)
    const stop = store.watch(job.id, changed => { if (hasEnded(changed)) finish() })
    reply.raw.once('close', finish)
    closing.addEventListener('abort', finish, { once: true })
  })
}

type Refused = Exclude<Awaited<ReturnType<Deleter['accept']>>, { outcome: 'accepted' }>

async function sendRehearsal (reply: FastifyReply, rehearsed: { outcome: 'rehearsed', receipt: Receipt } | Refused, target: NamedTarget): Promise<undefined> {
  if (rehearsed.outcome !== 'rehearsed') throw refusal(rehearsed, target)
  await reply.code(200).send({ dryRun: true, target, receipt: rehearsed.receipt })
}

function refusal (refused: Refused, target: NamedTarget): CodedError {
  if (refused.outcome === 'unknown') return unknown(target)
  if (refused.outcome === 'protected') return isProtected(refused.by.rule, refused.by.repository, refused.by.tag)
  if (refused.damage !== undefined) {
    return denied(`${refused.damage.path} cannot be read (${refused.damage.reason}) and may need this; delete or push that manifest again first`, { by: refused.by, tags: refused.tags })
  }
  const tags = refused.tags.length === 0 ? 'no tag points to it' : `its tags: ${refused.tags.join(', ')}`
  const what = target.type === 'blob' ? 'the blob is used by manifest' : 'the manifest is part of index'
  return denied(`${what} ${refused.by} (${tags}); delete that first`, { by: refused.by, tags: refused.tags })
}

function unknown (target: NamedTarget): CodedError {
  switch (target.type) {
    case 'tag': return manifestUnknown(target.repository, target.tag)
    case 'manifest': return manifestUnknown(target.repository, target.digest)
    case 'blob': return blobUnknown(target.repository, target.digest)
    case 'tags': case 'repository': return nameUnknown(target.repository)
    default: return nameUnknown('')
  }
}
