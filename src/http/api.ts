/** Delgate's own interface under `/delgate/v1/`, outside the registry's namespace. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Access } from '../access/access.js'
import type { AuditEntry } from '../audit/entry.js'
import type { AuditLog } from '../audit/log.js'
import { parseAuditQuery } from '../audit/query.js'
import { crossSite, jobNotQueued, jobUnknown, requestInvalid } from '../errors.js'
import { hasEnded, listedJob, outlinedJob, publicJob, repositoriesOf, type Job, type JobState } from '../jobs/job.js'
import type { Undoer } from '../jobs/undoer.js'
import type { Trash } from '../trash/trash.js'
import { authorise, passBack } from './authorise.js'
import { callerOf } from './caller.js'
import { installCatalog, type CatalogRoutes } from './catalog.js'
import { isCrossSite } from './cross-site.js'
import { decide, deleteTarget, sendJob, type Deciding, type DeleteParts } from './delete.js'
import { ASKED_MAXIMUM, Onlooker } from './onlooker.js'
import { parseDeleteQuery, parseWait } from './prefer.js'
import { installRetention, type RetentionApi } from './retention.js'
import { queryOf } from './url.js'

export interface ApiParts {
  readonly deletes: DeleteParts
  readonly access: Access
  readonly catalog: CatalogRoutes['catalog']
  readonly audit: Pick<AuditLog, 'query'>
  readonly trash: Pick<Trash, 'jobs' | 'repositories' | 'empty'>
  readonly undoer: Pick<Undoer, 'undo'>
  readonly retention: RetentionApi
  /** Whether the registry says of each repository by itself who may delete there, as with tokens: a list asks about a bounded number then. */
  readonly asksForEach: boolean
  /** Cancels a job that is queued; `undefined` when it is not. */
  readonly cancel: (id: string) => Promise<Job | undefined>
  /** From which a browser may change something: see `isCrossSite`. */
  readonly origins: readonly string[]
  /** What `GET status` shows. */
  readonly status: () => object
  /** The OpenAPI document of all this. */
  readonly document: () => object
}

/** How much of a job is shown. */
type JobView = (job: Job) => object

const STATES: readonly JobState[] = ['queued', 'running', 'done', 'failed', 'cancelled']
const LIMIT_DEFAULT = 100
const LIMIT_MAXIMUM = 1000

/** Installs the interface. All of it asks first whether the caller is let in. */
export function installApi (app: FastifyInstance, parts: ApiParts): void {
  void app.register(async api => {
    api.addHook('onRequest', async (request, reply) => {
      if (request.method !== 'GET' && isCrossSite(request.headers, parts.origins)) throw crossSite()
      const verdict = await parts.access.enter(callerOf(request))
      if (verdict.outcome === 'refused') await passBack(reply, verdict.answer)
    })
    installJobs(api, parts)
    installCollections(api, parts)
    api.get('/status', async () => parts.status())
    api.get('/openapi.json', async () => parts.document())
    installCatalog(api, parts)
    installAudit(api, parts)
    installTrash(api, parts)
    installRetention(api, parts)
    api.delete('/repositories', async (request, reply) => {
      const { confirm, dryRun } = parseDeleteQuery(queryOf(request.raw.url!), ['confirm', 'dry-run'])
      if (confirm !== 'all') throw requestInvalid('this deletes every repository; add ?confirm=all')
      await deleteTarget(request, reply, { type: 'everything' }, dryRun, parts.deletes)
    })
  }, { prefix: '/delgate/v1' })
}

function installJobs (api: FastifyInstance, { deletes, access, undoer, trash, cancel, asksForEach }: ApiParts): void {
  const { store, closing, decisions, deleter } = deletes
  /** What somebody may not see is not told apart from what does not exist. */
  const find = async (request: FastifyRequest): Promise<{ job: Job, view: JobView }> => {
    const { id } = request.params as { id: string }
    const job = store.get(id)
    const seen = job === undefined ? 'nothing' : await new Onlooker(callerOf(request), { access, deleter }).seesOf(job)
    if (job === undefined || seen === 'nothing') throw jobUnknown(id.slice(0, 64))
    return { job, view: seen === 'all' ? publicJob : outlinedJob }
  }
  api.get('/jobs', async request => {
    const { state, limit } = jobFilter(queryOf(request.raw.url!))
    const onlooker = new Onlooker(callerOf(request), { access, deleter }, asksForEach ? ASKED_MAXIMUM : Infinity)
    const jobs: object[] = []
    let total = 0
    for (const job of store.list()) {
      const seen = state === undefined || job.state === state ? await onlooker.seesOf(job) : 'nothing'
      if (seen !== 'nothing' && ++total <= limit) jobs.push(seen === 'all' ? listedJob(job) : outlinedJob(job))
    }
    return { jobs, total }
  })
  api.get('/jobs/:id', async request => {
    const { job, view } = await find(request)
    return view(job)
  })
  api.get('/jobs/:id/events', async (request, reply) => {
    const { job, view } = await find(request)
    streamEvents(store.get(job.id) ?? job, { reply, view, closing, watch: listener => store.watch(job.id, listener) })
  })
  api.post('/jobs/:id/cancel', async (request, reply) => {
    const { job } = await find(request)
    // A collection that waits names no repository yet, and is about all of them.
    const all = job.target.type === 'garbage' || job.target.type === 'untagged' ? await deleter.repositories(job.target) : []
    const asker = await authorise(request, reply, [...new Set([...repositoriesOf(job), ...all])], deletes, { action: 'cancel', target: job.target })
    if (asker === undefined) return
    const cancelled = await cancel(job.id)
    if (cancelled === undefined) throw jobNotQueued(job.id, (store.get(job.id) ?? job).state)
    await decisions.cancelled(request, cancelled, asker.user)
    await reply.send(publicJob(cancelled))
  })
  api.post('/jobs/:id/undo', async (request, reply) => {
    const { job } = await find(request)
    const decision: Deciding = { action: 'undo', target: job.target }
    // What is kept of a job that was interrupted may not be in its receipt.
    const repositories = new Set([...repositoriesOf(job), ...trash.repositories([job.id])])
    const asker = await authorise(request, reply, [...repositories], deletes, decision)
    if (asker === undefined) return
    decision.user = asker.user
    const undoing = await decide(request, reply, decision, deletes, async () => await undoer.undo(job.id, asker))
    await decisions.accepted(request, decision, undoing)
    await sendJob(reply, undoing, undefined, deletes)
  })
}

/** Whoever empties the trash must be allowed to delete wherever something is kept of. */
function installTrash (api: FastifyInstance, { deletes, trash }: ApiParts): void {
  api.post('/trash/empty', async (request, reply) => {
    // What comes into it meanwhile stays: nobody has asked whether its repositories may be deleted in.
    const jobs = trash.jobs()
    const asker = await authorise(request, reply, trash.repositories(jobs), deletes, { action: 'empty-trash', target: { type: 'trash' } })
    if (asker === undefined) return
    const emptied = await trash.empty(jobs)
    await deletes.decisions.emptied(request, emptied.bytesFreed, asker.user)
    await reply.send(emptied)
  })
}

function installCollections (api: FastifyInstance, { deletes }: ApiParts): void {
  const body = { type: 'object', additionalProperties: false, properties: { untagged: { type: 'boolean' } } }
  api.post<{ Body: { untagged?: boolean } | undefined }>('/collections', { schema: { body: { anyOf: [body, { type: 'null' }] } } }, async (request, reply) => {
    const wait = parseWait(request.headers.prefer)
    const target = { type: request.body?.untagged === true ? 'untagged' : 'garbage' } as const
    const decision: Deciding = { action: 'collect', target }
    const job = await decide(request, reply, decision, deletes, async () => {
      // Both remove links that a repository still has, so both need the right to delete there.
      const repositories = await deletes.deleter.repositories(target)
      const asker = await authorise(request, reply, repositories, deletes, decision)
      if (asker === undefined) return undefined
      decision.user = asker.user
      return await deletes.deleter.collect(target, asker)
    })
    if (job === undefined) return
    await deletes.decisions.accepted(request, decision, job)
    await sendJob(reply, job, wait, deletes)
  })
}

/** A caller sees what is about repositories in which it could delete; what is about all of them, if it could in all. */
function installAudit (api: FastifyInstance, { audit, access, deletes }: ApiParts): void {
  api.get('/audit', async request => {
    const { entries, ...rest } = await audit.query(parseAuditQuery(queryOf(request.raw.url!)))
    const onlooker = new Onlooker(callerOf(request), { access, deleter: deletes.deleter })
    const shown: AuditEntry[] = []
    for (const entry of entries) {
      if ('repository' in entry.target ? await onlooker.sees([entry.target.repository]) : await onlooker.seesAll()) shown.push(entry)
    }
    return { entries: shown, ...rest }
  })
}

/** Server-sent events: the job now, and after every change, until it has ended for good. */
function streamEvents (job: Job, { reply, view, closing, watch }: { readonly reply: FastifyReply, readonly view: JobView, readonly closing: AbortSignal, readonly watch: (listener: (job: Job) => void) => () => void }): void {
  reply.hijack()
  const { raw } = reply
  raw.writeHead(200, { ...reply.getHeaders() as Record<string, string>, 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  const write = (changed: Job): void => {
    if (raw.writableEnded) return
    raw.write(`event: job\ndata: ${JSON.stringify(view(changed))}\n\n`)
    if (hasEnded(changed) && changed.nextAttemptAt === undefined) raw.end()
  }
  const stop = watch(write)
  const end = (): void => { raw.end() }
  // It may have gone while it was being found out whether it may look.
  if (raw.destroyed) return stop()
  closing.addEventListener('abort', end, { once: true })
  raw.once('close', () => { stop(); closing.removeEventListener('abort', end) })
  write(job)
}

function jobFilter (query: string): { state: JobState | undefined, limit: number } {
  const parameters = new URLSearchParams(query)
  for (const key of parameters.keys()) {
    if (key !== 'state' && key !== 'limit') throw requestInvalid('unknown query parameter; known here: state, limit')
  }
  const state = parameters.get('state') ?? undefined
  if (state !== undefined && !(STATES as readonly string[]).includes(state)) throw requestInvalid(`state must be one of ${STATES.join(', ')}`)
  const limit = parameters.get('limit') ?? String(LIMIT_DEFAULT)
  if (!/^[1-9]\d{0,3}$/.test(limit) || Number(limit) > LIMIT_MAXIMUM) throw requestInvalid(`limit must be a number from 1 to ${LIMIT_MAXIMUM}`)
  return { state: state as JobState | undefined, limit: Number(limit) }
}
