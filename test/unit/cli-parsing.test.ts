/** What the client reads: gates and references as users write them, challenges as registries send them; and what it says in words. */
import t from 'tap'
import { parseChallenges, scopesOf } from '../../src/interface/challenge.js'
import { Failure } from '../../src/cli/failure.js'
import { gateOrigin, parseReference, parseRepository, splitHost } from '../../src/cli/reference.js'
import { parseArguments, requestPath, deletionOf, everything, severalText } from '../../src/cli/removal/deletion.js'
import { ago, bytes, count, jobText, shortDigest } from '../../src/cli/words.js'

const DIGEST = `sha256:${'a'.repeat(64)}`
const refused = (work: () => unknown): string => {
  try {
    return `no failure: ${JSON.stringify(work())}`
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    return `${error.exitCode} ${error.message}`
  }
}

t.test('the address of a gate', t => {
  const origin = (text: string, plain = false): string => gateOrigin(text, '--url', plain)
  t.equal(origin('http://gate.example:5000/'), 'http://gate.example:5000')
  t.equal(origin('https://gate.example'), 'https://gate.example')
  t.equal(origin('localhost:5000'), 'http://localhost:5000', 'this machine needs no TLS')
  t.equal(origin('127.0.0.1:5000'), 'http://127.0.0.1:5000')
  t.equal(origin('[::1]:5000'), 'http://[::1]:5000')
  t.equal(origin('gate.example:5000'), 'https://gate.example:5000')
  t.equal(origin('localhost.example'), 'https://localhost.example')
  t.equal(origin('gate.example:5000', true), 'http://gate.example:5000')
  for (const text of ['ftp://gate.example', 'http://', 'gate example', '']) t.match(refused(() => origin(text)), /^2 .*not an address of a gate/, text)
  t.match(refused(() => origin('http://gate.example/registry')), /has no path. Did you mean http:\/\/gate\.example\?/)
  t.match(refused(() => origin('http://alice:secret@gate.example')), '--user NAME')
  t.notMatch(refused(() => origin('http://alice:secret@gate.example')), 'secret', 'a password is not repeated')
  t.end()
})

t.test('a host before a name, by docker\'s rule', t => {
  t.same(splitHost('localhost:5000/team/app:1', undefined), { host: 'localhost:5000', rest: 'team/app:1' })
  t.same(splitHost('localhost/app', undefined), { host: 'localhost', rest: 'app' })
  t.same(splitHost('gate.example/app', undefined), { host: 'gate.example', rest: 'app' })
  t.same(splitHost('[::1]:5000/app', undefined), { host: '[::1]:5000', rest: 'app' })
  t.same(splitHost('[a-c].old/app', undefined), { rest: '[a-c].old/app' })
  t.same(splitHost('team/app:1', undefined), { rest: 'team/app:1' })
  t.same(splitHost('app:1', undefined), { rest: 'app:1' })
  t.same(splitHost('*.old/app', undefined), { rest: '*.old/app' })
  t.same(splitHost('docker.io/library/nginx', 'localhost:5000'), { rest: 'docker.io/library/nginx' }, 'a repository of a gate that is named')
  t.same(splitHost('localhost:5000/app', 'localhost:5000'), { host: 'localhost:5000', rest: 'app' })
  t.same(splitHost('localhost:5001/app', 'localhost:5000'), { host: 'localhost:5001', rest: 'app' })
  t.end()
})

t.test('references', t => {
  t.same(parseReference('team/app'), { repository: 'team/app' })
  t.same(parseReference('team/app:v1.0'), { repository: 'team/app', tag: 'v1.0' })
  t.same(parseReference(`team/app@${DIGEST}`), { repository: 'team/app', digest: DIGEST })
  t.same(parseReference('team/**:v?.*'), { repository: 'team/**', tag: 'v?.*' })
  t.same(parseReference('team/[a-c]*:v[!0-9.]'), { repository: 'team/[a-c]*', tag: 'v[!0-9.]' })
  for (const text of ['', 'Team/app', 'app:', 'app:-x', 'app:a/b', 'app@sha256:abc', `app:1@${DIGEST}`, `app@${DIGEST}@${DIGEST}`, '../x', 'app/', '/app', 'a//b', 'app:v1 ', 'app;x', 'app:v[', 'app:v[]', 'app[a/b]', '**/../x', 'app:*$']) t.match(refused(() => parseReference(text)), /^2 /, JSON.stringify(text))
  t.equal(parseRepository('team/app'), 'team/app')
  for (const text of ['app:1', 'app*', `app@${DIGEST}`]) t.match(refused(() => parseRepository(text)), /^2 .*name of one repository/, text)
  t.end()
})

t.test('what rm is told, and what it asks of the gate', t => {
  const path = (text: string, scope = {}, dryRun = false): string => requestPath(deletionOf(parseReference(text), scope, text), dryRun)
  t.equal(path('a/b:1'), '/v2/a/b/manifests/1')
  t.equal(path('a/b:1', {}, true), '/v2/a/b/manifests/1?dry-run=true')
  t.equal(path(`a/b@${DIGEST}`), `/v2/a/b/manifests/${DIGEST}`)
  t.equal(path('a/b'), '/v2/a/b')
  t.equal(path('a/b', { recursive: true }, true), '/v2/a/b?recursive=true&dry-run=true')
  t.equal(path('a/b', { allTags: true }), '/v2/a/b/tags/list')
  t.same((['repository', 'tags', 'tag'] as const).map(kind => severalText(kind, 2)), ['2 repositories', 'all tags of 2 repositories', '2 references'])
  t.equal(requestPath(everything('gate'), false), '/delgate/v1/repositories?confirm=all')
  t.equal(requestPath(everything('gate'), true), '/delgate/v1/repositories?confirm=all&dry-run=true')
  for (const [names, flags] of [[[], {}], [['a'], { all: true }], [[], { all: true, recursive: true }], [['a'], { recursive: true, allTags: true }], [['a:1'], { recursive: true }], [['a:1'], { allTags: true }], [[`a@${DIGEST}`], { recursive: true }], [[`a*@${DIGEST}`], {}]] as const) {
    t.match(refused(() => parseArguments(names, flags)), /^2 /, JSON.stringify([names, flags]))
  }
  t.same(parseArguments(['a', 'a', 'b:1'], {}), [{ repository: 'a', argument: 'a' }, { repository: 'b', tag: '1', argument: 'b:1' }], 'each once')
  t.end()
})

t.test('challenges', t => {
  t.same(parseChallenges('Basic realm="test realm", charset="UTF-8"'), [{ scheme: 'basic', parameters: { realm: 'test realm', charset: 'UTF-8' } }])
  const [bearer] = parseChallenges('Bearer realm="https://auth.example/token",service="a \\"b\\"",scope="repository:a:pull,push repository:b:delete",error="insufficient_scope"')
  t.same(bearer, { scheme: 'bearer', parameters: { realm: 'https://auth.example/token', service: 'a "b"', scope: 'repository:a:pull,push repository:b:delete', error: 'insufficient_scope' } })
  t.same(scopesOf(bearer!), ['repository:a:pull,push', 'repository:b:delete'])
  t.same(parseChallenges(['Negotiate', 'Basic realm=x, Bearer realm="y"']).map(({ scheme }) => scheme), ['negotiate', 'basic', 'bearer'])
  for (const text of [undefined, '', ',', '=', '"', 'realm="x"']) t.same(parseChallenges(text), [], String(text))
  t.end()
})

t.test('words', t => {
  t.same([0, 999, 1000, 1234, 9949, 9950, 999_499, 999_500, 41e8, 5e18].map(bytes), ['0 B', '999 B', '1.0 kB', '1.2 kB', '9.9 kB', '10 kB', '999 kB', '1.0 MB', '4.1 GB', '5000 PB'])
  t.same([0, 1, 2].map(number => count(number, 'tag')), ['0 tags', '1 tag', '2 tags'])
  t.equal(count(2, 'repository'), '2 repositories')
  const now = Date.parse('2026-01-02T00:00:00Z')
  t.same(['2026-01-01T23:59:59Z', '2026-01-01T23:00:00Z', '2026-01-01T01:00:00Z', '2025-12-01T00:00:00Z', '2026-01-03T00:00:00Z', '0001-01-01T00:00:00Z', 'x', null, undefined].map(time => ago(time, now)), ['1 s', '1 h', '23 h', '32 d', '0 s', '-', '-', '-', '-'])
  t.equal(shortDigest(DIGEST), 'sha256:aaaaaaaaaaaa')
  t.end()
})

t.test('of a job that is shown in outline, nothing is said to have been removed', async t => {
  const job = { id: '1', kind: 'collection', target: { type: 'garbage' }, state: 'done', phase: 'ended', createdAt: '', receipt: { counts: { tags: 0, manifests: 0, layerLinks: 0, blobs: 0 }, tags: [], blobs: [], bytesFreed: 0, bytesInTrash: 0, kept: [], warnings: [] } } as const
  t.equal(jobText({ ...job, withheld: true }), 'what nothing uses: done; what it removed is shown to those who see all repositories')
  t.equal(jobText(job), 'what nothing uses: done, nothing removed, 0 B freed')
})
