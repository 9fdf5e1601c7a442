/** Requests that two servers may read differently, and requests that none should read at all. */
import * as odd from './odd.js'
import type { Chance } from './random.js'

/** A request that nobody asked for: wherever it is seen as a request, it was smuggled. */
export const SMUGGLED = 'DELETE /v2/victim HTTP/1.1\r\nHost: smuggled\r\n\r\n'
const METHODS = ['GET', 'HEAD', 'PUT', 'POST', 'PATCH', 'OPTIONS', 'get', 'BREW', 'CONNECT', 'TRACE', 'DEL\0ETE', '']
const VERSIONS = ['HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0', 'HTTP/2.0', 'HTTP/0.9', 'http/1.1', '']

/** Two ends of one body: after the one, the rest is a request. */
const FRAMES: ReadonlyArray<(rest: string) => readonly [readonly string[], string]> = [
  rest => [[`Content-Length: ${rest.length + 5}`, 'Transfer-Encoding: chunked'], `0\r\n\r\n${rest}`],
  rest => [['Transfer-Encoding: chunked', `Content-Length: ${rest.length + 5}`], `0\r\n\r\n${rest}`],
  rest => [['Content-Length: 0', `Content-Length: ${rest.length}`], rest],
  rest => [[`Content-Length: ${rest.length}`, 'Content-Length: 0'], rest],
  rest => [[`Content-Length: ${rest.length}, 0`], rest],
  rest => [[`Content-Length: +${rest.length}`], rest],
  rest => [[`Content-Length: 0x${rest.length.toString(16)}`], rest],
  rest => [[`Content-Length: ${rest.length}`, ' Transfer-Encoding: chunked'], rest],
  rest => [[`Content-Length: ${rest.length}`, 'X: y\r\n folded: z'], rest],
  rest => [['Transfer-Encoding: chunked, identity'], `0\r\n\r\n${rest}`],
  rest => [['Transfer-Encoding: identity, chunked', `Content-Length: ${rest.length + 5}`], `0\r\n\r\n${rest}`],
  rest => [['Transfer-Encoding: xchunked', `Content-Length: ${rest.length}`], rest],
  rest => [['Transfer-Encoding : chunked', `Content-Length: ${rest.length}`], rest],
  rest => [['Transfer-Encoding:\tchunked', 'Transfer-Encoding: identity'], `0\r\n\r\n${rest}`],
  rest => [['Transfer-Encoding: chunked'], `${rest.length.toString(16)};a=\n\r\n${rest}\r\n0\r\n\r\n`],
  rest => [['Transfer-Encoding: chunked'], `${rest.length.toString(16)};ext="\r\n${rest}\r\n0\r\nX: y\r\n\r\n`],
  rest => [['Transfer-Encoding: chunked'], `0${'0'.repeat(20)}${rest.length.toString(16)}\r\n${rest}\r\n0\r\n\r\n`],
  rest => [['Transfer-Encoding: chunked'], `-1\r\n${rest}`],
  rest => [['Transfer-Encoding: chunked'], `${rest.length.toString(16)}\n${rest}\n0\n\n`],
  rest => [['Transfer-Encoding: chunked', 'Connection: transfer-encoding'], `${rest.length.toString(16)}\r\n${rest}\r\n0\r\n\r\n`],
  rest => [[`Content-Length: ${rest.length}`, 'Connection: content-length'], rest],
  rest => [['Expect: 100-continue', `Content-Length: ${rest.length}`], rest],
  rest => [['Upgrade: h2c', 'Connection: upgrade', `Content-Length: ${rest.length}`], rest],
  () => [[], '']
]

function target (chance: Chance): string {
  const path = `/v2/${odd.name(chance)}${chance.one(['', '/', '/manifests/v1', '/blobs/uploads/', '/tags/list', `/blobs/${odd.digest(chance)}`, '/blobs/uploads/x?digest=y'])}`
  return chance.one([path, path, odd.sometimesMutated(chance, path), odd.encoded(chance, path), `http://elsewhere${path}`, '*', '//v2/victim', '/v2/../v2/victim', '/v2/x%2f..%2fvictim', '/v2/victim%00', '/v2?victim', '/v2#victim', '/%76%32/victim', '/delgate/v1/status', '/delgate/v1/jobs/%00', '/healthz/..', '', ' /v2/'])
}

function header (chance: Chance): string {
  const name = chance.one(['Host', 'Authorization', 'Prefer', 'Range', 'Content-Type', 'Content-Range', 'Accept', 'Forwarded', 'X-Forwarded-For', 'X-Forwarded-Proto', 'X-Forwarded-Host', 'User-Agent', 'Cookie', 'Connection', 'Trailer', 'TE', 'Keep-Alive', 'Proxy-Connection', '__proto__', 'constructor', 'X'])
  const value = chance.one(['', 'x', 'bytes=0-', 'bytes 0-5/6', 'Basic x', 'wait=1', 'close', 'host="evil";proto=http', 'x'.repeat(9_000), 'text/html; charset=', 'application/x-www-form-urlencoded'])
  return `${odd.sometimesMutated(chance, name, 0.1)}: ${odd.sometimesMutated(chance, value, 0.3)}`
}

/** Deletions among them are of repositories that do not exist, or of `victim` in a spelling that is none. */
export function oddRequest (chance: Chance): Buffer {
  const [frame, body] = chance.one(FRAMES)(SMUGGLED)
  const method = chance.one(['POST', 'PUT', 'PATCH', 'GET', 'DELETE', 'DELETE', ...METHODS])
  const headers = [...chance.happens(0.9) ? ['Host: gate'] : [], ...Array.from({ length: chance.one([0, 1, 2, 5, 200]) }, () => header(chance)), ...frame]
  const end = chance.happens(0.9) ? '\r\n' : chance.one(['\n', '\r', '\r\r\n', '\0\r\n'])
  const text = `${method} ${target(chance)} ${chance.one(VERSIONS)}${end}${headers.join(end)}${end}${end}${body}`
  return Buffer.from(text, chance.happens(0.5) ? 'latin1' : 'utf8')
}

/** In one piece, or in several. */
export function pieces (chance: Chance, bytes: Buffer): Buffer[] {
  if (chance.happens(0.7)) return [bytes]
  const cuts = [0, ...Array.from({ length: 1 + chance.upTo(4) }, () => chance.upTo(bytes.length + 1)), bytes.length].sort((a, b) => a - b)
  return cuts.slice(1).map((cut, at) => bytes.subarray(cuts[at]!, cut))
}
