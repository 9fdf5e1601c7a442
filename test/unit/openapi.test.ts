/** docs/openapi.yaml against the code: the same routes, and of each the answers that its handler gives, no more and no fewer. */
import { readFile } from 'node:fs/promises'
import type { FastifyInstance } from 'fastify'
import { pino } from 'pino'
import t from 'tap'
import { parse } from 'yaml'
import type { Verdict } from '../../src/access/access.js'
import { settingsSchema } from '../../src/config/schema.js'
import { EMPTY_RECEIPT } from '../../src/deletion/receipt.js'
import { CodedError, badGateway, jobNotKept, unavailable } from '../../src/errors.js'
import { installApi, type ApiParts } from '../../src/http/api.js'
import { handleDelete } from '../../src/http/delete.js'
import { installHealth } from '../../src/http/health.js'
import { installMetrics } from '../../src/http/metrics.js'
import { createServer } from '../../src/http/server.js'
import { pathOf } from '../../src/http/url.js'
import { newJob, type Job } from '../../src/jobs/job.js'
import { parseRepositoryName, parseTag } from '../../src/oci/name.js'
import { classify } from '../../src/oci/route.js'
import { HoldExceeded } from '../../src/traffic/admission.js'

interface Operation { readonly method: 'GET' | 'POST' | 'DELETE', readonly path: string, readonly statuses: readonly number[] }

const document = parse(await readFile(new URL('../../docs/openapi.yaml', import.meta.url), 'utf8')) as { paths: Record<string, Record<string, { responses: Record<string, object> }>> }
const operations: Operation[] = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, { responses }]) => ({ method: method.toUpperCase() as Operation['method'], path, statuses: Object.keys(responses).map(Number).sort() })))

const APP = parseRepositoryName('app')!
const SAMPLES: Readonly<Record<string, string>> = { name: 'team/app', reference: 'v1', tag: 'v1', digest: `sha256:${'0'.repeat(64)}`, id: 'some' }
const sample = (path: string): string => path.replace(/\{(\w+)\}/g, (_whole, name: string) => SAMPLES[name]!)

/** What stands in the way of a request, by what the parts say; nothing else is left out. */
interface World {
  readonly enter?: Verdict | Error
  readonly delete?: Verdict | Error
  readonly sees?: boolean
  readonly repositories?: Error
  readonly accepted?: object
  readonly admission?: Error
  readonly cancelled?: false
  readonly undo?: Error
  readonly problem?: string
  readonly query?: string
  readonly headers?: Record<string, string>
}

const refused = (status: number): Verdict => ({ outcome: 'refused', answer: { status, headers: {}, body: '{}' } })
const tooMany = new CodedError(429, 'TOOMANYREQUESTS', 'wait')

const WORLDS: Readonly<Record<string, World>> = {
  'nothing is in the way': {},
  'a dry run': { query: 'dry-run=true' },
  'a query that is not known': { query: 'wrong=1' },
  'a preference that is none': { headers: { prefer: 'wait=x' } },
  'strangers are not let in': { enter: refused(401), delete: refused(401) },
  'the registry does not let this one in': { enter: refused(403), delete: refused(403) },
  'too many wrong credentials': { enter: tooMany, delete: tooMany },
  'nobody can say who it is': { enter: unavailable('later') },
  'it may not delete there': { delete: refused(401), sees: false },
  'nobody may delete there': { delete: { outcome: 'unsupported', reason: 'read-only' } },
  'the registry cannot be reached': { delete: badGateway('gone') },
  'the registry does not say whether it may': { delete: unavailable('later') },
  'the storage has gone': { repositories: unavailable('gone') },
  'held for too long': { admission: new HoldExceeded('timeout') },
  'held for too long, and this client repeats 429': { admission: new HoldExceeded('timeout'), headers: { 'user-agent': 'skopeo' } },
  'it does not exist': { accepted: { outcome: 'unknown' }, sees: false },
  'it is protected': { accepted: { outcome: 'protected', by: { rule: 'rule', repository: APP, tag: undefined } } },
  'it is used': { accepted: { outcome: 'denied', by: SAMPLES.digest, tags: [] } },
  'the job is not queued, or has not ended': { cancelled: false, undo: new CodedError(409, 'JOB_NOT_ENDED', 'it runs') },
  'the job is not kept': { undo: jobNotKept('some', 'its time is up') },
  'something is wrong': { problem: 'the registry is away' }
}

const given = <T>(value: T | Error): T => {
  if (value instanceof Error) throw value
  return value
}

/** A route for names of any number of segments, and for what stands behind them. */
const documentedAs = (url: string): string[] => url.endsWith('/repositories/*') ? ['{name}', '{name}/tags', '{name}/shares'].map(rest => url.replace('*', rest)) : [url]

function build (world: World): { app: FastifyInstance, routes: string[] } {
  const routes: string[] = []
  const job: Job = { ...newJob('delete', { type: 'tag', repository: APP, tag: parseTag('v1')! }, []), id: 'some', state: 'done', phase: 'ended' }
  const allowed: Verdict = { outcome: 'allowed' }
  const accept = async () => world.accepted ?? { outcome: 'accepted', job }
  const sees = async (): Promise<boolean> => {
    if (world.delete instanceof Error) throw world.delete
    return world.sees ?? true
  }
  const access = { enter: async () => given(world.enter ?? allowed), delete: async () => given(world.delete ?? allowed), sees, seesAll: sees, isOpen: false }
  const catalog = {
    repositories: { isComplete: true, byName: () => [APP], bySize: async () => [APP], allowance: () => ({ left: 0 }), summary: async () => ({ name: APP }), shares: () => [] },
    tags: { list: async () => ({ names: [], summary: async () => ({}) }) },
    usage: { report: async () => ({}) },
    history: { samples: [] }
  }
  const deletes = {
    deleter: { repositories: async () => given(world.repositories ?? [APP]), accept, collect: async () => job, rehearse: async () => world.accepted ?? { outcome: 'rehearsed', receipt: EMPTY_RECEIPT } },
    store: { get: () => job, list: () => [job], watch: () => () => {} },
    decisions: { accepted: async () => {}, refused: async () => {}, cancelled: async () => {}, emptied: async () => {} },
    admission: { enter: async () => { given(world.admission); return () => {} } },
    access,
    dropPulls: () => {},
    closing: new AbortController().signal
  }
  const parts = {
    deletes,
    access,
    audit: { query: async () => ({ entries: [{ target: { type: 'everything' } }], skipped: 0 }) },
    trash: { jobs: () => [], repositories: () => [APP], empty: async () => ({ jobs: 0, bytesFreed: 0 }) },
    retention: { retainer: { repositories: async () => given(world.repositories ?? [APP]), rehearse: async () => ({ repositories: [], receipt: EMPTY_RECEIPT }), run: async () => job }, rules: [{}], schedule: undefined, next: () => undefined, pullsKnownSince: () => 0 },
    undoer: { undo: async () => { given(world.undo); return job } },
    cancel: async () => world.cancelled === false ? undefined : job,
    origins: [],
    asksForEach: false,
    catalog,
    document: () => document,
    status: () => ({})
  } as unknown as ApiParts
  const { connections, headerBytes, headSeconds, bodyIdleSeconds, bodyBytes } = Object.fromEntries(Object.entries(settingsSchema.properties.limits.properties).map(([key, { default: value }]) => [key, value])) as Record<string, number>
  const app = createServer({ connections, headerBytes, headSeconds, bodyIdleSeconds, bodyBytes, trustProxy: false, certificate: undefined } as never, pino({ level: 'silent' }))
  app.addHook('onRoute', ({ method, url }) => { routes.push(...documentedAs(url.replace(/:(\w+)/g, '{$1}')).map(path => `${String(method)} ${path}`)) })
  installHealth(app, async () => world.problem)
  installMetrics(app, { text: async () => '', contentType: 'text/plain', access: parts.access })
  installApi(app, parts)
  app.delete('/v2/*', async (request, reply) => { await handleDelete(request, reply, classify(pathOf(request.raw.url!)), parts.deletes) })
  return { app, routes }
}

t.test('the same routes', async t => {
  const { app, routes } = build({})
  await app.ready()
  const documented = operations.map(({ method, path }) => `${method} ${path}`)
  t.same(routes.filter(route => !route.includes('/v2/')).sort(), documented.filter(one => !one.includes('/v2/')).sort())
  const kinds = operations.filter(({ path }) => path.startsWith('/v2/')).map(({ path }) => classify(sample(path)).kind)
  t.same(kinds.sort(), ['blob', 'manifest', 'repository', 'tag', 'tags'], 'and all that targetOf knows')
})

t.test('the same answers', async t => {
  const seen = new Map(operations.map(operation => [operation, new Map<number, string>()]))
  for (const [title, world] of Object.entries(WORLDS)) {
    const { app } = build(world)
    for (const operation of operations) {
      const query = new URLSearchParams(world.query ?? '')
      if (operation.path.endsWith('/repositories') && operation.method === 'DELETE' && !query.has('wrong')) query.set('confirm', 'all')
      const { statusCode } = await app.inject({ method: operation.method, url: `${sample(operation.path)}${query.size > 0 ? `?${query}` : ''}`, headers: world.headers ?? {} })
      seen.get(operation)!.set(statusCode, title)
    }
    await app.close()
  }
  for (const [{ method, path, statuses }, found] of seen) {
    t.same([...found.keys()].sort(), statuses, `${method} ${path}: ${[...found].filter(([status]) => !statuses.includes(status)).map(([status, title]) => `${status}: ${title}`).join('; ')}`)
  }
})
