/** What the page makes of what it is told: sizes, times, addresses, pictures, words. */
import t from 'tap'
import { parseChallenge } from '../../src/page/api/challenge.js'
import { NOTHING, takeEvents, type Begun } from '../../src/page/api/events.js'
import type { Job, Receipt, Target } from '../../src/interface/jobs.js'
import { rehearsalUrl, urlOf } from '../../src/page/api/url.js'
import { count, formatAgo, formatBytes } from '../../src/page/model/format.js'
import { deletionPath, repositoryPath } from '../../src/page/model/paths.js'
import { keepersOf, partsOf } from '../../src/page/model/preview.js'
import { hrefOf, parseRoute, type Route } from '../../src/page/model/route.js'
import { searchGlob } from '../../src/page/model/search.js'
import { seriesOf } from '../../src/page/model/series.js'
import { keptOf, unlistedWords } from '../../src/page/model/trash.js'
import { hasEnded } from '../../src/interface/jobs.js'
import { canUndo, cancelWords, jobTitle, outcomeWords, refusalWords } from '../../src/page/model/words.js'
import type { Target as GateTarget } from '../../src/deletion/target.js'
import { parseGlob } from '../../src/oci/glob.js'
import { parseRepositoryName } from '../../src/oci/name.js'

t.test('sizes, counts and times', async t => {
  t.same([0, 1, 999, 1000, 1005, 12_345, 999_499, 999_500, 1e6, 4.2e9, 1e18].map(formatBytes), ['0 bytes', '1 byte', '999 bytes', '1.00 kB', '1.00 kB', '12.3 kB', '999 kB', '1.00 MB', '1.00 MB', '4.20 GB', '1000 PB'])
  t.same([count(1, 'tag'), count(2000, 'repository', 'repositories')], ['1 tag', '2,000 repositories'])
  const now = Date.parse('2026-01-10T00:00:00Z')
  t.same(['2026-01-09T23:59:30Z', '2026-01-10T00:00:30Z', '2026-01-09T22:00:00Z', '2026-01-09T00:00:00Z', '2026-01-12T00:00:00Z', '2024-01-01T00:00:00Z'].map(at => formatAgo(at, now)), ['just now', 'in a moment', '2 hours ago', 'yesterday', 'in 2 days', '2 years ago'])
})

t.test('addresses lead there and back', async t => {
  const routes: Route[] = [{ view: 'repositories' }, { view: 'repository', name: 'team/app.x_y--z' }, { view: 'jobs' }, { view: 'job', id: '0mw-1' }, { view: 'trash' }, { view: 'disk' }]
  for (const route of routes) t.same(parseRoute(hrefOf(route)), route)
  t.same(['', '#', '#/', '#/nowhere', '#/repositories', '#/repositories/'].map(parseRoute), Array(6).fill({ view: 'repositories' }))
  t.same(parseRoute('#/repositories/team%2Fapp'), { view: 'repository', name: 'team/app' })
  for (const wrong of ['team/app%23', 'team/app%3Fdry-run', 'team/../app', 'team/%2e%2e', 'Team', 'team//app', 'team/app/', 'a b', 'a%2', '%00', `a${'%61'.repeat(255)}`]) t.same(parseRoute(`#/repositories/${wrong}`), { view: 'repositories' }, `${wrong} is no name`)
})

t.test('the page knows the same names as the gate', async t => {
  const names = ['a', 'a/b', 'a.b_c__d---e/0', 'a'.repeat(255), 'a'.repeat(256), '', '/', 'a/', '/a', 'a//b', 'a..b', 'a._b', 'a___b', '-a', 'a-', 'A', 'a#', 'a?b', 'a%23', '.', '..', 'a/../b', 'a\n', 'ä', 'a:1', 'a@b']
  const isShown = (name: string): boolean => parseRoute(`#/repositories/${encodeURIComponent(name)}`).view === 'repository'
  t.same(names.filter(isShown), names.filter(name => parseRepositoryName(name) !== undefined))
  t.equal(names.filter(isShown).length, 4)
})

t.test('what is asked for is where it is meant, whatever a name contains; a dry run stays one', async t => {
  const base = 'https://example.org/below/delgate/'
  t.equal(urlOf(repositoryPath('team/app.x'), base).href, 'https://example.org/below/delgate/v1/repositories/team/app.x')
  const dooms = [{ type: 'tag', tag: 'v1?#' }, { type: 'tags' }, { type: 'repository' }] as const
  for (const repository of ['team/app', 'team/app#', 'team/app?x']) {
    const path = repository.replace('#', '%23').replace('?', '%3F')
    t.equal(urlOf(repositoryPath(repository), base).pathname, `/below/delgate/v1/repositories/${path}`)
    t.same(dooms.map(doomed => urlOf(deletionPath({ ...doomed, repository }), base).href), ['/manifests/v1%3F%23', '/tags/list', ''].map(end => `https://example.org/below/v2/${path}${end}`))
  }
  for (const [path, search] of [['../v2/a', '?dry-run=true'], ['../v2/a?recursive=true', '?recursive=true&dry-run=true'], ['../v2/a#', '?dry-run=true'], ['../v2/a#?dry-run=true', '?dry-run=true'], ['../v2/a?dry-run=false', '?dry-run=true']] as const) t.equal(rehearsalUrl(path, base).search, search, path)
})

t.test('what is typed into a search finds parts of names, and globs are taken as they are', async t => {
  t.equal(searchGlob('  '), undefined)
  for (const [typed, name, finds] of [['app', 'team/app-x', true], ['m/a', 'team/app', true], ['app', 'a/pp', false], ['team/*', 'team/app', true], ['team/*', 'team/app/x', false], ['team/**', 'team/app/x', true]] as const) t.equal(parseGlob(searchGlob(typed)!)(name), finds, `${typed} in ${name}`)
})

const RECEIPT: Receipt = {
  counts: { tags: 1, manifests: 1, layerLinks: 2, blobs: 2 },
  tags: [],
  blobs: [{ digest: 'a', bytes: 10 }, { digest: 'b', bytes: 30 }],
  bytesFreed: 45,
  bytesInTrash: 0,
  kept: [
    { digest: 'c', bytes: 7, by: [{ repository: 'app', tags: ['2'] }, { repository: 'base', tags: ['latest'] }] },
    { digest: 'd', bytes: 5, by: [{ repository: 'app', tags: ['2', '3'] }] },
    { digest: 'e', by: [{ repository: 'app', tags: [] }] }
  ],
  warnings: []
}

t.test('the picture of a deletion: what goes, what others share, what other tags here keep', async t => {
  t.same(partsOf(RECEIPT, 'app'), [
    { kind: 'freed', pieces: [30, 10], bytes: 45 },
    { kind: 'shared', pieces: [7], bytes: 7 },
    { kind: 'kept', pieces: [5, 0], bytes: 5 }
  ])
  t.same(keepersOf(RECEIPT), [{ repository: 'app', tags: ['2', '3'], bytes: 12 }, { repository: 'base', tags: ['latest'], bytes: 7 }])
  const many = { ...RECEIPT, blobs: Array.from({ length: 100 }, (_, at) => ({ digest: String(at), bytes: 1 })) }
  const [freed] = partsOf(many, 'app')
  t.same([freed!.pieces.length, freed!.pieces.at(-1)], [25, 76], 'small ones are one piece')
})

t.test('samples become lines', async t => {
  const at = (hour: number): string => new Date(hour * 3_600_000).toISOString()
  const sample = (hour: number, storedBytes: number, usedBytes: number, trashBytes: number) => ({ at: at(hour), storedBytes, usedBytes, trashBytes })
  t.same(seriesOf([sample(0, 100, 50, 0), sample(3, 50, 50, 25), sample(4, 200, 100, 0)], 400, 100), { stored: '0.0,50.0 300.0,75.0 400.0,0.0', used: '0.0,75.0 300.0,75.0 400.0,50.0', trash: '0.0,100.0 300.0,87.5 400.0,100.0', maximum: 200 })
  t.same(seriesOf([sample(0, 0, 0, 0)], 400, 100).stored, '400.0,100.0', 'nothing stored, once')
})

t.test('events are taken when they are whole', async t => {
  const first = takeEvents(NOTHING, 'event: job\ndata: {"a":1}\n\nevent: job\ndata: {"a"')
  t.same([first.data, first.rest.text], [['{"a":1}'], 'event: job\ndata: {"a"'])
  t.same(takeEvents(first.rest, ':2}\n\n: nothing\n\n'), { data: ['{"a":2}'], rest: NOTHING })
})

/** The data of all events, and what is left, of a text that comes in chunks of so many letters. */
function takenIn (text: string, size: number): { data: string[], rest: string } {
  const data: string[] = []
  let begun: Begun = NOTHING
  for (let at = 0; at < text.length; at += size) {
    const taken = takeEvents(begun, text.slice(at, at + size))
    data.push(...taken.data)
    begun = taken.rest
  }
  return { data, rest: begun.text }
}

t.test('events are the same wherever the chunks break', async t => {
  for (const end of ['\n', '\r\n']) {
    const text = ['data: 1', '', ': nothing', '', 'event: job', 'data: 2', 'data: 3', '', 'data: 4', 'x'].join(end)
    for (let size = 1; size <= text.length; size++) t.same(takenIn(text, size), { data: ['1', '2\n3'], rest: `data: 4${end}x` }, `${size} letters at a time`)
  }
})

t.test('a large event takes no longer than its size', async t => {
  const data = 'x'.repeat(16_000_000)
  const began = performance.now()
  const taken = takenIn(`data: ${data}\n\n`, 1000)
  t.ok(taken.data.length === 1 && taken.data[0] === data)
  // Milliseconds; all of it again with each chunk would take minutes.
  t.ok(performance.now() - began < 10_000)
})

t.test('challenges', async t => {
  t.same(parseChallenge('Basic realm="x"'), { scheme: 'basic' })
  t.same(parseChallenge('Bearer realm="https://auth/token",service="reg \\"1\\"",scope="repository:a:pull repository:b:pull,delete",error="x"'), { scheme: 'bearer', realm: 'https://auth/token', service: 'reg "1"', scopes: ['repository:a:pull', 'repository:b:pull,delete'] })
  for (const header of [null, '', 'Negotiate', 'Bearer']) t.same(parseChallenge(header), { scheme: 'other' })
})

const job = (more: Partial<Job>): Job => ({ id: 'x', kind: 'delete', target: { type: 'tag', repository: 'a', tag: '1' }, state: 'done', phase: 'ended', createdAt: '', receipt: RECEIPT, ...more })

t.test('each kind of deletion has a title', async t => {
  const digest = `sha256:${'0'.repeat(64)}`
  const titles: { readonly [Type in GateTarget['type']]: readonly [target: Target & { type: Type }, title: string] } = {
    tag: [{ type: 'tag', repository: 'a', tag: '1' }, 'Delete a:1'],
    manifest: [{ type: 'manifest', repository: 'a', digest }, 'Delete a@sha256:000000000000…'],
    blob: [{ type: 'blob', repository: 'a', digest }, 'Delete a@sha256:000000000000…'],
    tags: [{ type: 'tags', repository: 'a' }, 'Delete all tags of a'],
    repository: [{ type: 'repository', repository: 'a', recursive: false }, 'Delete repository a'],
    everything: [{ type: 'everything' }, 'Delete every repository'],
    untagged: [{ type: 'untagged' }, 'Delete manifests without a tag'],
    garbage: [{ type: 'garbage' }, 'Delete what nothing uses'],
    retention: [{ type: 'retention' }, 'Delete what the retention rules let go']
  }
  for (const [target, title] of Object.values(titles)) t.equal(jobTitle(job({ target })), title)
})

t.test('what is cancelled is not brought back by that, and the words say so', async t => {
  const collection = { kind: 'collection', target: { type: 'garbage' } } as const
  t.match(cancelWords(job({})), /brings nothing back: the references are gone already.*next collection/)
  t.match(cancelWords(job({ kind: 'collection', target: { type: 'untagged' } })), 'brings nothing back')
  t.equal(cancelWords(job(collection)), undefined)
  t.equal(outcomeWords(job({ state: 'cancelled' })), 'Cancelled. What it deleted stays deleted, and what only that held goes with the next collection.')
  t.equal(outcomeWords(job({ ...collection, state: 'cancelled' })), 'Cancelled. What nothing uses goes with the next collection.')
  t.equal(outcomeWords(job({ state: 'cancelled', trash: { state: 'undone', until: '' } })), 'It was undone; 1 tag and 2 blobs came back.')
})

t.test('the trash: what is listed, and that there is more', async t => {
  const jobs = (['kept', 'undone', 'purged'] as const).map(state => job({ id: state, trash: { state, until: '' } }))
  t.same(keptOf([...jobs, job({})]).map(({ id }) => id), ['kept'])
  t.same([unlistedWords(3, 3, 1000), unlistedWords(0, 0, 1000), unlistedWords(4, 3, 1000)], [undefined, undefined, undefined])
  t.equal(unlistedWords(2, 1200, 1000), 'Only 2 of 1,200 deletions can be listed here: those among the newest 1,000 jobs that you may see. Emptying the trash is about all.')
})

t.test('jobs and refusals in words', async t => {
  t.equal(outcomeWords(job({})), '45 bytes are free again: 1 tag and 2 blobs went.')
  t.equal(outcomeWords(job({ withheld: true })), 'What it freed is shown to those who see all repositories.')
  t.equal(outcomeWords(job({ state: 'failed', error: { message: 'the disk is full' }, nextAttemptAt: 'soon' })), 'the disk is full; it is tried again')
  t.same([hasEnded(job({ state: 'failed', nextAttemptAt: 'soon' })), hasEnded(job({ state: 'failed' })), canUndo(job({}))], [false, true, false])
  t.match(refusalWords(403, { code: 'DENIED', message: 'x', detail: { rule: 'releases', repository: 'a', tag: 'v1' } }, null), 'the rule “releases” of Delgate’s configuration keeps tag v1 of a')
  t.match(refusalWords(429, undefined, '17'), 'Try again in 17 s.')
  t.equal(refusalWords(503, { code: 'UNAVAILABLE', message: 'the registry cannot be reached' }, '5'), 'The registry cannot be reached. Try again in 5 s.')
  t.equal(refusalWords(500, undefined, null), 'Delgate answered with status 500. Its log says more.')
})
