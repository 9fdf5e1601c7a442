/** Which part of a blob an answer carries, and which other answer goes on with it. */
import t from 'tap'
import { bytesToSkip, spanOf, type Head } from '../../src/registry/span.js'

const DIGEST = { 'docker-content-digest': 'sha256:aa' }
const whole = (length: number, more: object = {}): Head => ({ statusCode: 200, headers: { 'content-length': `${length}`, ...more } })
const part = (first: number, last: number, total: number | '*', more: object = {}): Head =>
  ({ statusCode: 206, headers: { 'content-length': `${last - first + 1}`, 'content-range': `bytes ${first}-${last}/${total}`, ...more } })

t.test('what an answer carries', t => {
  t.same(spanOf(whole(100, DIGEST)), { first: 0, last: 99, total: 100, digest: 'sha256:aa' })
  t.same(spanOf(whole(0)), { first: 0, last: -1, total: 0, digest: undefined })
  t.same(spanOf(part(10, 19, 100)), { first: 10, last: 19, total: 100, digest: undefined })
  t.same(spanOf(part(10, 19, '*')), { first: 10, last: 19, total: undefined, digest: undefined })
  const unclear: Head[] = [
    { statusCode: 200, headers: {} },
    whole(100, { 'transfer-encoding': 'chunked' }),
    whole(100, { 'content-encoding': 'gzip' }),
    whole(100, { 'content-length': '1e2' }),
    { ...whole(100), statusCode: 307 },
    { ...whole(100), statusCode: 404 },
    { statusCode: 206, headers: { 'content-length': '10' } },
    part(10, 19, 100, { 'content-length': '11' }),
    part(10, 19, 100, { 'content-type': 'multipart/byteranges; boundary=x', 'content-range': undefined })
  ]
  for (const head of unclear) t.equal(spanOf(head), undefined, JSON.stringify(head))
  t.end()
})

t.test('what goes on with a whole blob of which 30 bytes are there', t => {
  const span = spanOf(whole(100, DIGEST))!
  const table: Array<[Head, number | undefined]> = [
    [part(30, 99, 100), 0],
    [part(30, 99, 100, DIGEST), 0],
    [part(30, 99, '*'), 0],
    [whole(100), 30],
    [part(31, 99, 100), undefined],
    [part(29, 99, 100), undefined],
    [part(0, 99, 100), undefined],
    [part(30, 98, 100), undefined],
    [part(30, 99, 101), undefined],
    [whole(99), undefined],
    [whole(101), undefined],
    [part(30, 99, 100, { 'docker-content-digest': 'sha256:bb' }), undefined],
    [{ statusCode: 404, headers: { 'content-length': '100' } }, undefined],
    [{ statusCode: 416, headers: { 'content-length': '0' } }, undefined]
  ]
  for (const [head, skip] of table) t.equal(bytesToSkip(span, 30, head), skip, JSON.stringify(head))
  t.end()
})

t.test('what goes on with a range that the client asked for', t => {
  const span = spanOf(part(10, 59, 100))!
  t.equal(bytesToSkip(span, 30, part(40, 59, 100)), 0)
  t.equal(bytesToSkip(span, 30, part(30, 59, 100)), undefined, 'counted from the start of the range')
  t.equal(bytesToSkip(span, 30, whole(100)), 40, 'everything: what comes before it is left out')
  t.equal(bytesToSkip(span, 30, whole(50)), undefined)
  t.end()
})
