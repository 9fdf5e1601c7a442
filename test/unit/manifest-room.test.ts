/** Manifests are read before anybody asks who sends them: together they take up so much memory, and no more. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fastify, { type FastifyRequest } from 'fastify'
import t, { type Test } from 'tap'
import { readManifest } from '../../src/http/body.js'
import { installErrors } from '../../src/http/errors.js'
import { Gate, type GateParts } from '../../src/http/gate.js'
import { ManifestRoom } from '../../src/http/manifest-room.js'
import { parseRepositoryName, parseTag } from '../../src/oci/name.js'
import { Admission } from '../../src/traffic/admission.js'
import { header, ociError, request } from '../support/http.js'
import { until } from '../support/temporary.js'

const ROUTE = { kind: 'manifest', repository: parseRepositoryName('app')!, reference: { tag: parseTag('v1')! } } as const
const PATH = '/v2/app/manifests/v1'
const KIB = 1024
const MAXIMUM = 64 * KIB

interface Pushing {
  readonly url: string
  readonly room: ManifestRoom
  /** Lets the registry answer what was read so far. */
  answer (): void
  /** Bodies that were read whole. */
  readonly read: Buffer[]
}

/** A gate with so little room, in front of a registry that answers when it is told to. */
async function start (t: Test, manifestSeconds = 60): Promise<Pushing> {
  const room = new ManifestRoom(MAXIMUM)
  const read: Buffer[] = []
  let waiting: Array<() => void> = []
  const gate = new Gate({
    admission: new Admission({ maximumRequests: 1, timeoutSeconds: 1 }),
    manifestSeconds,
    manifestRoom: room,
    overwrites: { begin: async () => undefined },
    manifests: {
      begin: async (_repository: string, _client: string, body: Buffer) => {
        read.push(body)
        return { claim: { end: () => {} } }
      },
      prepare: async () => { await new Promise<void>(resolve => { waiting.push(resolve) }) }
    }
  } as unknown as GateParts)
  const app = fastify()
  installErrors(app)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, _body, done) => { done(null) })
  app.put('*', async (request, reply) => {
    await gate.enter(request, reply, ROUTE)
    return 'stored'
  })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(async () => {
    app.server.closeAllConnections()
    await app.close()
  })
  return { url, room, read, answer: () => { waiting.splice(0).forEach(go => { go() }); waiting = [] } }
}

/** A client that announces a manifest and sends only part of it. */
async function half (t: Test, url: string, bytes: number): Promise<Socket> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname).on('error', () => {})
  t.teardown(() => { socket.destroy() })
  await once(socket, 'connect')
  socket.write(`PUT ${PATH} HTTP/1.1\r\nHost: a\r\nContent-Type: a/b\r\nContent-Length: ${bytes + 1}\r\n\r\n${'x'.repeat(bytes)}`)
  return socket
}

const put = async (url: string, bytes: number, agent = 'docker') => await request(url, 'PUT', PATH, { headers: { 'content-type': 'a/b', 'user-agent': agent }, body: 'x'.repeat(bytes) })

t.test('halves of manifests take up room, until their clients go', async t => {
  const { url, room, read, answer } = await start(t)
  const halves = [await half(t, url, 16 * KIB), await half(t, url, 32 * KIB)]
  await until('both are there', () => room.held === 48 * KIB)
  const refused = await put(url, 17 * KIB)
  t.equal(refused.status, 503)
  t.equal(header(refused, 'retry-after'), '5')
  t.match(ociError(refused), { code: 'UNAVAILABLE', message: /too many manifests are being pushed/ })
  t.equal((await put(url, 17 * KIB, 'skopeo/1.9')).status, 429, 'this client repeats that')
  await until('what was refused takes up none', () => room.held === 48 * KIB)
  const small = put(url, 16 * KIB)
  await until('what there is room for is read', () => read.length === 1)
  t.equal(room.held, MAXIMUM)
  answer()
  t.equal((await small).status, 200)
  await until('it is answered', () => room.held === 48 * KIB)
  halves.forEach(socket => { socket.destroy() })
  await until('they have gone', () => room.held === 0)
})

t.test('a whole manifest takes up room until the registry has answered', async t => {
  const { url, room, read, answer } = await start(t)
  const first = put(url, MAXIMUM)
  await until('it is read', () => read.length === 1)
  t.equal((await put(url, 1)).status, 503)
  answer()
  t.equal((await first).status, 200)
  await until('it is answered', () => room.held === 0)
})

t.test('who is too slow gives the room back', async t => {
  const { url, room } = await start(t, 0.2)
  const socket = await half(t, url, 32 * KIB)
  await until('it is there', () => room.held === 32 * KIB)
  await once(socket, 'close')
  await until('it is broken off', () => room.held === 0)
})

t.test('a manifest takes up what it says that it takes up, also when it comes byte by byte', async t => {
  const source = Buffer.alloc(128 * KIB, '0123456789')
  setFlagsFromString('--expose-gc')
  const used = (): number => {
    (runInNewContext('gc') as () => void)()
    return process.memoryUsage().heapUsed
  }
  const before = used()
  let after = 0
  async function * byteByByte (): AsyncGenerator<Buffer> {
    for (let at = 0; at < source.length; at++) yield source.subarray(at, at + 1)
    await new Promise(setImmediate)
    after = used()
  }
  const room = new ManifestRoom()
  const request = { raw: { iterator: byteByByte }, log: {} } as unknown as FastifyRequest
  const body = await readManifest(request, 60, room.open())
  t.ok(body?.equals(source))
  t.equal(room.held, source.length)
  t.ok(after - before < 2 * KIB * KIB, `${after - before} bytes`)
})
