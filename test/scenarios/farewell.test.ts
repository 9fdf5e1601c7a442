/** The gate ends at once, whatever connections clients keep open without waiting on them. */
import { once } from 'node:events'
import { Agent, get, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import t from 'tap'
import { authority } from '../support/certificates.js'
import { push } from '../support/client.js'
import { startGate } from '../support/delgate.js'
import { expectStatus, header } from '../support/http.js'
import { image } from '../support/images.js'
import { del } from '../support/jobs.js'
import { eachRegistry, tool } from '../support/tools.js'

/** Far below what a connection may rest, or a head may take: 60 and 75 s. Milliseconds. */
const SOON = 20_000

await eachRegistry(t, 'connections that were opened ahead, and one that rests only after the end has begun', async (t, tool) => {
  const gate = await startGate(t, tool, { settings: { collection: { collector: 'registry', quietSeconds: 60, maximumDelaySeconds: 60 } } })
  await push(gate.url, 'app', 'v1', await image('farewell'))
  const { hostname, port } = new URL(gate.url)
  const ahead = connect(Number(port), hostname)
  t.teardown(() => { ahead.destroy() })
  await once(ahead, 'connect')
  const job = expectStatus(await del(gate.url, '/v2/app/manifests/v1'), 202, 'DELETE')
  const agent = new Agent({ keepAlive: true })
  t.teardown(() => { agent.destroy() })
  const [events] = await once(get(new URL(`${header(job, 'location')}/events`, gate.url), { agent }), 'response') as [IncomingMessage]
  events.resume()
  const start = performance.now()
  await gate.close()
  t.ok(performance.now() - start < SOON, 'it has ended')
})

t.test('a connection that was opened ahead, with TLS', async t => {
  const known = await authority(t)
  const gate = await startGate(t, { ...tool('registry 3.1'), version: '3.1' }, { settings: { listen: { tls: await known.issue('gate') } } })
  const { hostname, port } = new URL(gate.url)
  const ahead = connectTls({ port: Number(port), host: hostname, rejectUnauthorized: false })
  ahead.on('error', () => {})
  t.teardown(() => { ahead.destroy() })
  await once(ahead, 'secureConnect')
  const start = performance.now()
  await gate.close()
  t.ok(performance.now() - start < SOON, 'it has ended')
})
