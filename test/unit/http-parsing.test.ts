/** `Prefer: wait`, the query of a DELETE, and where a `Location` leads the client. */
import t from 'tap'
import { clientOrigin, rewriteLink, rewriteLocation } from '../../src/http/location.js'
import { parseDeleteQuery, parseWait } from '../../src/http/prefer.js'

const refused = { name: 'CodedError', statusCode: 400, code: 'REQUEST_INVALID' }

t.test('Prefer: how long to wait', t => {
  const table: Array<[header: string | string[] | undefined, wait: number | undefined]> = [
    [undefined, undefined], ['', undefined], ['respond-async', undefined], ['return=minimal', undefined], ['waiting=5', undefined],
    ['wait=5', 5], ['wait=0', 0], ['WAIT=5', 5], ['wait = 5', 5], ['wait="5"', 5], ['respond-async, wait=10', 10], ['return=minimal , wait=10', 10],
    [['respond-async', 'wait=7'], 7], ['wait=5, wait=9', 5], ['wait=3600', 3600], ['wait=3601', 3600], ['wait=999999999', 3600]
  ]
  for (const [header, wait] of table) t.equal(parseWait(header), wait, JSON.stringify(header))
  for (const bad of ['wait', 'wait=', 'wait=x', 'wait=-1', 'wait=1.5', 'wait=1e3', 'wait=0x10', 'wait=٥', 'wait=9999999999', 'wait=Infinity', 'respond-async, wait=soon', 'wait=""']) t.throws(() => parseWait(bad), refused, bad)
  t.end()
})

t.test('Prefer: quotes come in pairs, and nothing follows the number', t => {
  for (const bad of ['wait="5', 'wait=5"', 'wait=5=6']) t.throws(() => parseWait(bad), refused, bad)
  t.end()
})

t.test('the query of a DELETE', t => {
  const all = ['dry-run', 'recursive', 'confirm'] as const
  const nothing = { dryRun: false, recursive: false, confirm: undefined }
  t.same(parseDeleteQuery('', all), nothing)
  t.same(parseDeleteQuery('dry-run=true', all), { ...nothing, dryRun: true })
  t.same(parseDeleteQuery('dry-run=false&recursive=true', all), { ...nothing, recursive: true })
  t.same(parseDeleteQuery('dry%2Drun=tru%65', all), { ...nothing, dryRun: true })
  t.same(parseDeleteQuery('confirm=all', all), { ...nothing, confirm: 'all' })
  t.end()
})

t.test('a query that is not understood whole deletes nothing', t => {
  for (const bad of ['dryrun=true', 'dry_run=true', 'Dry-Run=true', 'dry-run', 'dry-run=', 'dry-run=1', 'dry-run=yes', 'dry-run=TRUE', 'dry-run=true&dry-run=true', 'dry-run=true&dry-run=false', 'x=y', 'dry-run=true&x', '=', 'constructor=true', '__proto__=true', 'dry-run=true;recursive=true']) {
    t.throws(() => parseDeleteQuery(bad, ['dry-run', 'recursive']), refused, bad)
  }
  t.throws(() => parseDeleteQuery('recursive=true', ['dry-run']), refused, 'where it makes no sense')
  t.throws(() => parseDeleteQuery('confirm=all', ['dry-run', 'recursive']), refused)
  t.end()
})

t.test('Location: the client stays on the gate', t => {
  const client = { scheme: 'https', host: 'gate.example:8443' }
  const rules = { prefix: '', registryHosts: new Set(['127.0.0.1:5001', 'registry.example']) }
  const table: Array<[location: string, expected: string]> = [
    ['/v2/app/blobs/uploads/x?_state=a', '/v2/app/blobs/uploads/x?_state=a'],
    ['http://127.0.0.1:5001/v2/app/blobs/uploads/x?_state=a%2Fb', 'https://gate.example:8443/v2/app/blobs/uploads/x?_state=a%2Fb'],
    ['https://registry.example/v2/app/manifests/1', 'https://gate.example:8443/v2/app/manifests/1'],
    ['http://gate.example:8443/v2/app/', 'https://gate.example:8443/v2/app/'],
    // Elsewhere: object storage, another service beside the registry, a host that only looks alike.
    ['https://bucket.s3.example/docker/registry/v2/blobs/x?X-Amz=1', 'https://bucket.s3.example/docker/registry/v2/blobs/x?X-Amz=1'],
    ['https://registry.example/other/v2/app', 'https://registry.example/other/v2/app'],
    ['http://127.0.0.1:5001.evil.example/v2/app', 'http://127.0.0.1:5001.evil.example/v2/app'],
    ['http://127.0.0.1:50010/v2/app', 'http://127.0.0.1:50010/v2/app'],
    ['http://user@registry.example/v2/app', 'http://user@registry.example/v2/app'],
    ['ftp://registry.example/v2/app', 'ftp://registry.example/v2/app'],
    ['', '']
  ]
  for (const [location, expected] of table) t.equal(rewriteLocation(location, client, rules), expected, location)
  t.end()
})

t.test('Location: the registry\'s prefix is not the client\'s', t => {
  const client = { scheme: 'http', host: 'gate' }
  const rules = { prefix: '/registry', registryHosts: new Set(['up']) }
  t.equal(rewriteLocation('/registry/v2/app/blobs/uploads/x', client, rules), '/v2/app/blobs/uploads/x')
  t.equal(rewriteLocation('http://up/registry/v2/app/x?y', client, rules), 'http://gate/v2/app/x?y')
  t.equal(rewriteLocation('http://up/v2/app', client, rules), 'http://up/v2/app')
  t.equal(rewriteLocation('/registry2/v2/app', client, rules), '/registry2/v2/app')
  t.equal(rewriteLink('</registry/v2/_catalog?last=a&n=1>; rel="next"', '/registry'), '</v2/_catalog?last=a&n=1>; rel="next"')
  t.equal(rewriteLink('</v2/_catalog?last=a>; rel="next"', ''), '</v2/_catalog?last=a>; rel="next"')
  t.equal(rewriteLink('</other/registry/v2/x>', '/registry'), '</other/registry/v2/x>')
  t.end()
})

t.test('where the client thinks that it is', t => {
  const origin = (headers: Record<string, string | string[]>, encrypted = false): string => {
    const { scheme, host } = clientOrigin(headers, encrypted)
    return `${scheme}://${host}`
  }
  t.equal(origin({ host: 'a:1' }), 'http://a:1')
  t.equal(origin({ host: 'a:1' }, true), 'https://a:1')
  t.equal(origin({ host: 'a', 'x-forwarded-proto': 'https' }), 'https://a')
  t.equal(origin({ host: 'a', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'b:2' }), 'https://b:2')
  t.equal(origin({ host: 'a', 'x-forwarded-proto': 'https, http', 'x-forwarded-host': 'first, second' }), 'https://first')
  t.equal(origin({ host: 'a', 'x-forwarded-host': ['first', 'second'] }), 'http://first')
  t.equal(origin({ host: 'a', forwarded: 'for=1.2.3.4;proto=https;host=b' }), 'https://b')
  t.equal(origin({ host: 'a', forwarded: 'Host="b:8443"; Proto=https, for=proxy;host=c' }), 'https://b:8443')
  t.equal(origin({ host: 'a', forwarded: 'for="[::1]";proto=https', 'x-forwarded-proto': 'http' }), 'https://a', 'the standard header comes first')
  t.equal(origin({ host: 'a', forwarded: 'xproto=https' }), 'http://a')
  t.equal(origin({}), 'http://localhost')
  t.end()
})
