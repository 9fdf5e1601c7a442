/** The queue of notifications on the disk: in order, bounded, and there again after a crash. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { DiskQueue } from '../../src/notifications/queue.js'
import { interposeSync } from '../support/sync.js'
import { temporaryDirectory, until } from '../support/temporary.js'

const directoryOf = async (t: Test): Promise<string> => join(await temporaryDirectory(t), 'notifications', 'a')

async function drain (queue: DiskQueue): Promise<string[]> {
  const texts: string[] = []
  for (let first = await queue.first(); first !== undefined; first = await queue.first()) {
    texts.push(first.text)
    await queue.remove(first.number)
  }
  return texts
}

t.test('what was added comes out in order, also in the next process, and nobody else may read it', async t => {
  const directory = await directoryOf(t)
  const queue = await DiskQueue.open(directory, 100)
  t.equal(await queue.first(), undefined)
  await Promise.all(['a', 'b', 'c'].map(async text => { await queue.add(text) }))
  t.equal(queue.size, 3)
  t.same((await readdir(directory)).sort(), ['0000000000000001.json', '0000000000000002.json', '0000000000000003.json'])
  t.equal((await stat(join(directory, '0000000000000001.json'))).mode & 0o077, 0)
  const again = await DiskQueue.open(directory, 100)
  await again.add('d')
  t.same(await drain(again), ['a', 'b', 'c', 'd'])
  t.same(await readdir(directory), [])
  await again.add('e')
  t.same(await drain(again), ['e'])
})

t.test('numbers are compared as numbers, and what is none of the queue\'s is left alone', async t => {
  const directory = await directoryOf(t)
  await mkdir(directory, { recursive: true })
  for (const [name, text] of [['9999999999999', 'b'], ['10', 'a'], ['10000000000000', 'c']]) await writeFile(join(directory, `${name!.padStart(16, '0')}.json`), text!)
  for (const name of ['notes.txt', '7.json']) await writeFile(join(directory, name), 'x')
  const queue = await DiskQueue.open(directory, 100)
  await queue.add('d')
  t.same(await drain(queue), ['a', 'b', 'c', 'd'])
  t.same(await readdir(directory), ['7.json', 'notes.txt'])
})

t.test('when it is full the oldest goes, which is counted, and said once until there is room', async t => {
  const directory = await directoryOf(t)
  let told = 0
  const queue = await DiskQueue.open(directory, 3, () => { told++ })
  for (const text of ['a', 'b', 'c', 'd', 'e']) await queue.add(text)
  t.same([queue.size, queue.dropped, told], [3, 2, 1])
  await queue.remove((await queue.first())!.number)
  for (const text of ['f', 'g']) await queue.add(text)
  t.same([queue.size, queue.dropped, told], [3, 3, 2])
  t.equal((await readdir(directory)).length, 3)
  const smaller = await DiskQueue.open(directory, 2)
  t.same(await drain(smaller), ['f', 'g'], 'also at a start with a smaller number')
})

t.test('what is being delivered may go meanwhile', async t => {
  const queue = await DiskQueue.open(await directoryOf(t), 1)
  await queue.add('a')
  const { number } = (await queue.first())!
  await queue.add('b')
  await queue.remove(number)
  t.same(await drain(queue), ['b'])
})

t.test('one that cannot be added harms none of the others', async t => {
  const directory = await directoryOf(t)
  const queue = await DiskQueue.open(directory, 100)
  await queue.add('a')
  await queue.add('b')
  await rm(join(directory, '0000000000000001.json'))
  await mkdir(join(directory, '0000000000000003.json.tmp'))
  await t.rejects(queue.add('c'), { code: 'EISDIR' })
  await rm(join(directory, '0000000000000003.json.tmp'), { recursive: true })
  await queue.add('d')
  t.same(await drain(queue), ['b', 'd'], 'and one that somebody took away is passed over')
  await rm(dirname(directory), { recursive: true })
  await queue.add('e')
  t.same(await drain(queue), ['e'])
})

t.test('the names are flushed, too, also of directories that were made for it; where that fails nothing was added', async t => {
  const directory = await directoryOf(t)
  const root = dirname(dirname(directory))
  const flushed: string[] = []
  let fails = false
  await interposeSync(t, root, async ({ path, isDirectory, sync }) => {
    if (isDirectory) flushed.push(relative(root, path) || '.')
    if (fails && flushed.at(-1) === join('notifications', 'a')) throw Object.assign(new Error('EIO'), { code: 'EIO' })
    await sync()
  })
  const queue = await DiskQueue.open(directory, 100)
  await queue.add('a')
  t.same(flushed.splice(0), ['.', 'notifications', 'notifications/a'])
  await queue.add('b')
  t.same(flushed.splice(0), ['notifications/a'])
  fails = true
  await t.rejects(queue.add('c'), { code: 'EIO' })
  fails = false
  await queue.add('d')
  t.same(await drain(queue), ['a', 'b', 'd'])
})

t.test('after a kill -9 everything that was said to be there is there, whole', async t => {
  const directory = await directoryOf(t)
  const child = spawn(process.execPath, [...process.execArgv, fileURLToPath(new URL('../support/run-queue.ts', import.meta.url)), directory], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  let said = ''
  child.stdout.on('data', (chunk: Buffer) => { said += chunk.toString() })
  await until('fifty are there', () => said.split('\n').length > 50, 60_000, 1)
  child.kill('SIGKILL')
  await once(child, 'close')
  await writeFile(join(directory, '0000000000009999.json.tmp'), '{"half')
  const there = (await drain(await DiskQueue.open(directory, 100_000))).map(text => (JSON.parse(text) as { number: number }).number)
  t.ok(there.length >= said.trim().split('\n').length)
  t.same(there, there.map((_, at) => at + 1))
  t.same(await readdir(directory), [], 'nothing half is left')
})
