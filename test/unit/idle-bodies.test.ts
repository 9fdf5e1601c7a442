/** Who is cut off in the middle of a body: a client that sends nothing, not one that is not listened to. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { IdleBodies } from '../../src/http/idle-bodies.js'

const SECONDS = 1

interface Watched {
  readonly server: Server
  readonly warnings: object[]
  /** Sends this and resolves with the connection and the request that the server got. */
  send (text: string): Promise<{ readonly socket: Socket, readonly request: IncomingMessage }>
}

async function watched (t: Test): Promise<Watched> {
  const warnings: object[] = []
  const bodies = new IdleBodies(SECONDS, { warn: fields => { warnings.push(fields) } })
  const server = createServer({ requestTimeout: 0 }).on('request', request => { bodies.watch(request) })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    bodies.close()
    server.closeAllConnections()
    server.close()
  })
  const send = async (text: string): Promise<{ socket: Socket, request: IncomingMessage }> => {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write(text)
    const [request] = await once(server, 'request') as [IncomingMessage]
    return { socket, request }
  }
  return { server, warnings, send }
}

const head = (length: number): string => `PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n`

t.test('a client that stops', async t => {
  const { send, warnings } = await watched(t)
  for (const text of [head(10), head(10) + 'half', 'PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n']) {
    const { socket, request } = await send(text)
    request.on('error', () => {}).resume()
    await once(socket, 'close')
    t.equal(request.complete, false)
  }
  t.match(warnings, [{ url: '/a', seconds: SECONDS }, {}, {}])
})

t.test('a client that goes on, however slowly, or has nothing to send', async t => {
  const { send, warnings } = await watched(t)
  const idle = await send('GET /b HTTP/1.1\r\nHost: a\r\n\r\n')
  const whole = await send(head(2) + 'ab')
  whole.request.resume()
  const { socket, request } = await send(head(20))
  request.resume()
  // Twice as long as it may be idle.
  for (let at = 0; at < 20; at++) {
    await delay(SECONDS * 1000 / 10)
    socket.write('x')
  }
  await once(request, 'end')
  t.ok(request.complete)
  t.same([idle, whole].map(({ socket }) => socket.destroyed), [false, false])
  t.same(warnings, [])
})

t.test('a client that is not listened to: its bytes lie in front of a slow registry', async t => {
  const { send, warnings } = await watched(t)
  const size = 1_000_000
  const { socket, request } = await send(head(size))
  socket.write(Buffer.alloc(size))
  await delay(SECONDS * 3000)
  t.notOk(request.destroyed)
  t.same(warnings, [])
  let got = 0
  for await (const chunk of request) got += (chunk as Buffer).length
  t.equal(got, size)
})
