/** What the trash keeps while something else happens to it: each interleaving is forced. */
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { KeptAside } from '../../src/storage/kept-aside.js'
import * as paths from '../../src/storage/paths.js'
import { TreeWriter } from '../../src/storage/write.js'
import { Trash } from '../../src/trash/trash.js'
import type { Kept } from '../../src/trash/record.js'
import { temporaryDirectory, until } from '../support/temporary.js'
import { APP, d, tag } from './repository.js'

const HOUR = 3_600_000
const V1 = paths.tagDirectory(APP, tag('v1'))
const PLAN: Kept = { repository: APP, tags: [{ tag: tag('v1'), digest: d('one') }], manifests: [], history: [], layers: [], candidates: [d('content')] }

/** A disk on which everything that happens is noted, and something can be done in the middle of writing a record. */
class Watched extends KeptAside {
  readonly events: string[] = []
  onRecord: () => Promise<void> = async () => {}

  override async writeRecord (job: string, number: number, text: string): Promise<void> {
    this.events.push('record begins')
    await this.onRecord()
    await super.writeRecord(job, number, text)
    this.events.push('record ends')
  }

  override async tidy (): Promise<void> {
    this.events.push('tidy')
    await super.tidy()
  }

  override async dropBlob (digest: Parameters<KeptAside['dropBlob']>[0]): Promise<void> {
    this.events.push('blob goes')
    await super.dropBlob(digest)
  }
}

interface Setup { root: string, disk: Watched, trash: Trash, running: Set<string>, purged: string[], beforePurged: { run: () => Promise<void> } }

async function setUp (t: Test, maximumBytes?: number): Promise<Setup> {
  const root = await temporaryDirectory(t)
  for (const path of [paths.tagCurrentLink(APP, tag('v1')), paths.blobData(d('content'))]) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), 'some bytes')
  }
  const disk = new Watched(new TreeWriter(root))
  const [running, purged, beforePurged] = [new Set<string>(), [] as string[], { run: async () => {} }]
  const trash = await Trash.open(disk, {
    maximumBytes,
    isRunning: job => running.has(job),
    onPurged: async jobs => { await beforePurged.run(); purged.push(...jobs) },
    log: { info () {}, warn ({ err }: { err?: unknown }) { t.fail('a warning', { err }) } }
  }, () => true)
  t.teardown(() => { trash.close() })
  disk.events.length = 0
  return { root, disk, trash, running, purged, beforePurged }
}

const keep = async (trash: Trash, id: string, plan = PLAN): ReturnType<Trash['begin']> => await trash.begin({ id, keepUntil: Date.now() + HOUR }, plan)

t.test('the place is not removed, nor what is needed, while a deletion is about to put something there', async t => {
  const { disk, trash } = await setUp(t)
  await keep(trash, 'first')
  await trash.keep(d('content'))
  let emptying: Promise<unknown> = Promise.resolve()
  disk.events.length = 0
  disk.onRecord = async () => {
    emptying = trash.empty(trash.jobs())
    // Far more turns than the emptying needs where nothing holds it up.
    for (let turns = 0; turns < 200; turns++) await turn()
  }
  const taker = await keep(trash, 'second')
  await emptying
  t.same(disk.events.slice(0, 2), ['record begins', 'record ends'], 'one after the other')
  // The trash also tidies up by itself from time to time.
  t.same(new Set(disk.events.slice(2)), new Set(['tidy']), 'and the second still needs the blob')
  t.match(await taker!.remove(V1), { bytes: 0, inTrash: 10 })
  t.same(await disk.jobs(), ['second'])
})

t.test('what is kept of a job that still runs is freed once it has ended', async t => {
  const { root, disk, trash, running, purged } = await setUp(t)
  running.add('job')
  const taker = await keep(trash, 'job')
  t.same(await trash.empty(trash.jobs()), { jobs: 0, bytesFreed: 0 })
  t.match(await taker!.remove(V1), { inTrash: 10 })
  t.same(await disk.jobs(), ['job'])
  t.same(purged, [])
  running.delete('job')
  await until('it is freed', async () => (await disk.jobs()).length === 0)
  t.same(purged, ['job'])
  t.same(trash.stats, { jobs: 0, bytes: 0 })
  await until('nothing is left', async () => !(await readdir(root)).includes('delgate-trash'))
})

t.test('nobody begins to undo what is being freed, and what is being undone is not freed', async t => {
  const { trash, purged, beforePurged } = await setUp(t)
  await keep(trash, 'job')
  const reserved = trash.reserve('job')
  t.same(await trash.empty(trash.jobs()), { jobs: 0, bytesFreed: 0 })
  t.same(purged, [])
  reserved!.release()
  beforePurged.run = async () => { t.equal(trash.reserve('job'), undefined, 'in the very moment') }
  t.match(await trash.empty(trash.jobs()), { jobs: 1 })
  t.same(purged, ['job'])
})

t.test('links are not lost where their new place vanishes', async t => {
  const { root, trash } = await setUp(t)
  const taker = await keep(trash, 'job')
  class Vanishing extends TreeWriter {
    override async rename (): ReturnType<TreeWriter['rename']> { return 'nowhere' }
  }
  await t.rejects(new KeptAside(new Vanishing(root)).take('job', V1), /is gone again/)
  t.match(await taker!.remove(V1), { inTrash: 10 })
})

t.test('over its size the oldest go; what is too much by itself goes alone', async t => {
  const { root, trash, running, purged } = await setUp(t, 100)
  const sizes = { old: 40, next: 40, large: 150, last: 30 }
  const add = async (id: keyof typeof sizes): Promise<void> => {
    const content = paths.blobData(d(id))
    await mkdir(dirname(join(root, content)), { recursive: true })
    await writeFile(join(root, content), Buffer.alloc(sizes[id]))
    await keep(trash, id, { ...PLAN, candidates: [d(id)] })
    await trash.keep(d(id))
    await trash.limit()
  }
  for (const id of ['old', 'next'] as const) await add(id)
  t.same([purged, trash.stats.bytes], [[], 80])
  await add('large')
  t.same([purged, trash.stats.bytes], [['large'], 80], 'what others have deleted can still be undone')
  await add('last')
  t.same([purged, trash.stats.bytes], [['large', 'old'], 70])
  running.add('large')
  await add('large')
  t.same([purged, trash.stats.bytes], [['large', 'old'], 220], 'while it still runs, nobody else pays for it')
  running.delete('large')
  await until('it has gone', () => trash.stats.bytes < 220)
  t.same([purged, trash.stats.bytes], [['large', 'old', 'large'], 70])
})

t.test('what came after somebody looked is not emptied', async t => {
  const { trash, purged } = await setUp(t)
  await keep(trash, 'job')
  const jobs = trash.jobs()
  await keep(trash, 'later')
  t.match(await trash.empty(jobs), { jobs: 1 })
  t.same(purged, ['job'])
  t.same(trash.repositories(['job', 'later', 'unknown']), [APP])
})
