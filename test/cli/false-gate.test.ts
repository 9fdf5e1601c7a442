/** What a gate says is not trusted: a false one may answer, or somebody in between; and a true one repeats what others have stored. */
import t from 'tap'
import { atTerminal, cli } from '../support/cli.js'
import { startFalseGate, type FalseGate } from '../support/false-gate.js'

t.setTimeout(300_000)

/** Sets a terminal's title, erases a line, and feigns another one. */
const EVIL = 'x\u001b]0;evil\u0007\u001b[2K\u009b2J\nFeigned'
// eslint-disable-next-line no-control-regex
const DRIVES = /\u001b\]|\u001b\[2|\u0007|\u009b|^Feigned/m
const RECEIPT = { counts: { tags: 1, manifests: 1, layerLinks: 0, blobs: 1 }, bytesFreed: 1, bytesInTrash: 0, kept: [], warnings: [EVIL] }
const JOB = { id: '1-1', kind: 'delete', target: { type: 'tag', repository: 'app', tag: EVIL }, state: 'done', phase: 'ended', createdAt: '2026-01-01T00:00:00Z', receipt: RECEIPT }

function answer (method: string, path: string): object | undefined {
  if (path.includes('dry-run=true')) return { receipt: RECEIPT, repositories: [{ repository: EVIL, tags: [{ tag: 'v1', action: 'delete', rule: EVIL, reason: EVIL }], untagged: [] }] }
  if (path.startsWith('/delgate/v1/repositories/app/tags')) return { repository: 'app', tags: [{ tag: `v1${EVIL}`, digest: EVIL, ownBytes: 1 }, { tag: 'v2', ownBytes: 1 }], complete: true }
  if (path.startsWith('/delgate/v1/repositories')) return { repositories: ['app', '$(touch x)', '`touch x`', `app${EVIL}`].map(name => ({ name, tags: 1, bytes: 1, ownBytes: 1, pushedAt: null, pulledAt: null, measured: true })), complete: true }
  if (path.startsWith('/v2/_catalog')) return { repositories: [EVIL] }
  if (path === '/delgate/v1/jobs?limit=100') return { jobs: [JOB], total: 1 }
  return method === 'DELETE' || path.startsWith('/delgate/v1/jobs/') || path === '/delgate/v1/retention/runs' || path === '/delgate/v1/collections' ? JOB : undefined
}

t.test('nothing that a gate says drives the terminal', async t => {
  const { url } = await startFalseGate(t, answer, () => ({ hold: { now: 'none', waiting: 0, problem: EVIL }, audit: { problem: EVIL }, registry: { controller: EVIL, auth: 'none' } }))
  for (const args of [['ls'], ['tags', 'app'], ['rm', 'app:v1', '--yes', '--wait'], ['rm', 'app:v1', '--dry-run'], ['jobs'], ['job', '1-1'], ['cancel', '1-1'], ['undo', '1-1'], ['prune', '--yes'], ['prune', '--dry-run'], ['gc'], ['doctor'], ['ls', '--json'], ['job', '1-1', '--json']]) {
    const { stdout, stderr } = await cli([...args, '--url', url])
    t.match(stdout, /x.*evil/s, `${args.join(' ')} shows it`)
    t.notMatch(stdout + stderr, args.includes('--json') ? /\u001b/ : DRIVES, args.join(' ')) // eslint-disable-line no-control-regex
  }
})

t.test('nor do questions', async t => {
  const { url } = await startFalseGate(t, answer)
  const terminal = atTerminal(['rm', 'app:*', '--url', url])
  await terminal.shows(/\[y\/N\] /)
  terminal.type('n\r')
  t.equal(await terminal.ended(), 1)
  t.notMatch(terminal.output(), DRIVES)
  const one = await startFalseGate(t, (method, path) => path.startsWith('/delgate/v1/repositories/app/tags') ? { repository: 'app', tags: [{ tag: EVIL, ownBytes: 1 }], complete: true } : answer(method, path))
  const single = atTerminal(['rm', 'app:*', '--url', one.url])
  await single.shows(/Delete app:x\?\]0;evil/)
  await single.shows(/\[y\/N\] /)
  single.type('n\r')
  t.equal(await single.ended(), 1)
  t.notMatch(single.output(), DRIVES)
})

t.test('for scripts there are only names', async t => {
  const { url } = await startFalseGate(t, answer)
  t.equal((await cli(['ls', '--quiet', '--url', url])).stdout, 'app\n')
  t.equal((await cli(['tags', 'app', '--quiet', '--url', url])).stdout, 'v2\n')
})

/** A catalog of repositories with these names. */
const listing = (names: readonly string[], complete = true, measured = true): object => ({ repositories: names.map(name => ({ name, tags: 1, bytes: 1, ownBytes: 1, pushedAt: null, pulledAt: null, measured })), complete })
const deleted = ({ asked }: FalseGate): string[] => asked.filter(one => one.startsWith('DELETE'))

t.test('a glob waits for a gate that does not know all yet', async t => {
  let looks = 0
  const isKnown = (): boolean => looks > 3
  const gate = await startFalseGate(t, (method, path) => path.startsWith('/delgate/v1/repositories') ? listing(isKnown() ? ['ci/a', 'ci/b'] : ['ci/a'], isKnown()) : answer(method, path), () => ({ index: { complete: ++looks > 3, repositories: looks } }))
  const { code, stderr } = await cli(['rm', 'ci/**', '--yes', '--url', gate.url])
  t.equal(code, 0, stderr)
  t.same(deleted(gate), ['DELETE /v2/ci/a', 'DELETE /v2/ci/b'])
})

t.test('and Ctrl-C ends that; a list that is not complete nevertheless deletes nothing', async t => {
  const never = await startFalseGate(t, () => listing(['ci/a'], false), () => ({ index: { complete: false, repositories: 1 } }))
  const terminal = atTerminal(['rm', 'ci/**', '--yes', '--url', never.url])
  await terminal.shows(/waits until the gate knows all that is stored/)
  terminal.type('\x03')
  t.equal(await terminal.ended(), 130)
  t.same(never.asked, [])
  const gate = await startFalseGate(t, () => listing(['ci/a'], false))
  const { code, stderr } = await cli(['rm', 'ci/**', '--yes', '--url', gate.url])
  t.equal(code, 5)
  t.match(stderr, /^delgate: nothing was deleted: the gate still reads what is stored.*\n$/)
  t.same(deleted(gate), [])
})

t.test('what is asked says what goes, and whether it was tried', async t => {
  const gate = await startFalseGate(t, (method, path) => path.startsWith('/delgate/v1/repositories') ? listing(['team/a', 'team/b']) : answer(method, path))
  const tags = atTerminal(['rm', 'team/*', '--all-tags', '--url', gate.url])
  await tags.shows(/To delete all tags of 2 repositories and free at least 2 B, type team\/\*: /)
  tags.type('\r')
  t.equal(await tags.ended(), 1)
  t.notMatch(tags.output(), 'not tried')
  t.same(deleted(gate), ['DELETE /v2/team/a/tags/list?dry-run=true', 'DELETE /v2/team/b/tags/list?dry-run=true'])

  const many = await startFalseGate(t, (method, path) => path.startsWith('/delgate/v1/repositories') ? listing(Array.from({ length: 51 }, (_, at) => `team/${at}`)) : answer(method, path))
  const untried = atTerminal(['rm', 'team/*', '--url', many.url])
  await untried.shows(/So many are not tried first: [^]*To delete 51 repositories and free at least 51 B, type team\/\*: /)
  untried.type('\r')
  t.equal(await untried.ended(), 1)
  t.same(deleted(many), [])
})

const NOTHING = { blobs: 0, bytes: 0 }
const USAGE = { stored: NOTHING, used: NOTHING, shared: NOTHING, single: NOTHING, garbage: NOTHING, trash: { jobs: 0, bytes: 0 }, uploads: { count: 0, bytes: 0 }, disk: null, measuredAt: null, measuring: false, measured: true, complete: true }

t.test('df --wait does not wait for a gate that does not measure', async t => {
  const gate = await startFalseGate(t, () => USAGE)
  const { code, stdout, stderr } = await cli(['df', '--wait', '--url', gate.url])
  t.equal(code, 1)
  t.equal(stdout, '')
  t.match(stderr, /^delgate: the gate has not measured what is stored.*\n$/)
})

t.test('what is not measured yet is shown as far as it is known, and said to be too small', async t => {
  const used = { blobs: 2, bytes: 1000 }
  let looks = 0
  const gate = await startFalseGate(t, (_method, path) => {
    if (path.startsWith('/delgate/v1/repositories')) return listing(['app'], true, false)
    return { ...USAGE, stored: used, used, measuring: true, measured: false, ...++looks > 3 ? { measuredAt: '2026-01-01T00:00:00Z', measured: true, measuring: false } : {} }
  })
  const early = await cli(['df', '--url', gate.url])
  t.equal(early.code, 0)
  t.match(early.stdout, /^used +2 blobs +1\.0 kB [^]*^garbage +- +- +not measured yet$/m)
  t.equal(early.stderr, 'the gate still measures what is stored: the sizes are too small; delgate df --wait waits until it has\n')
  const ls = await cli(['ls', '--url', gate.url])
  t.match(ls.stdout, /^app +1 /m)
  t.equal(ls.stderr, 'the gate still measures what is stored: the sizes are too small\n')
  const waited = await cli(['df', '--wait', '--url', gate.url])
  t.match(waited.stdout, /^garbage +0 blobs +0 B[^]*^measured \d+ d ago$/m)
  t.notMatch(waited.stderr, /too small/)
})
