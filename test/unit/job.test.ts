/** What a job is about, and what a list shows of it. */
import t from 'tap'
import type { RepositoryName } from '../../src/oci/name.js'
import { listedJob, newJob, publicJob, repositoriesOf, type Job } from '../../src/jobs/job.js'
import { APP, d, tag } from './repository.js'

const other = 'other' as RepositoryName
const everything = (change: Partial<Job>): Job => ({ ...newJob('undo', { type: 'everything' }, []), ...change })

t.test('a job is about all repositories that it names anywhere', async t => {
  t.same(repositoriesOf(everything({})), [])
  t.same(repositoriesOf(everything({ restored: { tags: [{ repository: APP, tag: tag('v1') }], manifests: [{ repository: other, digest: d('m') }], blobs: [] } })), [APP, other])
  t.same(repositoriesOf(everything({ decided: [{ repository: other, tag: tag('v1'), reason: 'old' }] })), [other])
})

t.test('a list shows the beginning of long lists, and says so; counts stay', async t => {
  const { receipt } = everything({})
  const blobs = (count: number) => Array.from({ length: count }, (_, number) => ({ digest: d(`blob ${number}`), bytes: number }))
  const job = (count: number): Job => everything({ receipt: { ...receipt, counts: { ...receipt.counts, blobs: count }, blobs: blobs(count) } })
  const short = job(100)
  t.same(listedJob(short), publicJob(short))
  const long = listedJob(job(100_000))
  t.equal(long.receipt.blobs.length, 100)
  t.equal(long.receipt.counts.blobs, 100_000)
  t.equal(long.cut, true)
  t.equal(publicJob(job(100_000)).receipt.blobs.length, 100_000)
})
