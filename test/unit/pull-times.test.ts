/** When what was last pulled: what is remembered, for how long, over restarts, and what a damaged file leads to. */
import { mkdir, readFile, readdir, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { PullTimesKeeper } from '../../src/composition/pull-times.js'
import type { Digest } from '../../src/oci/digest.js'
import type { RepositoryName, Tag } from '../../src/oci/name.js'
import { readPullTimes, savePullTimes } from '../../src/pull-times/file.js'
import { PullTimes } from '../../src/pull-times/pull-times.js'
import { writeBlocks } from '../../src/references/file.js'
import { temporaryDirectory, until } from '../support/temporary.js'

const APP = 'team/app' as RepositoryName
const OTHER = 'other' as RepositoryName
const tag = (name: string): Tag => name as Tag
const d = (letter: string): Digest => `sha256:${letter.repeat(64)}` as Digest

t.test('a tag is pulled by its name, a manifest by a tag or its digest', t => {
  const times = new PullTimes(0)
  times.pulled(APP, { tag: tag('v1') }, d('a'), 100)
  times.pulled(APP, { tag: tag('v2') }, d('a'), 200)
  t.equal(times.lastPull(APP, tag('v1')), 100, 'two tags of one manifest are told apart')
  t.equal(times.lastPull(APP, tag('v2')), 200)
  t.equal(times.lastPull(APP, d('a')), 200)
  t.equal(times.lastPullByDigest(APP, d('a')), undefined)
  times.pulled(APP, { digest: d('a') }, d('a'), 300)
  t.same([times.lastPull(APP, d('a')), times.lastPullByDigest(APP, d('a'))], [300, 300])
  t.equal(times.lastPull(APP, tag('v2')), 200, 'by digest is not by name')
  times.pulled(APP, { tag: tag('v3') }, undefined, 400)
  t.equal(times.lastPull(APP, tag('v3')), 400, 'what was got need not be known')
  t.equal(times.lastPull(OTHER, tag('v1')), undefined)
  t.equal(times.lastPull(APP, tag('none')), undefined)
  t.end()
})

t.test('a time never goes back, and a change is told by the version', t => {
  const times = new PullTimes(0)
  times.pulled(APP, { tag: tag('v1') }, undefined, 200)
  const { version } = times
  times.pulled(APP, { tag: tag('v1') }, undefined, 100)
  t.equal(times.lastPull(APP, tag('v1')), 200)
  t.equal(times.version, version)
  times.pulled(APP, { tag: tag('v1') }, undefined, 300)
  t.ok(times.version > version)
  t.end()
})

t.test('what is removed is not known any more, and all else is', t => {
  const times = new PullTimes(0)
  for (const repository of [APP, OTHER]) {
    times.pulled(repository, { tag: tag('v1') }, d('a'), 1)
    times.pulled(repository, { tag: tag('v2') }, d('b'), 2)
    times.pulled(repository, { digest: d('a') }, d('a'), 3)
    times.restored(repository, [tag('v1'), tag('v2')], 4)
  }
  times.removed({ repository: APP, tags: [{ tag: tag('v1') }], manifests: [d('a')] })
  t.same([times.lastPull(APP, tag('v1')), times.lastPull(APP, d('a')), times.restoredAt(APP, tag('v1'))], [undefined, undefined, undefined])
  t.same([times.lastPull(APP, tag('v2')), times.lastPull(APP, d('b')), times.restoredAt(APP, tag('v2'))], [2, 2, 4])
  t.same([times.lastPull(OTHER, tag('v1')), times.lastPull(OTHER, d('a'))], [1, 3])
  times.removed({ repository: APP, tags: [{ tag: tag('v2') }], manifests: [d('b')] })
  times.removed({ repository: APP, tags: [{ tag: tag('v2') }], manifests: [] })
  t.same([...times.entries()].map(([name]) => name), [OTHER], 'nothing is left of it')
  t.end()
})

t.test('when there are too many, the oldest are forgotten, and nothing looks older than it is', t => {
  const times = new PullTimes(5, 100)
  const pulledAt = (number: number): number => 1000 + number
  for (let number = 0; number < 1000; number++) times.pulled(`app/${number % 7}` as RepositoryName, { tag: tag(`v${number}`) }, undefined, pulledAt(number))
  const known = Array.from({ length: 1000 }, (_, number) => times.lastPull(`app/${number % 7}` as RepositoryName, tag(`v${number}`)))
  t.ok(known.filter(at => at !== undefined).length <= 100)
  t.ok(known.filter(at => at !== undefined).length >= 85)
  t.equal(known[999], pulledAt(999))
  for (const [number, at] of known.entries()) if ((at ?? times.since) < pulledAt(number)) t.fail(`${number} looks older than it is`)
  t.ok(times.since < pulledAt(999))
  t.end()
})

t.test('what is saved is read again, all of it', async t => {
  const path = join(await temporaryDirectory(t), 'pulls')
  const times = new PullTimes(17)
  times.pulled(APP, { tag: tag('v1') }, d('a'), 100)
  times.pulled(OTHER, { digest: d('b') }, d('b'), 200.5)
  times.restored(OTHER, [tag('v9')], 300)
  await savePullTimes(path, times)
  const read = await readPullTimes(path)
  if (read.outcome !== 'read') return t.fail(read.outcome)
  t.equal(read.times.since, 17)
  t.same([...read.times.entries()], [...times.entries()])
  t.equal((await readPullTimes(join(path, '..', 'none'))).outcome, 'missing')
})

t.test('a file that was cut, changed, or is another one is noticed', async t => {
  const path = join(await temporaryDirectory(t), 'pulls')
  const times = new PullTimes(17)
  times.pulled(APP, { tag: tag('v1') }, d('a'), 100)
  await savePullTimes(path, times)
  const whole = await readFile(path)
  const isDamaged = async (what: string): Promise<void> => { t.equal((await readPullTimes(path)).outcome, 'damaged', what) }
  for (const size of [0, 1, 10, whole.length - 40, whole.length - 1]) {
    await writeFile(path, whole)
    await truncate(path, size)
    await isDamaged(`cut to ${size} of ${whole.length}`)
  }
  for (let at = 0; at < whole.length; at += 13) {
    const changed = Buffer.from(whole)
    changed[at] = changed[at]! ^ 1
    await writeFile(path, changed)
    await isDamaged(`changed at ${at}`)
  }
  const block = (type: number, value: unknown) => ({ type, bytes: Buffer.from(JSON.stringify(value)) })
  const head = block(1, { format: 'delgate pull times', version: 1, since: 1 })
  const strange: ReadonlyArray<readonly [string, ReadonlyArray<ReturnType<typeof block>>]> = [
    ['another version', [block(1, { format: 'delgate pull times', version: 2, since: 1 })]],
    ['another format', [block(1, { format: 'another', version: 1, since: 1 })]],
    ['no time', [block(1, { format: 'delgate pull times', version: 1, since: 'x' })]],
    ['no repository', [head, block(2, { repository: '../x', named: [], tagged: [], restored: [] })]],
    ['no tag', [head, block(2, { repository: 'app', named: [['a b', 1]], tagged: [], restored: [] })]],
    ['no digest', [head, block(2, { repository: 'app', named: [], tagged: [['v1', 1]], restored: [] })]],
    ['no list', [head, block(2, { repository: 'app' })]],
    ['nothing', [head, block(2, null)]]
  ]
  for (const [what, blocks] of strange) {
    await writeBlocks(path, blocks)
    await isDamaged(what)
  }
})

interface Said { readonly level: string, readonly message: string }

function logTo (said: Said[]) {
  const at = (level: string) => (_details: object, message: string): void => { said.push({ level, message }) }
  return { info: at('info'), warn: at('warn') }
}

async function opened (t: Test): Promise<{ directory: string, said: Said[], open: (now?: number, everyMs?: number) => Promise<PullTimesKeeper> }> {
  const directory = await temporaryDirectory(t)
  const said: Said[] = []
  return { directory, said, open: async (now, everyMs) => await PullTimesKeeper.open({ state: { directory, reserveBytes: 0 } }, logTo(said), { now, everyMs }) }
}

t.test('the record begins with the first start, also when nothing is pulled before it is killed', async t => {
  const { directory, said, open } = await opened(t)
  t.equal((await open(100)).times.since, 100)
  const keeper = await open(200)
  t.equal(keeper.times.since, 100)
  keeper.times.pulled(APP, { tag: tag('v1') }, undefined, 150)
  await keeper.stop()
  const { times } = await open(300)
  t.same([times.since, times.lastPull(APP, tag('v1'))], [100, 150])
  t.same(said, [])
  t.same(await readdir(directory), ['pulls'])
})

t.test('what was pulled is saved while it runs: a crash takes no more than the last moment', async t => {
  const { open } = await opened(t)
  const keeper = await open(100, 10)
  keeper.start()
  t.teardown(async () => { await keeper.stop() })
  for (const at of [150, 160]) {
    keeper.times.pulled(APP, { tag: tag('v1') }, undefined, at)
    await until('it is saved', async () => (await open()).times.lastPull(APP, tag('v1')) === at)
  }
})

t.test('a record that cannot be used begins anew with a warning', async t => {
  const { directory, said, open } = await opened(t)
  const keeper = await open(100)
  keeper.times.pulled(APP, { tag: tag('v1') }, undefined, 150)
  await keeper.stop()
  await truncate(join(directory, 'pulls'), 30)
  const { times } = await open(200)
  t.same([times.since, times.lastPull(APP, tag('v1'))], [200, undefined])
  t.match(said, [{ level: 'warn', message: /cannot be used: it begins anew/ }])
  t.equal((await open(300)).times.since, 200, 'and is whole again')
  t.equal(said.length, 1)
})

t.test('what cannot be saved is said once, and tried again', async t => {
  const { said, open, directory } = await opened(t)
  const keeper = await open(100)
  // Something in the way of the temporary file: rights do not hold for root.
  await mkdir(join(directory, 'pulls.tmp'))
  for (const at of [1, 2]) {
    keeper.times.pulled(APP, { tag: tag('v1') }, undefined, at)
    await keeper.stop()
  }
  t.match(said, [{ level: 'warn', message: /could not be saved/ }])
  await rm(join(directory, 'pulls.tmp'), { recursive: true })
  await keeper.stop()
  t.match(said, [{ level: 'warn' }, { level: 'info', message: /can be saved again/ }])
  t.equal((await open(200)).times.lastPull(APP, tag('v1')), 2)
})
