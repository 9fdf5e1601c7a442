/** Clients that keep a connection without using it: each limit, and that whoever works is not affected. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { beginUpload, manifestStatus, pull, push } from '../support/client.js'
import { startGate, type Gate, type PartialSettings } from '../support/delgate.js'
import { request } from '../support/http.js'
import { image, layer } from '../support/images.js'
import { writing } from '../support/interleaving.js'
import { deleted } from '../support/jobs.js'
import { keptLog } from '../support/log.js'
import { until } from '../support/temporary.js'
import { skipWithout, tool } from '../support/tools.js'

const skip = skipWithout('registry 3.1')
const IDLE = 500
const SLOW = 50
const STALLED = 300

type Limits = PartialSettings['limits']

async function start (t: Test, limits: Limits): Promise<Gate & ReturnType<typeof keptLog>> {
  const log = keptLog()
  return { ...await startGate(t, { ...tool('registry 3.1'), version: '3.1' }, { settings: { limits }, app: { logger: log.logger } }), ...log }
}

/** A connection that sends this and then nothing. */
async function hanging (t: Test, gate: Gate, text = ''): Promise<{ readonly socket: Socket, readonly closed: Promise<string> }> {
  const { hostname, port } = new URL(gate.url)
  const socket = connect(Number(port), hostname)
  const said: Buffer[] = []
  socket.on('error', () => {}).on('data', (chunk: Buffer) => said.push(chunk))
  t.teardown(() => { socket.destroy() })
  const closed = once(socket, 'close').then(() => Buffer.concat(said).toString())
  await once(socket, 'connect')
  if (text !== '') socket.write(text)
  return { socket, closed }
}

const halfBody = async (gate: Gate, repository: string): Promise<string> =>
  `PATCH ${await beginUpload(gate.url, repository)} HTTP/1.1\r\nHost: ${gate.host}\r\nContent-Type: application/octet-stream\r\nContent-Length: 1000\r\n\r\nhalf`

t.test('a head that does not come to its end is answered with 408', { skip }, async t => {
  const gate = await start(t, { headSeconds: 0.4 })
  const half = await hanging(t, gate, 'GET /v2/ HTTP/1.1\r\nHost: a\r\n')
  const silent = await hanging(t, gate)
  t.match(await half.closed, /^HTTP\/1\.1 408 Request Timeout\r\n.*the request head did not arrive in time/s)
  await silent.closed
})

t.test('a body that does not go on is broken off, and the registry is rid of it', { skip }, async t => {
  const gate = await start(t, { bodyIdleSeconds: 0.4 })
  const { closed } = await hanging(t, gate, await halfBody(gate, 'app'))
  await closed
  t.match(gate.said(/sent nothing of a body/), [{ url: /\/v2\/app\/blobs\/uploads\// }])
  await push(gate.url, 'app', '1', await image('after'))
})

t.test('more connections than allowed are turned away; one that ends makes room', { skip }, async t => {
  const gate = await start(t, { connections: 3 })
  const held = await Promise.all([hanging(t, gate), hanging(t, gate), hanging(t, gate)])
  // The server has seen all of them once it has answered the last.
  for (const { socket } of held) {
    socket.write('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n')
    await once(socket, 'data')
  }
  await t.rejects(request(gate.url, 'GET', '/v2/'))
  await t.rejects(request(gate.url, 'GET', '/v2/'))
  t.equal(gate.said(/limits\.connections are open already/).length, 1, 'said once, not each time')
  held[0]!.socket.end()
  await until('there is room', async () => await request(gate.url, 'GET', '/v2/').then(({ status }) => status === 200, () => false))
})

t.test(`${IDLE} idle and ${SLOW} slow clients beside a push`, { skip, timeout: 120_000 }, async t => {
  const gate = await start(t, {})
  const layers = [await layer('push/1', 5_000_000), await layer('push/2', 5_000_000)]
  const timed = async (tag: string): Promise<number> => {
    const before = performance.now()
    const content = await image(tag, { layers })
    await push(gate.url, `team/${tag}`, tag, content)
    await pull(gate.url, `team/${tag}`, tag, content)
    return performance.now() - before
  }
  const alone = await timed('alone')
  const clients = await Promise.all(Array.from({ length: IDLE }, async () => await hanging(t, gate)))
  for (let at = 0; at < SLOW; at++) clients.push(await hanging(t, gate, at % 2 === 0 ? 'GET /v2/ HTTP/1.1\r\nHost: ' : await halfBody(gate, `slow/${at}`)))
  const beside = await timed('beside')
  t.comment(`${Math.round(alone)} ms alone, ${Math.round(beside)} ms beside them`)
  t.ok(beside < alone * 5 + 5_000, `${Math.round(beside)} ms`)
  t.equal(clients.filter(({ socket }) => socket.destroyed).length, 0, 'they are all still there: nobody was cut off too early')
  const before = performance.now()
  clients.forEach(({ socket }) => { socket.destroy() })
  await gate.close()
  t.ok(performance.now() - before < 30_000, 'and the end does not wait for them')
})

t.test(`${STALLED} clients that stall in the middle of a body: a push, a pull and a deletion go on beside them`, { skip, timeout: 300_000 }, async t => {
  const gate = await start(t, {})
  const clients = []
  for (let at = 0; at < STALLED; at++) clients.push(await hanging(t, gate, await halfBody(gate, `stalled/${at % 7}`)))
  await writing(gate.url, STALLED)
  const content = await image('beside')
  await push(gate.url, 'team/app', '1', content)
  await pull(gate.url, 'team/app', '1', content)
  await deleted(gate.url, '/v2/team/app/manifests/1')
  t.equal(await manifestStatus(gate.url, 'team/app', '1'), 404)
  t.equal(clients.filter(({ socket }) => socket.destroyed).length, 0, 'and they are all still there')
})
