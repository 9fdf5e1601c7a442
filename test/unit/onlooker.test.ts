/** How much of a job somebody sees, and how often the registry is asked about that. */
import t from 'tap'
import { addToReceipt, EMPTY_RECEIPT } from '../../src/deletion/receipt.js'
import { Onlooker } from '../../src/http/onlooker.js'
import { newJob, outlinedJob, type Job } from '../../src/jobs/job.js'
import { parseRepositoryName, type RepositoryName } from '../../src/oci/name.js'
import { APP, d, tag } from './repository.js'

const OTHER = parseRepositoryName('other')!

function given (may: (repository: RepositoryName) => boolean, { isOpen = false, maximum = Infinity, all = [APP, OTHER] } = {}) {
  const asked: RepositoryName[] = []
  const counts = { walks: 0 }
  const sees = async (repositories: readonly RepositoryName[]): Promise<boolean> => repositories.every(repository => { asked.push(repository); return may(repository) })
  const access = { isOpen, sees, seesAll: async (repositories: readonly RepositoryName[], _: unknown, { each = true } = {}) => each && await sees(repositories) }
  const deleter = { repositories: async () => { counts.walks++; return all } }
  return { asked, counts, onlooker: new Onlooker({ address: '192.0.2.1' }, { access, deleter }, maximum) }
}

const by = { user: 'alice', address: '10.0.0.7' }
const garbage = newJob('collection', { type: 'garbage' }, [], by)
const deletion = (repository: RepositoryName): Job => newJob('delete', { type: 'tag', repository, tag: tag('v1') }, [], by)

t.test('a job that names repositories: all of it, or nothing', async t => {
  const { onlooker, counts } = given(name => name === APP)
  t.same([await onlooker.seesOf(deletion(APP)), await onlooker.seesOf(deletion(OTHER))], ['all', 'nothing'])
  t.equal(counts.walks, 0)
})

t.test('a collection: all of it for those who see everything, an outline for others; repositories are listed once', async t => {
  const all = given(() => true)
  t.equal(await all.onlooker.seesOf(garbage), 'all')
  const { onlooker, counts } = given(name => name === APP)
  const untagged: Job = { ...newJob('collection', { type: 'untagged' }, []), receipt: addToReceipt(EMPTY_RECEIPT, { manifests: [{ repository: APP, digest: d('m') }] }) }
  const nothing = newJob('delete', { type: 'retention' }, [], by)
  for (const job of [garbage, untagged, nothing]) t.equal(await onlooker.seesOf(job), 'outline')
  t.equal(await given(name => name === OTHER).onlooker.seesOf(untagged), 'nothing')
  t.equal(counts.walks, 1)
})

t.test('an outline has neither who asked nor what there was', t => {
  const job: Job = { ...garbage, startedAt: 'then', receipt: addToReceipt(EMPTY_RECEIPT, { blobs: [{ digest: d('b'), bytes: 1 }], warnings: ['team/secret'], bytesFreed: 1 }), error: { message: 'team/secret' } }
  const { id, createdAt } = job
  t.same(outlinedJob(job), { id, kind: 'collection', target: { type: 'garbage' }, state: 'running', phase: 'unlink', createdAt, startedAt: 'then', attempts: 0, receipt: EMPTY_RECEIPT, withheld: true })
  t.end()
})

t.test('where anybody may delete, nothing is asked', async t => {
  const { onlooker, asked, counts } = given(() => false, { isOpen: true })
  t.same([await onlooker.seesOf(garbage), await onlooker.seesOf(deletion(APP)), await onlooker.seesAll()], ['all', 'all', true])
  t.same([asked, counts.walks], [[], 0])
})

t.test('about so many repositories is asked, and others are not seen', async t => {
  const names = Array.from({ length: 100 }, (_, at) => parseRepositoryName(`r${at}`)!)
  const { onlooker, asked } = given(() => true, { maximum: 10, all: names })
  const seen = []
  for (const name of [...names, ...names]) seen.push(await onlooker.seesOf(deletion(name)))
  t.equal(seen.filter(extent => extent === 'all').length, 20, 'those that were asked about count on')
  t.equal(new Set(asked).size, 10)
  t.equal(await onlooker.seesAll(), false, 'so many are not asked about either')
})
