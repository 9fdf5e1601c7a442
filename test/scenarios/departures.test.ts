/** Clients that go at the worst moment: nothing that they waited for, or had, is kept for them. */
import { connect, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { push } from '../support/client.js'
import { startGate } from '../support/delgate.js'
import { openDoor } from '../support/door.js'
import { expectStatus, json, request } from '../support/http.js'
import { image, type Manifest } from '../support/images.js'
import { as, startGuarded, writing } from '../support/interleaving.js'
import { del, jobEnded } from '../support/jobs.js'
import { startRegistry } from '../support/registry.js'
import { until } from '../support/temporary.js'
import { eachRegistry } from '../support/tools.js'

const putText = (path: string, { mediaType, bytes }: Manifest): Buffer =>
  Buffer.concat([Buffer.from(`PUT ${path} HTTP/1.1\r\nHost: gate\r\nContent-Type: ${mediaType}\r\nContent-Length: ${bytes.length}\r\n\r\n`), bytes])

/** A connection on which something was sent. */
function send (t: Test, url: string, ...pieces: Buffer[]): Socket {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.on('error', () => {})
  t.teardown(() => { socket.destroy() })
  for (const piece of pieces) socket.write(piece)
  return socket
}

const traffic = async (url: string): Promise<Record<string, number>> => json<{ traffic: Record<string, number> }>(await request(url, 'GET', '/delgate/v1/status')).traffic
const atRest = async (url: string): Promise<unknown> => await until('nobody does anything any more', async () => { const { reads, downloads, writes } = await traffic(url); return reads === 0 && downloads === 0 && writes === 0 })

await eachRegistry(t, 'a client goes while its PUT waits for its turn, and the PUT is refused then: the turn is given back', async (t, tool) => {
  const registry = await startRegistry(t, tool)
  const door = await openDoor(t, registry.url)
  const rules = [{ name: 'releases', repositories: ['app'], tags: ['v1'], users: [], overwrite: false }]
  const gate = await startGate(t, tool, { files: registry, settings: { protection: { rules }, registry: { controller: 'command', url: door.url, config: registry.config, command: { collect: ['false'], restart: ['false'] } } } })
  const [v1, junk, other] = [await image('v1'), await image('junk'), await image('other')]
  for (const [tag, content] of [['v1', v1], ['junk', junk], ['other', other]] as const) await push(gate.url, 'app', tag, content, as('pusher'))
  const evicting = door.hold({ method: 'DELETE', path: `/v2/app/blobs/${junk.config.digest}`, when: 'before' })
  const first = expectStatus(await del(gate.url, '/v2/app/manifests/junk'), 202, 'junk')
  await evicting.arrived
  const socket = send(t, gate.url, putText('/v2/app/manifests/v1', other))
  await writing(gate.url, 1)
  socket.destroy()
  await until('its request is known to be over', async () => (await traffic(gate.url)).writes! <= 1)
  evicting.release()
  t.equal((await jobEnded(gate.url, first)).state, 'done')
  await atRest(gate.url)
  t.equal((await jobEnded(gate.url, expectStatus(await del(gate.url, '/v2/app/manifests/other'), 202, 'other'))).state, 'done')
  await push(gate.url, 'app', 'v2', await image('v2'))
})

await eachRegistry(t, 'requests that stand behind another one in their connection end with it', async (t, tool) => {
  const gate = await startGuarded(t, tool)
  const [v1, other] = [await image('v1'), await image('other')]
  await push(gate.url, 'app', 'v1', v1, as('pusher'))
  await push(gate.url, 'app', 'other', other, as('pusher'))
  const slow = gate.door.hold({ method: 'GET', path: `/v2/app/blobs/${v1.config.digest}`, when: 'before' })
  const get = (path: string): Buffer => Buffer.from(`GET ${path} HTTP/1.1\r\nHost: gate\r\n\r\n`)
  const socket = send(t, gate.url, get(`/v2/app/blobs/${v1.config.digest}`), putText('/v2/app/manifests/again', v1), get(`/v2/app/blobs/${v1.layers[0]!.digest}`))
  await slow.arrived
  await writing(gate.url, 1)
  socket.destroy()
  slow.release()
  await atRest(gate.url)
  t.equal((await jobEnded(gate.url, expectStatus(await del(gate.url, '/v2/app/manifests/other'), 202, 'other'))).state, 'done')
})
