/** Requests that only look: what they cost does not grow with what there is to look at. */
import fastify from 'fastify'
import t, { type Test } from 'tap'
import { installApi, type ApiParts } from '../../src/http/api.js'
import { newJob, type Job } from '../../src/jobs/job.js'
import { parseRepositoryName, type RepositoryName } from '../../src/oci/name.js'
import { tag } from './repository.js'

const named = (at: number): RepositoryName => parseRepositoryName(`r${at}`)!

async function get<T> (t: Test, path: string, { asksForEach = true } = {}) {
  const app = fastify()
  t.teardown(async () => { await app.close() })
  const asked = new Set<RepositoryName>()
  let walks = 0
  const jobs: Job[] = Array.from({ length: 3000 }, (_, at) => ({ ...newJob('delete', { type: 'tag', repository: named(at), tag: tag('v1') }, []), id: String(9999 - at) }))
  const sees = async (repositories: readonly RepositoryName[]): Promise<boolean> => { repositories.forEach(name => asked.add(name)); return true }
  installApi(app, {
    access: { isOpen: false, enter: async () => ({ outcome: 'allowed' }), sees, seesAll: async () => false },
    deletes: { deleter: { repositories: async () => { walks++; return [] } }, store: { list: () => jobs } },
    audit: { query: async () => ({ entries: Array.from({ length: 100 }, () => ({ target: { type: 'garbage' } })), skipped: 0 }) },
    catalog: {},
    retention: {},
    asksForEach,
    origins: []
  } as unknown as ApiParts)
  const answer = (await app.inject({ method: 'GET', url: `/delgate/v1${path}` })).json<T>()
  return { answer, asked: asked.size, walks }
}

t.test('the audit lists the repositories once', async t => {
  const { answer, walks } = await get(t, '/audit')
  t.same([answer, walks], [{ entries: [], skipped: 0 }, 1])
})

t.test('jobs: where the registry is asked about each repository, about so many at most', async t => {
  const { answer, asked } = await get<{ jobs: Job[], total: number }>(t, '/jobs?limit=5')
  t.same(answer.jobs.map(({ id }) => id), ['9999', '9998', '9997', '9996', '9995'])
  t.same([answer.total, asked], [1000, 1000])
})

t.test('jobs: where one answer is that of all, all are counted', async t => {
  const { answer } = await get<{ jobs: Job[], total: number }>(t, '/jobs?limit=5', { asksForEach: false })
  t.same([answer.jobs.length, answer.total], [5, 3000])
})
