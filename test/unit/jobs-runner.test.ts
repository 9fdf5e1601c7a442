/** When collections run, for which jobs, and what becomes of those that fail. Only the collection is a stand-in. */
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { CollectionOutcome, CollectionPhase, CollectionRequest, Requester } from '../../src/collection/request.js'
import { EMPTY_RECEIPT, addToReceipt, type Receipt } from '../../src/deletion/receipt.js'
import { newJob, type Job } from '../../src/jobs/job.js'
import { CallerCredentials } from '../../src/jobs/credentials.js'
import { JobRunner, type RunnerSettings } from '../../src/jobs/runner.js'
import { JobStore } from '../../src/jobs/store.js'
import { temporaryDirectory } from '../support/temporary.js'
import { settled, stopClock, type Clock } from './clock.js'
import { APP, d, tag } from './repository.js'

const SETTINGS: RunnerSettings = { quietSeconds: 1, maximumDelaySeconds: 10, retryMinimumSeconds: 5, retryMaximumSeconds: 30, leftoversSeconds: 7, attempts: 4 }
const silent = { info () {}, warn () {}, error () {} }

/** One run of the collection: what it was asked for, and how it ends, which is for the test to say. */
interface Run {
  readonly requests: readonly CollectionRequest[]
  readonly phase: (phase: CollectionPhase) => void
  /** Nobody writes any more: who else came meanwhile? */
  readonly join: () => Promise<readonly CollectionRequest[]>
  readonly end: (outcome: CollectionOutcome) => void
}

class Bench {
  readonly runs: Run[] = []
  readonly credentials = new CallerCredentials()
  readonly runner: JobRunner
  #number = 0
  #closing = false

  constructor (readonly store: JobStore, readonly clock: Clock, settings: RunnerSettings) {
    const run = async ({ requests, onPhase: phase, join }: Requester): Promise<CollectionOutcome> =>
      await new Promise<CollectionOutcome>(resolve => {
        this.runs.push({ requests, phase, join, end: resolve })
        if (this.#closing) resolve(collected())
      })
    this.runner = new JobRunner(store, { run }, settings, silent, this.credentials)
  }

  /** Ends whatever runs. */
  async close (): Promise<void> {
    this.#closing = true
    this.runs.forEach(run => { run.end(collected()) })
    await this.runner.close()
  }

  /** A job that waits for a collection. */
  async job (change: Partial<Job> = {}): Promise<Job> {
    const job: Job = { ...newJob('delete', { type: 'tag', repository: APP, tag: tag('v1') }, []), id: `job-${String(++this.#number).padStart(3, '0')}`, state: 'queued', phase: 'waiting', unlinked: true, ...change }
    await this.store.save(job)
    return job
  }

  async arrives (change: Partial<Job> = {}): Promise<Job> {
    const job = await this.job(change)
    this.runner.notify()
    return job
  }

  now (id: string): Job { return this.store.get(id)! }

  /** Lets time pass, a little at a time: files are written in between. */
  async pass (seconds: number): Promise<void> {
    const step = Math.min(seconds, 0.5)
    for (let passed = 0; passed < seconds - 1e-9; passed += step) {
      await this.clock.pass(Math.min(step, seconds - passed))
      await written()
    }
  }

  /** Waits until this many collections have begun. */
  async begun (count: number): Promise<Run> {
    await eventually(`${count} collections`, () => this.runs.length >= count)
    return this.runs[count - 1]!
  }

  async ends (run: Run, outcome: CollectionOutcome): Promise<void> {
    run.end(outcome)
    await eventually('the collection is recorded', () => !this.runner.isRunning)
  }
}

async function bench (t: Test, settings: Partial<RunnerSettings> = {}): Promise<Bench> {
  const directory = join(await temporaryDirectory(t), 'jobs')
  const store = await JobStore.open(directory, { keepDays: 30, keepMaximum: 1000 }, () => { t.fail('damage') })
  const made = new Bench(store, stopClock(t), { ...SETTINGS, ...settings })
  t.teardown(async () => { await made.close() })
  return made
}

/** Waits for a condition; the clock stands still meanwhile. */
async function eventually (what: string, condition: () => boolean): Promise<void> {
  const started = process.hrtime.bigint()
  while (!condition()) {
    if (process.hrtime.bigint() - started > 20_000_000_000n) throw new Error(`${what}: not in time`)
    await new Promise(resolve => { setImmediate(resolve) })
  }
}

/** Long enough for whatever was going to be written without a timer: a file has been written and flushed meanwhile. */
const written = settled

const collected = (receipts: ReadonlyMap<string, Receipt> = new Map(), unfinished: readonly string[] = []): CollectionOutcome => ({ outcome: 'collected', receipts, unfinished: new Set(unfinished) })
const failed: CollectionOutcome = { outcome: 'failed', reason: 'exit code 1', output: 'the tail' }
const postponed: CollectionOutcome = { outcome: 'postponed', reason: 'pushes' }
const ids = (run: Run): string[] => run.requests.map(({ id }) => id)
const secondsUntil = (time: string | undefined): number => (Date.parse(time!) - Date.now()) / 1000

t.test('jobs that come shortly after each other share a collection, the oldest first', async t => {
  const b = await bench(t)
  const jobs = [await b.arrives(), await b.arrives(), await b.arrives()]
  await b.pass(0.9)
  t.equal(b.runs.length, 0)
  await b.pass(0.1)
  const run = await b.begun(1)
  t.same(ids(run), jobs.map(({ id }) => id))
  for (const { id } of jobs) t.match(b.now(id), { state: 'running', attempts: 1, startedAt: String })
  await b.ends(run, collected())
  for (const { id } of jobs) t.match(b.now(id), { state: 'done', phase: 'ended', endedAt: String })
  await b.pass(100)
  t.equal(b.runs.length, 1)
  t.equal(b.runner.collections, 1)
})

t.test('each arrival begins the quiet time anew, up to the longest delay', async t => {
  const b = await bench(t)
  await b.arrives()
  for (let arrival = 1; arrival <= 11; arrival++) {
    await b.pass(0.9)
    t.equal(b.runs.length, 0, `after ${(arrival * 0.9).toFixed(1)} s`)
    await b.arrives()
  }
  await b.pass(0.1)
  t.equal((await b.begun(1)).requests.length, 12, 'after 10 s, although the last has just arrived')
})

t.test('what arrives during a collection waits for the next one', async t => {
  const b = await bench(t)
  const first = await b.arrives()
  await b.pass(1)
  const run = await b.begun(1)
  const second = await b.arrives()
  const third = await b.arrives()
  await b.pass(60)
  t.equal(b.runs.length, 1, 'one collection at a time')
  t.same(ids(run), [first.id])
  await b.ends(run, collected())
  t.equal(b.now(second.id).state, 'queued')
  await b.pass(1)
  t.same(ids(await b.begun(2)), [second.id, third.id])
})

t.test('what arrives before the writes are stopped still joins', async t => {
  const b = await bench(t)
  const first = await b.arrives()
  await b.pass(1)
  const run = await b.begun(1)
  const [late, unlinking] = [await b.arrives(), await b.arrives({ state: 'running', phase: 'unlink' })]
  t.same((await run.join()).map(({ id }) => id), [late.id])
  t.match(b.now(late.id), { state: 'running', attempts: 1 })
  t.same(await run.join(), [], 'nobody joins twice')
  t.equal(await b.runner.cancel(late.id), undefined)
  const after = await b.arrives()
  await b.ends(run, collected())
  t.same([first, late, unlinking, after].map(({ id }) => b.now(id).state), ['done', 'done', 'running', 'queued'])
  await b.pass(1)
  t.same(ids(await b.begun(2)), [after.id])
})

t.test('who joined fails along', async t => {
  const b = await bench(t)
  const first = await b.arrives()
  await b.pass(1)
  const run = await b.begun(1)
  const late = await b.arrives()
  await run.join()
  await b.ends(run, failed)
  for (const { id } of [first, late]) t.match(b.now(id), { state: 'failed', attempts: 1, nextAttemptAt: String })
})

t.test('what the collection is told of a job', async t => {
  const b = await bench(t)
  const deletion = await b.arrives({ unlinked: false })
  b.credentials.remember(deletion.id, 'Basic alice')
  const garbage = await b.arrives({ kind: 'collection', target: { type: 'garbage' } })
  await b.pass(1)
  t.same((await b.begun(1)).requests, [
    { id: deletion.id, plans: [], since: Date.parse(deletion.createdAt), unlinked: false, leftovers: false, authorization: 'Basic alice' },
    { id: garbage.id, plans: [], since: Date.parse(garbage.createdAt), unlinked: true, tidy: 'garbage', leftovers: false, authorization: undefined }
  ])
})

t.test('the phases of a collection are the phases of its jobs', async t => {
  const b = await bench(t)
  const job = await b.arrives()
  const seen: string[] = []
  b.store.watch(job.id, ({ phase }) => { seen.push(phase) })
  await b.pass(1)
  const run = await b.begun(1)
  for (const phase of ['scan', 'drain', 'collect', 'restart'] as const) run.phase(phase)
  await b.ends(run, collected())
  t.same(seen, ['waiting', 'scan', 'drain', 'collect', 'restart', 'ended'])
})

t.test('a failure is tried again, later and later, and at last no more', async t => {
  const b = await bench(t)
  const job = await b.arrives()
  await b.pass(1)
  for (const [attempt, pause] of [[1, 5], [2, 10], [3, 20]] as const) {
    await b.ends(await b.begun(attempt), failed)
    t.match(b.now(job.id), { state: 'failed', attempts: attempt, error: { message: 'exit code 1', output: 'the tail' } })
    t.equal(secondsUntil(b.now(job.id).nextAttemptAt), pause)
    await b.pass(pause - 0.5)
    t.equal(b.runs.length, attempt)
    await b.pass(0.5)
  }
  await b.ends(await b.begun(4), failed)
  t.match(b.now(job.id), { state: 'failed', attempts: 4, endedAt: String })
  t.equal(b.now(job.id).nextAttemptAt, undefined)
  await b.pass(100)
  t.equal(b.runs.length, 4)
})

t.test('the pause between attempts has a limit', async t => {
  const b = await bench(t, { attempts: 10 })
  const job = await b.arrives()
  await b.pass(1)
  const pauses: number[] = []
  for (let attempt = 1; attempt <= 6; attempt++) {
    await b.ends(await b.begun(attempt), failed)
    pauses.push(secondsUntil(b.now(job.id).nextAttemptAt))
    await b.pass(pauses.at(-1)!)
  }
  t.same(pauses, [5, 10, 20, 30, 30, 30])
})

t.test('a job that succeeds after a failure has no error any more', async t => {
  const b = await bench(t)
  const job = await b.arrives()
  await b.pass(1)
  await b.ends(await b.begun(1), failed)
  await b.pass(5)
  const run = await b.begun(2)
  t.match(b.now(job.id), { state: 'running', attempts: 2 })
  t.equal(b.now(job.id).nextAttemptAt, undefined)
  await b.ends(run, collected())
  const ended = b.now(job.id)
  t.equal(ended.state, 'done')
  t.notOk('error' in ended)
  t.notOk('nextAttemptAt' in ended)
})

t.test('a failed job goes along with a new one', async t => {
  const b = await bench(t)
  const old = await b.arrives()
  await b.pass(1)
  await b.ends(await b.begun(1), failed)
  const fresh = await b.arrives()
  await b.pass(1)
  t.same(ids(await b.begun(2)), [old.id, fresh.id])
})

t.test('what is postponed was not tried: it does not count, and comes back later and later', async t => {
  const b = await bench(t)
  const job = await b.arrives()
  await b.pass(1)
  for (const [time, pause] of [[1, 5], [2, 10], [3, 20], [4, 30], [5, 30], [6, 30]] as const) {
    await b.ends(await b.begun(time), postponed)
    t.match(b.now(job.id), { state: 'queued', phase: 'waiting', attempts: 0 })
    t.equal(secondsUntil(b.now(job.id).nextAttemptAt), pause)
    await b.pass(pause)
  }
  await b.ends(await b.begun(7), failed)
  t.match(b.now(job.id), { state: 'failed', attempts: 1, nextAttemptAt: String })
})

t.test('a job that a push still keeps from ending comes back', async t => {
  const b = await bench(t)
  const [waits, ends] = [await b.arrives(), await b.arrives()]
  await b.pass(1)
  await b.ends(await b.begun(1), collected(new Map(), [waits.id]))
  t.match(b.now(waits.id), { state: 'queued', phase: 'waiting', attempts: 0 })
  t.equal(secondsUntil(b.now(waits.id).nextAttemptAt), SETTINGS.leftoversSeconds)
  t.equal(b.now(ends.id).state, 'done')
  await b.pass(SETTINGS.leftoversSeconds)
  const run = await b.begun(2)
  t.match(run.requests, [{ id: waits.id, leftovers: true }])
  await b.ends(run, collected())
  t.equal(b.now(waits.id).state, 'done')
})

t.test('a job whose links are still being removed is left alone, and wakes nobody', async t => {
  const b = await bench(t, { quietSeconds: 0 })
  const unlinking = await b.arrives({ state: 'running', phase: 'unlink', unlinked: false })
  await b.pass(10)
  t.equal(b.runs.length, 0)
  const other = await b.arrives()
  await b.pass(0.5)
  const run = await b.begun(1)
  t.same(ids(run), [other.id])
  let listed = 0
  const list = b.store.list.bind(b.store)
  b.store.list = () => { listed++; return list() }
  await b.ends(run, collected())
  await b.pass(10)
  t.ok(listed < 10, `the journal was looked through ${listed} times`)
  t.equal(b.now(unlinking.id).state, 'running')
})

t.test('after a new start everything that is open is taken up', async t => {
  const b = await bench(t)
  const open = [await b.job(), await b.job({ state: 'running', phase: 'collect', attempts: 1 }), await b.job({ state: 'failed', phase: 'waiting', attempts: 2, nextAttemptAt: new Date(Date.now() + 60_000).toISOString() })]
  await b.job({ state: 'done', phase: 'ended' })
  await b.job({ state: 'failed', phase: 'waiting', attempts: 4 })
  await b.job({ state: 'cancelled' })
  b.runner.resume()
  await b.pass(0.1)
  t.same(ids(await b.begun(1)), open.map(({ id }) => id))
})

t.test('with nothing open a start does nothing', async t => {
  const b = await bench(t)
  await b.job({ state: 'done', phase: 'ended' })
  b.runner.resume()
  await b.pass(100)
  t.equal(b.runs.length, 0)
})

t.test('cancelling: only what waits', async t => {
  const b = await bench(t)
  const [one, two] = [await b.arrives(), await b.arrives()]
  b.credentials.remember(one.id, 'Basic secret')
  t.match(await b.runner.cancel(one.id), { id: one.id, state: 'cancelled', endedAt: String })
  t.equal(b.credentials.of(one.id), undefined, 'it needs nobody\'s rights any more')
  t.equal(await b.runner.cancel(one.id), undefined)
  t.equal(await b.runner.cancel('unknown'), undefined)
  await b.pass(1)
  const run = await b.begun(1)
  t.same(ids(run), [two.id])
  t.equal(await b.runner.cancel(two.id), undefined, 'it is running')
  await b.ends(run, collected())
  t.equal(b.now(one.id).state, 'cancelled')
  t.equal(b.now(two.id).state, 'done')
})

t.test('cancelling in the very moment in which the collection begins: one of the two, not both', async t => {
  const b = await bench(t)
  const job = await b.arrives()
  const cancelling = b.runner.cancel(job.id)
  await b.pass(1)
  t.match(await cancelling, { state: 'cancelled' })
  await b.pass(5)
  t.equal(b.runs.length, 0)
  t.equal(b.now(job.id).state, 'cancelled')
})

t.test('closing waits for the collection that runs, and begins no other', async t => {
  const b = await bench(t)
  await b.arrives()
  await b.pass(1)
  const run = await b.begun(1)
  const next = await b.arrives()
  let closed = false
  const closing = b.runner.close().then(() => { closed = true })
  await settled()
  t.equal(closed, false)
  run.end(collected())
  await closing
  b.runner.notify()
  await b.pass(100)
  t.equal(b.runs.length, 1)
  t.equal(b.now(next.id).state, 'queued')
})

t.test('the receipt is that of the unlinking and that of the collection together', async t => {
  const b = await bench(t)
  const unlinked = addToReceipt(EMPTY_RECEIPT, { tags: [{ repository: APP, tag: tag('v1') }], manifests: [{ repository: APP, digest: d('image') }], bytesFreed: 100, directories: 3, warnings: ['odd'] })
  const swept = addToReceipt(EMPTY_RECEIPT, {
    manifests: [{ repository: APP, digest: d('image') }, { repository: APP, digest: d('rest') }],
    blobs: [{ digest: d('image'), bytes: 1000 }],
    kept: [{ digest: d('base'), by: [{ repository: APP, tags: [tag('v2')] }] }],
    bytesFreed: 1000,
    directories: 2,
    warnings: ['odd', 'odder']
  })
  const [job, other] = [await b.arrives({ receipt: unlinked }), await b.arrives({ receipt: unlinked })]
  await b.pass(1)
  await b.ends(await b.begun(1), collected(new Map([[job.id, swept]])))
  const { receipt } = b.now(job.id)
  t.same(receipt.counts, { tags: 1, manifests: 2, layerLinks: 0, blobs: 1 })
  t.same(receipt.manifests.map(({ digest }) => digest), [d('image'), d('rest')], 'what both name is named once')
  t.equal(receipt.bytesFreed, 1100)
  t.equal(receipt.directories, 5)
  t.same(receipt.warnings, ['odd', 'odder'])
  t.same(receipt.kept, swept.kept)
  t.same(b.now(other.id).receipt, unlinked)
})
