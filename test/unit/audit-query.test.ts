/** Asking the log: what a query string means, and pages that neither repeat nor leave out. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { lineOf, type AuditEntry } from '../../src/audit/entry.js'
import { AuditLog } from '../../src/audit/log.js'
import { matches, parseAuditQuery } from '../../src/audit/query.js'
import { temporaryDirectory } from '../support/temporary.js'
import { APP, d, repository, tag } from './repository.js'

const AT = '2026-01-31T12:00:00.000Z'
const entry = (change: Partial<AuditEntry> = {}): AuditEntry => ({ at: AT, action: 'delete', outcome: 'done', who: { user: 'alice' }, target: { type: 'tag', repository: APP, tag: tag('v1') }, ...change })

t.test('a query string', t => {
  t.same(JSON.parse(JSON.stringify(parseAuditQuery(''))), { limit: 100 })
  t.same(parseAuditQuery('action=empty-trash&outcome=refused&user=a%20b&repository=team/app&job=1-a&since=2026-01-31&until=2026-01-31T13:00:00%2B01:00&limit=7&before=0123456789abcdef-42'), {
    action: 'empty-trash', outcome: 'refused', user: 'a b', repository: 'team/app', job: '1-a', since: Date.parse('2026-01-31T00:00:00Z'), until: Date.parse(AT), limit: 7, before: { file: '0123456789abcdef', offset: 42 }
  })
  t.end()
})

t.test('what makes no sense is refused, and says what would', t => {
  const wrong: Record<string, RegExp> = {
    'actoin=delete': /^unknown query parameter; known here: action, outcome, user, repository, job, since, until, limit, before$/,
    'limit=1&limit=2': /^query parameter limit is given twice$/,
    'action=steal': /^action must be one of delete, collect, cancel, undo, empty-trash, overwrite$/,
    'outcome=': /^outcome must be one of accepted, refused, done, failed, cancelled$/,
    'user=': /^user must have 1 to 256/,
    ['job=' + 'x'.repeat(257)]: /^job must have 1 to 256/,
    'repository=../x': /^repository must be the name/,
    'since=yesterday': /^since must be a time/,
    'until=2026-13-01': /^until must be a time/,
    'since=2026-01-31T12:00:00': /^since must be a time/,
    'limit=0': /^limit must be a number from 1 to 1000$/,
    'limit=1001': /^limit must be/,
    'before=x': /^before must be what "next"/,
    'before=0123456789abcdef-9999999999999999': /^before must be/
  }
  for (const [search, message] of Object.entries(wrong)) t.throws(() => parseAuditQuery(search), { statusCode: 400, code: 'REQUEST_INVALID', message }, search)
  t.end()
})

t.test('which entries are meant', t => {
  const meant = (search: string, change: Partial<AuditEntry> = {}): boolean => matches(parseAuditQuery(search), entry(change))
  t.ok(meant(''))
  for (const search of ['action=delete', 'outcome=done', 'user=alice', 'repository=team/app', `since=${AT}`, 'until=2026-01-31T12:00:00.001Z']) t.ok(meant(search), search)
  for (const search of ['action=undo', 'outcome=failed', 'user=al', 'user=bob', 'repository=team', 'repository=team/app/x', 'job=1', 'since=2026-01-31T12:00:00.001Z', `until=${AT}`]) t.notOk(meant(search), search)
  t.ok(meant('job=1', { job: '1' }))
  t.notOk(meant('user=alice', { who: {} }))
  const about = (target: AuditEntry['target']): boolean => meant('repository=team/app', { target })
  t.ok(about({ type: 'everything' }) && about({ type: 'untagged' }) && about({ type: 'manifest', repository: APP, digest: d('m') }) && about({ type: 'repository', repository: APP, recursive: false }))
  t.ok(about({ type: 'repository', repository: repository('team'), recursive: true }), 'it lies within')
  t.notOk(about({ type: 'repository', repository: repository('team'), recursive: false }))
  t.notOk(about({ type: 'repository', repository: repository('team/ap'), recursive: true }))
  t.notOk(about({ type: 'garbage' }) || about({ type: 'trash' }))
  t.end()
})

async function logOf (t: Test, maximumBytes = 5000, keepFiles = 100): Promise<{ log: AuditLog, file: string }> {
  const file = join(await temporaryDirectory(t), 'audit.jsonl')
  return { log: await AuditLog.open({ file, maximumBytes, keepFiles }), file }
}

const moment = (number: number): string => new Date(Date.parse(AT) + number * 1000).toISOString()
const fill = async (log: AuditLog, from: number, to: number): Promise<void> => {
  for (let number = from; number < to; number++) await log.record(entry({ at: moment(number), who: { user: number % 2 === 0 ? 'even' : 'odd' }, job: `${number}` }))
}
const down = (from: number, to: number, step = 1): string[] => Array.from({ length: Math.ceil((from - to) / step) }, (_, at) => `${from - 1 - at * step}`)

t.test('pages go from the newest to the oldest, over all files, while entries come in', async t => {
  const { log } = await logOf(t)
  await fill(log, 0, 200)
  const seen: string[] = []
  let before: string | undefined
  let added = 200
  let pages = 0
  do {
    const { entries, next } = await log.query(parseAuditQuery(`limit=7${before === undefined ? '' : `&before=${before}`}`))
    seen.push(...entries.map(({ job }) => job!))
    before = next
    pages++
    await fill(log, added, added += 20) // Several files get other names meanwhile.
  } while (before !== undefined)
  t.same(seen, down(200, 0))
  t.equal(pages, Math.ceil(200 / 7))
})

t.test('a filter, a time, and a page that is just full', async t => {
  const { log } = await logOf(t)
  await fill(log, 0, 100)
  const jobs = async (search: string): Promise<Array<string | undefined>> => (await log.query(parseAuditQuery(search))).entries.map(({ job }) => job)
  t.same(await jobs('user=odd'), down(100, 0, 2))
  t.same(await jobs(`since=${moment(40)}&until=${moment(50)}`), down(50, 40))
  t.same(await jobs('job=3'), ['3'])
  t.equal((await log.query(parseAuditQuery('limit=100'))).next, undefined, 'nothing is left')
  t.type((await log.query(parseAuditQuery('limit=99'))).next, 'string')
})

t.test('a page whose file is gone is empty', async t => {
  const { log } = await logOf(t, 1000, 1)
  await fill(log, 0, 3)
  const { next } = await log.query(parseAuditQuery('limit=1'))
  await fill(log, 3, 40)
  t.same(await log.query(parseAuditQuery(`before=${next}`)), { entries: [], skipped: 0 })
})

t.test('a clock that was set back does not hide entries', async t => {
  const { log } = await logOf(t)
  for (const [job, seconds] of [['1', 0], ['2', 1800], ['3', -600], ['4', 60]] as const) await log.record(entry({ at: moment(seconds), job }))
  t.same((await log.query(parseAuditQuery(`since=${moment(0)}`))).entries.map(({ job }) => job), ['4', '2', '1'])
})

t.test('only as much is read as the time asks for', async t => {
  const { log, file } = await logOf(t)
  await writeFile(file, 'no entry\n' + lineOf(entry({ at: moment(-9999) })) + lineOf(entry({ at: moment(0), job: 'x' })))
  t.match(await log.query(parseAuditQuery(`since=${moment(0)}`)), { entries: [{ job: 'x' }], skipped: 0 })
  t.match(await log.query(parseAuditQuery('')), { skipped: 1 })
})

t.test('lines that lie across blocks, of several bytes a character, and none of the log\'s', async t => {
  const { log, file } = await logOf(t)
  const lines: string[] = []
  for (let number = 0; number < 600; number++) {
    lines.push(lineOf(entry({ job: `${number}`, reason: '€'.repeat(number % 257) })))
    if (number % 100 === 0) lines.push('\n', 'x'.repeat(number * 1000) + '\n', '{}\n', 'null\n', lineOf(entry({ at: 'never' })))
  }
  await writeFile(file, lines.join('') + '{"half')
  const { entries, skipped } = await log.query({ limit: 1000 })
  t.same(entries.map(({ job }) => job), down(600, 0))
  t.ok(entries.every(({ reason, job }) => reason === '€'.repeat(Number(job) % 257)))
  t.equal(skipped, 5 + 18, 'empty lines are nothing')
})
