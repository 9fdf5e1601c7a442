/** The journal: what was saved is there again after a crash, and what is damaged does no harm. */
import { mkdir, open, readFile, readdir, rm, stat, writeFile, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { newJob, type Job, type JobState } from '../../src/jobs/job.js'
import { JobStore } from '../../src/jobs/store.js'
import { temporaryDirectory, until } from '../support/temporary.js'
import { APP, tag } from './repository.js'

const DAY = 86_400_000
const KEEP_ALL = { keepDays: 30, keepMaximum: 1000 }
const target = { type: 'tag', repository: APP, tag: tag('v1') } as const

function made (state: JobState, change: Partial<Job> = {}): Job {
  const job = newJob('delete', target, [])
  return { ...job, state, phase: state === 'queued' ? 'waiting' : 'ended', ...change }
}

async function journal (t: Test, limits = KEEP_ALL): Promise<{ directory: string, open: () => Promise<{ store: JobStore, damaged: string[] }> }> {
  const directory = join(await temporaryDirectory(t), 'state', 'jobs')
  return {
    directory,
    async open () {
      const damaged: string[] = []
      return { store: await JobStore.open(directory, limits, file => { damaged.push(file) }), damaged }
    }
  }
}

t.test('what was saved is there again', async t => {
  const { directory, open } = await journal(t)
  const { store } = await open()
  const job = made('queued')
  await store.save(job)
  await store.save({ ...job, state: 'done', phase: 'ended' })
  t.same(await readdir(directory), [`${job.id}.json`], 'one file a job, and nothing beside it')
  t.equal((await stat(join(directory, `${job.id}.json`))).mode & 0o077, 0, 'nobody else may read it')
  const again = await open()
  t.same(again.store.get(job.id), { ...job, state: 'done', phase: 'ended' })
  t.same(again.damaged, [])
})

t.test('jobs are listed with the newest first, before and after a new start', async t => {
  const { open } = await journal(t)
  const { store } = await open()
  const jobs = ['000000001-a', '000000002-a', '00000000z-a', '000000010-a'].map(id => made('queued', { id }))
  for (const index of [2, 0, 3, 1]) await store.save(jobs[index]!)
  const expected = jobs.map(({ id }) => id).reverse()
  t.same(store.list().map(({ id }) => id), expected)
  t.same((await open()).store.list().map(({ id }) => id), expected)
})

t.test('ids sort by the time of creation and are never the same', t => {
  const ids = Array.from({ length: 1000 }, () => newJob('delete', target, []).id)
  t.equal(new Set(ids).size, 1000)
  t.same(ids.map(id => id.split('-')[0]!), ids.map(id => id.split('-')[0]!).sort())
  for (const id of ids) t.match(id, /^[\da-z]{9}-[\da-f]{8}$/)
  t.end()
})

t.test('a write that a crash cut short leaves the state before it', async t => {
  const { directory, open } = await journal(t)
  const { store } = await open()
  const job = made('queued')
  await store.save(job)
  const whole = JSON.stringify({ ...job, state: 'done' })
  await writeFile(join(directory, `${job.id}.json.tmp`), whole.slice(0, whole.length / 2))
  await writeFile(join(directory, 'never-finished.json.tmp'), '')
  const again = await open()
  t.same(again.store.list(), [job])
  t.same(again.damaged, [])
  t.same(await readdir(directory), [`${job.id}.json`], 'what was cut short is gone')
})

t.test('a damaged file is reported and left where it is, the others are read', async t => {
  const { directory, open } = await journal(t)
  const { store } = await open()
  const job = made('queued')
  await store.save(job)
  const { plans: _, ...withoutPlans } = job
  const damage: Record<string, string> = {
    empty: '', half: JSON.stringify(job).slice(0, 100), zeros: '\0'.repeat(200), nothing: 'null', number: '42', text: '"job"', list: '[]', object: '{}', noPlans: JSON.stringify(withoutPlans), planless: JSON.stringify({ ...job, plans: 'x' })
  }
  for (const [name, text] of Object.entries(damage)) await writeFile(join(directory, `${name}.json`), text)
  await writeFile(join(directory, 'notes.txt'), 'not a job')
  const again = await open()
  t.same(again.damaged.sort(), Object.keys(damage).map(name => `${name}.json`).sort())
  t.same(again.store.list(), [job])
  for (const [name, text] of Object.entries(damage)) t.equal(await readFile(join(directory, `${name}.json`), 'utf8'), text)
})

t.test('states that are saved at once are written in that order', async t => {
  const { open } = await journal(t)
  const { store } = await open()
  const job = made('running')
  const seen: number[] = []
  store.watch(job.id, ({ attempts }) => { seen.push(attempts) })
  await Promise.all(Array.from({ length: 50 }, (_, attempts) => store.save({ ...job, attempts })))
  t.same(seen, Array.from({ length: 50 }, (_, attempts) => attempts))
  t.equal((await open()).store.get(job.id)?.attempts, 49)
})

t.test('a state counts when it is on the disk, not before', async t => {
  const { directory, open } = await journal(t)
  const { store } = await open()
  const job = made('queued')
  await store.save(job)
  let told = 0
  store.watch(job.id, () => { told++ })
  await rm(directory, { recursive: true })
  await t.rejects(store.save({ ...job, state: 'done' }), { code: 'ENOENT' })
  t.equal(store.get(job.id)?.state, 'queued')
  t.equal(told, 0)
  await mkdir(directory)
  await store.save({ ...job, state: 'done' })
  t.equal(store.get(job.id)?.state, 'done', 'a failed write does not block the next')
  t.equal(told, 1)
})

t.test('a state that must be gone on with is kept although it cannot be written', async t => {
  const { directory, open } = await journal(t)
  const { store } = await open()
  const job = made('running')
  await store.save(job)
  await rm(directory, { recursive: true })
  await t.rejects(store.keep({ ...job, state: 'failed' }), { code: 'ENOENT' })
  t.equal(store.get(job.id)?.state, 'failed')
})

t.test('whoever stops watching is told no more', async t => {
  const { open } = await journal(t)
  const { store } = await open()
  const job = made('queued')
  const seen: string[] = []
  const stop = store.watch(job.id, ({ state }) => { seen.push(state) })
  await store.save(made('queued'))
  await store.save(job)
  stop()
  await store.save({ ...job, state: 'done' })
  t.same(seen, ['queued'])
})

t.test('old jobs are forgotten, here and on the disk; open ones never', async t => {
  const { directory, open } = await journal(t, { keepDays: 2, keepMaximum: 1000 })
  const { store } = await open()
  const now = Date.now()
  const at = (days: number): string => new Date(now - days * DAY).toISOString()
  const jobs = {
    fresh: made('done', { endedAt: at(1) }),
    old: made('done', { endedAt: at(3) }),
    oldCancelled: made('cancelled', { endedAt: at(3) }),
    fresherTrash: made('done', { endedAt: at(30), trash: { state: 'kept', until: at(0.5) } }),
    oldTrash: made('done', { endedAt: at(30), trash: { state: 'kept', until: at(2) } }),
    oldFailed: made('failed', { endedAt: at(3) }),
    oldRetried: made('failed', { endedAt: at(3), nextAttemptAt: at(0) }),
    oldQueued: made('queued', { createdAt: at(9) }),
    oldRunning: made('running', { createdAt: at(9) })
  }
  for (const job of Object.values(jobs)) await store.save(job)
  await store.prune(now)
  const expected = [jobs.fresh, jobs.fresherTrash, jobs.oldRetried, jobs.oldQueued, jobs.oldRunning].map(({ id }) => id).sort()
  t.same(store.list().map(({ id }) => id).sort(), expected)
  t.same((await readdir(directory)).sort(), expected.map(id => `${id}.json`))
})

t.test('beyond the maximum the oldest are forgotten, and open ones do not count', async t => {
  const { open } = await journal(t, { keepDays: 30, keepMaximum: 2 })
  const { store } = await open()
  const ended = ['1', '2', '3', '4'].map(id => made('done', { id, endedAt: new Date().toISOString() }))
  for (const job of [...ended, made('queued', { id: '0' }), made('running', { id: '5' })]) await store.save(job)
  await store.prune()
  t.same(store.list().map(({ id }) => id), ['5', '4', '3', '0'])
  t.same((await open()).store.list().map(({ id }) => id), ['5', '4', '3', '0'])
})

t.test('a start forgets as well', async t => {
  const { directory, open } = await journal(t)
  const { store } = await open()
  await store.save(made('done', { endedAt: new Date(Date.now() - 40 * DAY).toISOString() }))
  t.same((await open()).store.list(), [])
  t.same(await readdir(directory), [])
})

t.test('of a job that could not be recorded for certain nothing stays, however late that can be undone', async t => {
  const { directory, open } = await journal(t)
  const { store } = await open()
  const job = made('running')
  // Its name is there, only whether it survives a power cut is not known: the directory cannot be flushed.
  const handles = Object.getPrototypeOf(await openAndClose(join(directory, '..'))) as { sync: () => Promise<void> }
  const { sync } = handles
  t.teardown(() => { handles.sync = sync })
  let synced = 0
  handles.sync = async function () {
    if (++synced > 1) throw Object.assign(new Error('EIO'), { code: 'EIO' })
    await sync.call(this)
  }
  await t.rejects(store.save(job), { code: 'EIO' })
  t.equal((await open()).store.get(job.id), undefined, 'whoever asked was told that nothing is deleted: so says the next start')
  // What came off in vain may be there again.
  await writeFile(join(directory, `${job.id}.json`), JSON.stringify(job))
  // A try that had begun before must not end well: it would not have taken off what came later.
  const failures = synced
  await until('another try has failed', () => synced > failures)
  handles.sync = sync
  await until('it is taken off again', async () => (await readdir(directory)).length === 0)
  const next = made('queued')
  await store.save(next)
  t.same(await readdir(directory), [`${next.id}.json`])
})

async function openAndClose (path: string): Promise<FileHandle> {
  const handle = await open(path)
  await handle.close()
  return handle
}
