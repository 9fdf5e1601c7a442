/** The log of decisions: every line is there, whole and in order, whatever happens to the file. */
import { execFile } from 'node:child_process'
import { appendFile, open, readFile, readdir, rename, rm, stat, symlink, writeFile, type FileHandle } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { lineOf, type AuditEntry } from '../../src/audit/entry.js'
import { AuditLog, type AuditSettings, type NewEntry } from '../../src/audit/log.js'
import { temporaryDirectory } from '../support/temporary.js'
import { APP, tag } from './repository.js'

const entry = (user: string, change: Partial<NewEntry> = {}): NewEntry => ({ action: 'delete', outcome: 'accepted', who: { user }, target: { type: 'tag', repository: APP, tag: tag('v1') }, ...change })
const ALL = { limit: 1000 }

async function settingsFor (t: Test, change: Partial<AuditSettings> = {}): Promise<AuditSettings> {
  return { file: join(await temporaryDirectory(t), 'state', 'audit.jsonl'), maximumBytes: 1_000_000, keepFiles: 3, ...change }
}

async function usersIn (file: string): Promise<string[]> {
  return (await readFile(file, 'utf8')).split('\n').filter(line => line !== '').map(line => (JSON.parse(line) as AuditEntry).who.user!)
}
const users = async (log: AuditLog): Promise<string[]> => (await log.query(ALL)).entries.map(({ who }) => who.user!)
const numbers = (count: number): string[] => Array.from({ length: count }, (_, number) => `${number}`)

t.test('an entry is on the disk when its record resolves, and nobody else may read it', async t => {
  const settings = await settingsFor(t)
  const log = await AuditLog.open(settings)
  const given = entry('alice', { outcome: 'refused', who: { user: 'alice', address: '10.0.0.7', agent: 'crane/0.20' }, status: 409, code: 'DENIED', reason: 'the manifest is part of an index', bytes: 0, job: 'x-1' })
  await log.record(given)
  const text = await readFile(settings.file, 'utf8')
  const { at, ...written } = JSON.parse(text) as AuditEntry
  t.same(written, given)
  t.ok(Math.abs(Date.now() - Date.parse(at)) < 60_000)
  t.equal(text, lineOf({ at, ...given }))
  t.equal((await stat(settings.file)).mode & 0o077, 0)
  t.equal(log.problem, undefined)
})

t.test('what is written is flushed before its record resolves; many at once share that', async t => {
  const settings = await settingsFor(t)
  const log = await AuditLog.open(settings)
  const handle = await open(settings.file)
  const prototype = Object.getPrototypeOf(handle) as FileHandle
  await handle.close()
  const flushed: string[] = []
  const { datasync } = prototype
  t.teardown(() => { prototype.datasync = datasync })
  prototype.datasync = async function (this: FileHandle) {
    await datasync.call(this)
    flushed.push(await readFile(settings.file, 'utf8'))
  }
  await log.record(entry('alice'))
  t.match(flushed, [/"alice"/])
  await Promise.all(numbers(100).map(async user => { await log.record(entry(user)) }))
  t.match(flushed.at(-1), /"99"/)
  t.ok(flushed.length <= 3, `${flushed.length} times`)
})

t.test('many at once are written in order and whole', async t => {
  const settings = await settingsFor(t)
  const log = await AuditLog.open(settings)
  let last = -1
  await Promise.all(numbers(500).map(async user => {
    await log.record(entry(user))
    t.ok(Number(user) > last, 'in order')
    last = Number(user)
  }))
  t.same(await usersIn(settings.file), numbers(500))
  void log.record(entry('late'))
  await log.close()
  t.same((await users(log))[0], 'late', 'closing waits')
})

t.test('what clients say can neither break a line nor fill the disk', async t => {
  const settings = await settingsFor(t)
  const log = await AuditLog.open(settings)
  const evil = 'a\r\n{"at":"2000-01-01","action":"delete"}\n\u0000\u001b[2J\u2028\u0085"\\\ud800'
  await log.record(entry('evil', { who: { user: evil, address: evil, agent: evil }, reason: evil }))
  await log.record(entry('long', { who: { user: 'u'.repeat(9999), agent: '\u0000'.repeat(9999) }, reason: 'é'.repeat(255) + '😀😀' }))
  const lines = (await readFile(settings.file, 'utf8')).split('\n')
  t.equal(lines.length, 3)
  // eslint-disable-next-line no-control-regex
  t.notMatch(lines[0], /[\u0000-\u001f]/)
  const { entries: [long, first], skipped } = await log.query(ALL)
  t.equal(skipped, 0)
  t.same([first?.who.agent, first?.reason], [evil, evil])
  t.same([long?.who.user?.length, long?.who.agent?.length], [256, 256])
  t.equal(long?.reason, 'é'.repeat(255), 'no half of a character')
})

t.test('what an entry should not have is not written', async t => {
  const settings = await settingsFor(t)
  const log = await AuditLog.open(settings)
  await log.record({ ...entry('a', { who: { user: 'a', password: 'hush' } as { user: string } }), authorization: 'hush' } as NewEntry)
  t.notMatch(await readFile(settings.file, 'utf8'), /hush/)
})

t.test('a line that a crash has cut is closed off at the next start, skipped and counted', async t => {
  const settings = await settingsFor(t)
  const log = await AuditLog.open(settings)
  await log.record(entry('before'))
  const whole = lineOf({ at: new Date().toISOString(), ...entry('cut') })
  await appendFile(settings.file, whole.slice(0, whole.length / 2))
  t.match(await log.query(ALL), { skipped: 0, entries: [{ who: { user: 'before' } }] }, 'it may be being written')
  const again = await AuditLog.open(settings)
  t.equal((await readFile(settings.file, 'utf8')).at(-1), '\n')
  await again.record(entry('after'))
  t.match(await again.query(ALL), { skipped: 1, entries: [{ who: { user: 'after' } }, { who: { user: 'before' } }] })
  const size = (await stat(settings.file)).size
  await AuditLog.open(settings)
  t.equal((await stat(settings.file)).size, size, 'what is whole stays as it is')
})

t.test('files stay below their size; the older ones are kept, as many as are wanted', async t => {
  const line = Buffer.byteLength(lineOf({ at: new Date().toISOString(), ...entry('100') }))
  const settings = await settingsFor(t, { maximumBytes: 10 * line, keepFiles: 3 })
  const log = await AuditLog.open(settings)
  const written = Array.from({ length: 55 }, (_, number) => `${number + 100}`)
  for (const user of written.slice(0, 20)) await log.record(entry(user))
  await Promise.all(written.slice(20).map(async user => { await log.record(entry(user)) }))
  t.same((await readdir(dirname(settings.file))).sort(), ['', '.1', '.2', '.3'].map(end => basename(settings.file) + end))
  t.same(await usersIn(settings.file), written.slice(50))
  for (const age of [1, 2, 3]) {
    t.same(await usersIn(`${settings.file}.${age}`), written.slice(50 - 10 * age, 60 - 10 * age))
    t.equal((await stat(`${settings.file}.${age}`)).size, 10 * line)
    t.equal((await stat(`${settings.file}.${age}`)).mode & 0o077, 0)
  }
  t.same(await users(log), written.slice(20).reverse())
})

t.test('an entry larger than a file is written all the same; without older files the current one begins anew', async t => {
  const settings = await settingsFor(t, { maximumBytes: 10, keepFiles: 0 })
  const log = await AuditLog.open(settings)
  for (const user of ['a', 'b']) await log.record(entry(user))
  t.same(await usersIn(settings.file), ['b'])
  t.same(await readdir(dirname(settings.file)), [basename(settings.file)])
})

t.test('files that a smaller number does not allow go; files of others stay', async t => {
  const settings = await settingsFor(t, { maximumBytes: 10, keepFiles: 5 })
  const log = await AuditLog.open(settings)
  for (const user of numbers(6)) await log.record(entry(user))
  const names = ['audit.jsonl.bak', 'audit.jsonl.01', 'other.9']
  for (const name of names) await writeFile(join(dirname(settings.file), name), '')
  await (await AuditLog.open({ ...settings, keepFiles: 2 })).record(entry('6'))
  t.same((await readdir(dirname(settings.file))).sort(), [...names, ...['', '.1', '.2'].map(end => basename(settings.file) + end)].sort())
  t.same(await users(log), ['6', '5', '4'])
})

t.test('a crash while files get their next names loses none, and the next time fills the gap', async t => {
  const settings = await settingsFor(t, { maximumBytes: 10, keepFiles: 3 })
  const log = await AuditLog.open(settings)
  for (const user of ['a', 'b', 'c']) await log.record(entry(user))
  await rename(`${settings.file}.2`, `${settings.file}.3`)
  const again = await AuditLog.open(settings)
  t.same(await users(again), ['c', 'b', 'a'])
  await again.record(entry('d'))
  t.same(await users(again), ['d', 'c', 'b', 'a'])
  t.same(await usersIn(`${settings.file}.3`), ['a'])
})

/** The disk is full, truly: the kernel says so for whatever is written to this device. */
async function fillDisk (file: string): Promise<() => Promise<void>> {
  await rename(file, `${file}.aside`)
  await symlink('/dev/full', file)
  return async () => {
    await rm(file)
    await rename(`${file}.aside`, file)
  }
}

t.test('a full disk: nothing is thrown, it is said once, and what waited is written with the next entry', async t => {
  const settings = await settingsFor(t)
  const said: Array<string | undefined> = []
  const log = await AuditLog.open(settings, problem => { said.push(problem) })
  await log.record(entry('before'))
  const free = await fillDisk(settings.file)
  for (const user of ['1', '2', '3']) await log.record(entry(user))
  t.same(said, ['the log of decisions cannot be written (ENOSPC)'])
  t.equal(log.problem, said[0])
  await free()
  await log.record(entry('4'))
  t.same(await usersIn(settings.file), ['before', '1', '2', '3', '4'])
  t.same(said.slice(1), [undefined])
  t.equal(log.problem, undefined)
  t.equal(log.lost, 0)
})

t.test('what waits is bounded: the oldest are lost, and counted', async t => {
  const settings = await settingsFor(t)
  const log = await AuditLog.open(settings)
  const free = await fillDisk(settings.file)
  await Promise.all(numbers(1500).map(async user => { await log.record(entry(user)) }))
  await free()
  await log.record(entry('last'))
  t.same(await usersIn(settings.file), [...numbers(1500).slice(500), 'last'])
  t.equal(log.lost, 500)
})

t.test('a start without rights or room opens all the same, and the log mends itself', async t => {
  const settings = await settingsFor(t)
  await writeFile(dirname(settings.file), 'a file where the directory should be')
  const said: Array<string | undefined> = []
  const log = await AuditLog.open(settings, problem => { said.push(problem) })
  await log.record(entry('1'))
  t.same(said, ['the log of decisions cannot be written (ENOTDIR)'])
  await t.rejects(log.query(ALL), { statusCode: 503, message: 'the log of decisions cannot be read (ENOTDIR)' })
  await rm(dirname(settings.file))
  await log.record(entry('2'))
  t.same(await users(log), ['2', '1'])
  await rm(dirname(settings.file), { recursive: true })
  t.same(await log.query(ALL), { entries: [], skipped: 0 })
  await log.record(entry('3'))
  t.same(await users(log), ['3'], 'also when somebody has taken it away')
})

t.test('half of a write is taken back, so that nothing is there twice', async t => {
  const settings = await settingsFor(t)
  const script = fileURLToPath(new URL('../support/run-audit.ts', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, [...process.execArgv, script, settings.file, 'r'.repeat(256), '30'])
  t.same(JSON.parse(stdout), ['the log of decisions cannot be written (EFBIG)'])
  const text = await readFile(settings.file, 'utf8')
  t.equal(text.at(-1), '\n', 'it ends with a whole line')
  const there = await usersIn(settings.file)
  t.ok(there.length > 5 && there.length < 30, `${there.length} fitted`)
  t.same(there, numbers(there.length))
})

t.test('whoever reads at the same time sees whole entries, each once', async t => {
  const settings = await settingsFor(t, { maximumBytes: 4000, keepFiles: 100 })
  const log = await AuditLog.open(settings)
  const writing = Promise.all(numbers(1000).map(async (user, number) => { if (number % 50 === 0) await log.query({ limit: 1 }); await log.record(entry(user)) }))
  for (let seen: string[] = []; seen.length < 1000;) {
    const { entries, skipped } = await log.query(ALL)
    seen = entries.map(({ who }) => who.user!)
    if (skipped > 0 || new Set(seen).size !== seen.length) t.fail(`${skipped} skipped, ${seen.length} seen`)
  }
  await writing
  t.equal((await log.query(ALL)).entries.length, 1000)
})
