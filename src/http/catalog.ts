/** Repositories and tags with what they take, and what the disk is used for: for whoever could delete there. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Access } from '../access/access.js'
import type { History } from '../catalog/history.js'
import type { Repositories, RepositorySummary } from '../catalog/repositories.js'
import type { Tags } from '../catalog/tags.js'
import type { Usage } from '../catalog/usage.js'
import { CodedError, nameInvalid, nameUnknown } from '../errors.js'
import { parseRepositoryName, type RepositoryName } from '../oci/name.js'
import { callerOf } from './caller.js'
import { ASKED_MAXIMUM } from './onlooker.js'
import { after, parsePage, type PageQuery } from './pages.js'
import { queryOf } from './url.js'

export interface CatalogRoutes {
  readonly access: Pick<Access, 'sees' | 'seesAll'>
  readonly catalog: {
    readonly repositories: Pick<Repositories, 'isComplete' | 'byName' | 'bySize' | 'allowance' | 'summary' | 'shares'>
    readonly tags: Pick<Tags, 'list'>
    readonly usage: Pick<Usage, 'report'>
    readonly history: Pick<History, 'samples'>
  }
}

/** About so many repositories the registry is asked at once. */
const ASKED_AT_ONCE = 16

export function installCatalog (api: FastifyInstance, parts: CatalogRoutes): void {
  const { access, catalog: { repositories, usage, history } } = parts
  api.get('/repositories', async request => {
    const query = parsePage(queryOf(request.raw.url!), ['name', 'bytes'])
    return await pageOf(request, query, parts)
  })
  api.get('/repositories/*', async request => await oneOf(request, parts))
  api.get('/usage', async request => {
    await allowAll(request, access, repositories.byName())
    return await usage.report()
  })
  api.get('/usage/history', async request => {
    await allowAll(request, access, repositories.byName())
    return {
      samples: history.samples.map(({ at, used, garbage, trashBytes }) => ({ at, storedBytes: used.bytes + garbage.bytes, usedBytes: used.bytes, trashBytes }))
    }
  })
}

/** One page of those that the caller may see. Where many may not be seen, a page may be short, and yet not the last. */
async function pageOf (request: FastifyRequest, { count, last, isWanted, sort }: PageQuery, { access, catalog: { repositories } }: CatalogRoutes): Promise<object> {
  const caller = callerOf(request)
  const isSorted = sort === 'name'
  const names = after(isSorted ? repositories.byName() : await repositories.bySize(), last, isSorted)
  const seesAll = await access.seesAll(names, caller, { each: false })
  const found: RepositorySummary[] = []
  const allowance = repositories.allowance()
  let [at, asked, lastShown] = [0, 0, undefined as string | undefined]
  while (at < names.length && found.length < count && asked < ASKED_MAXIMUM) {
    const some: RepositoryName[] = []
    for (; at < names.length && some.length < Math.min(ASKED_AT_ONCE, count - found.length); at++) if (isWanted(names[at]!)) some.push(names[at]!)
    if (!seesAll) asked += some.length
    const summaries = await Promise.all(some.map(async name => seesAll || await access.sees([name], caller) ? await repositories.summary(name, allowance) : undefined))
    found.push(...summaries.filter(summary => summary !== undefined))
    lastShown = names[at - 1]
  }
  return { repositories: found, ...at < names.length && lastShown !== undefined ? { next: lastShown } : {}, complete: repositories.isComplete }
}

/** `<name>`, `<name>/tags` or `<name>/shares`. */
async function oneOf (request: FastifyRequest, { access, catalog: { repositories, tags } }: CatalogRoutes): Promise<object> {
  const [, path, view] = /^(.*?)(?:\/(tags|shares))?$/s.exec((request.params as { '*': string })['*'])!
  const name = parseRepositoryName(path!)
  if (name === undefined) throw nameInvalid('it does not follow the grammar of the OCI distribution-spec')
  const query = parsePage(queryOf(request.raw.url!))
  // What somebody may not see is not told apart from what does not exist.
  const summary = await access.sees([name], callerOf(request)) ? await repositories.summary(name, repositories.allowance()) : undefined
  if (summary === undefined) throw nameUnknown(name)
  if (view === undefined) return summary
  if (view === 'tags') return await tagsOf(name, query, tags, repositories.isComplete)
  const seen: object[] = []
  for (const share of repositories.shares(name)) {
    if (seen.length < query.count && query.isWanted(share.repository) && await access.sees([share.repository], callerOf(request))) seen.push(share)
  }
  return { repository: name, with: seen }
}

async function tagsOf (name: RepositoryName, { count, last, isWanted }: PageQuery, tags: Pick<Tags, 'list'>, complete: boolean): Promise<object> {
  const list = await tags.list(name)
  if (list === undefined) throw nameUnknown(name)
  const names = after(list.names, last, true).filter(isWanted)
  const shown = names.slice(0, count)
  const summaries = []
  for (const tag of shown) summaries.push(await list.summary(tag))
  return { repository: name, tags: summaries, ...shown.length < names.length ? { next: shown.at(-1) } : {}, complete }
}

async function allowAll (request: FastifyRequest, access: CatalogRoutes['access'], names: readonly RepositoryName[]): Promise<void> {
  if (!await access.seesAll(names, callerOf(request))) throw new CodedError(403, 'DENIED', 'this is about the whole registry: it is shown to those who may delete in all repositories')
}
