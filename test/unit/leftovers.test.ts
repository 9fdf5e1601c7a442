/** Whether what earlier collections left can be finished. */
import t from 'tap'
import { isBlocked } from '../../src/collection/leftovers.js'
import type { CollectionRequest } from '../../src/collection/request.js'
import type { Plan } from '../../src/deletion/plan.js'
import type { RepositoryName } from '../../src/oci/name.js'
import { d, purge, repository, sketch } from './repository.js'

const [held, free] = [repository('held'), repository('free')]
const job = (...names: readonly RepositoryName[]): CollectionRequest => ({
  id: names.join(' '),
  plans: names.map((name): Plan => ({ repository: name, tags: [], manifests: [], history: [], layers: [], empties: false, candidates: [d(name)], kept: [], warnings: [], blind: false })),
  since: 0,
  unlinked: true,
  leftovers: true
} as CollectionRequest)

t.test('a job waits for what holds it, and for nobody else', async t => {
  const parts = { states: { repository: async (name: RepositoryName) => ({ ...sketch({}), name }) }, planOptions: (name: RepositoryName) => ({ ...purge, leased: () => name === held }) }
  const blocked = async (...jobs: readonly CollectionRequest[]): Promise<boolean> => await isBlocked(jobs, parts as never)
  t.equal(await blocked(job(held)), true)
  t.equal(await blocked(job(held), job(held)), true)
  t.equal(await blocked(job(free)), false)
  t.equal(await blocked(job(held), job(free)), false, 'the other one is not kept waiting')
  t.equal(await blocked(job(free, held)), true, 'one job is finished at once, or not')
})
