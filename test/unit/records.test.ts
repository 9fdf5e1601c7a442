/** Others are told of each job that ended, also when the process ended in between. */
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { recordEnds } from '../../src/composition/records.js'
import { newJob, publicJob, type Job } from '../../src/jobs/job.js'
import { JobStore } from '../../src/jobs/store.js'
import { temporaryDirectory } from '../support/temporary.js'
import { APP, tag } from './repository.js'

const made = (change: Partial<Job> = {}): Job => ({ ...newJob('delete', { type: 'tag', repository: APP, tag: tag('v1') }, []), state: 'queued', untold: true, ...change })
const ended = (job: Job): Job => ({ ...job, state: 'done', phase: 'ended', endedAt: '2026-01-31T12:00:00.000Z' })
const never = new Promise<void>(() => {})
const log = { info () {}, warn () { t.fail('warned') }, error () {} }

/** One process after the other, on one journal. */
async function processes (t: Test) {
  const directory = join(await temporaryDirectory(t), 'jobs')
  return async (notify: () => Promise<void> = async () => {}) => {
    const store = await JobStore.open(directory, { keepDays: 1e5, keepMaximum: 10 }, () => { t.fail('damage') })
    const told: Array<{ job: string, at: string }> = []
    const ends = recordEnds(store, { record: async () => {} }, { notify: async ({ job, at }) => { told.push({ job, at }); await notify() } }, log)
    return { store, told, ends }
  }
}

t.test('what was not told when the process was killed is told by the next one, once', async t => {
  const start = await processes(t)
  const job = made()
  const killed = await start(async () => await never)
  await killed.store.save(job)
  await killed.store.save(ended(job))
  await killed.store.save(made({ kind: 'undo' }))
  await killed.store.save(made()) // It goes on.
  const next = await start()
  await next.ends.close()
  t.same(next.told, [{ job: job.id, at: '2026-01-31T12:00:00.000Z' }], 'as it was told the first time')
  t.notOk('untold' in next.store.get(job.id)!)
  t.same((await start()).told, [])
})

t.test('the end waits until it is recorded that all was told', async t => {
  const start = await processes(t)
  let go = (): void => {}
  const { store, ends, told } = await start(async () => { await new Promise<void>(resolve => { go = resolve }) })
  const job = made()
  await store.save(job)
  await store.save(ended(job))
  const closed = ends.close()
  go()
  await closed
  t.equal(told.length, 1)
  t.same((await start()).told, [])
})

t.test('what others record of the job meanwhile is not lost, and the mark is not shown', async t => {
  const { store, ends } = await (await processes(t))()
  const job = { ...ended(made()), trash: { state: 'kept', until: '2100-01-01T00:00:00.000Z' } } as const
  t.notOk('untold' in publicJob(job))
  await store.keep(made({ id: job.id }))
  const saved = store.save({ ...job, trash: { ...job.trash, state: 'undone' } })
  const amended = store.amend(job.id, ({ untold: _, ...told }) => told)
  await Promise.all([saved, amended])
  t.match(store.get(job.id), { trash: { state: 'undone' }, untold: undefined })
  await store.amend('none', job => job)
  t.equal(store.get('none'), undefined)
  await ends.close() // The end that was saved is told beside this, and writes in the directory, too.
})

t.test('without anybody to tell nothing is marked', async t => {
  const { store, told, ends } = await (await processes(t))()
  const { untold: _, ...job } = made()
  await store.save(job)
  await store.save(ended(job))
  await ends.close()
  t.equal(told.length, 1)
  t.same(store.get(job.id), ended(job))
})
