/** The examples in config/proxies, with real proxies in front of Delgate in front of a real registry. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { beginUpload, push } from '../support/client.js'
import { clients, succeeds } from '../support/clients.js'
import { startGate, type Gate, type GateOptions } from '../support/delgate.js'
import { assertClean } from '../support/disk.js'
import { blocksOf, put } from '../support/docs.js'
import { basic, expectStatus, header, json, open, request, start } from '../support/http.js'
import { digestsOf, image, layer, writeLayout } from '../support/images.js'
import { leavesSomething } from '../support/interleaving.js'
import { jobAt, jobEnded, type Job } from '../support/jobs.js'
import { startProxy, type Edit, type Proxy, type ProxyKind } from '../support/proxies.js'
import { USERS } from '../support/registry.js'
import { until } from '../support/temporary.js'
import { eachRegistry, skipWithout, tool } from '../support/tools.js'

t.setTimeout(600_000)
const MIB = 1024 * 1024
const content = await image('behind a proxy', { layers: [await layer('large', 64 * MIB), await layer('small')] })
const CLIENTS = ['skopeo', 'crane', 'curl', 'openssl'] as const
/** As docs/reverse-proxies.md says: the proxy runs on the same machine. */
const behind: GateOptions = { settings: { trustProxy: ['127.0.0.1'] } }

async function gateOf31 (t: Test, options: GateOptions = behind): Promise<Gate> {
  return await startGate(t, { ...tool('registry 3.1'), version: '3.1' }, options)
}

await eachRegistry(t, 'nginx: clients push, pull and delete, with a layer of 64 MiB', async (t, registry) => {
  const gate = await startGate(t, registry, behind)
  await pushPullDelete(t, gate, await startProxy(t, 'nginx', gate))
}, ['nginx', ...CLIENTS])

t.test('caddy: clients push, pull and delete, with a layer of 64 MiB', { skip: skipWithout('caddy', 'registry 3.1', ...CLIENTS) }, async t => {
  const gate = await gateOf31(t)
  await pushPullDelete(t, gate, await startProxy(t, 'caddy', gate))
})

for (const kind of ['nginx', 'caddy'] as const) {
  t.test(`${kind}: nothing is buffered, everything stays on https, and Delgate knows who asks`, { skip: skipWithout(kind, 'registry 3.1', ...CLIENTS) }, async t => {
    const gate = await gateOf31(t, { settings: { ...behind.settings, drain: { sessionIdleSeconds: 60 } } })
    const proxy = await startProxy(t, kind, gate)
    t.match(await locationOf(proxy), new RegExp(`^https://${proxy.host}/v2/`))
    t.ok(await uploadIsPassedOn(gate, proxy), 'an upload is on its way to the registry while the client is in the middle of it')
    t.ok(await eventsAreAtOnce(gate, proxy), 'an event of a job comes while the job waits')
    t.equal(await addressOf(t, gate, proxy), '127.0.0.3', 'who deletes is known by the address, whatever a client says of itself')
    for (const [path, status] of [['/metrics', 404], ['/%6detrics', 404], ['//metrics', 404], ['/delgate/v1/status', 200]] as const) {
      t.equal((await request(proxy.url, 'GET', path, { agent: proxy.agent })).status, status, path)
    }
    t.equal((await request(gate.url, 'GET', '/metrics')).status, 200)
  })
}

async function pushPullDelete (t: Test, gate: Gate, proxy: Proxy): Promise<void> {
  const { skopeo, crane, curl, directory } = await clients(t, proxy.host, undefined, proxy.ca)
  await writeLayout(join(directory, 'layout'), content)
  const name = `${proxy.host}/team/app`
  await succeeds(crane('push', 'layout', `${name}:crane`))
  t.equal((await succeeds(crane('digest', `${name}:crane`))).trim(), content.digest)
  await succeeds(crane('pull', '--format', 'oci', `${name}:crane`, 'pulled'))
  await succeeds(crane('delete', `${name}:crane`))
  await until('its job has ended', async () => json<{ jobs: Job[] }>(await request(gate.url, 'GET', '/delgate/v1/jobs')).jobs[0]?.state === 'done')
  await assertClean(t, gate, { digests: digestsOf(content), repositories: ['team/app'] })

  await succeeds(skopeo('copy', 'oci:layout:latest', `docker://${name}:skopeo`))
  await succeeds(skopeo('copy', `docker://${name}:skopeo`, 'dir:copied'))
  t.same((await readFile(join(directory, 'copied', content.layers[0]!.digest.slice(7)))).equals(content.layers[0]!.bytes), true, 'the large layer came whole')
  const answer = await succeeds(curl('--include', '--request', 'DELETE', '--header', 'Prefer: wait=60', `${proxy.url}/v2/team/app/manifests/skopeo`))
  t.match(answer, /^HTTP\/[\d.]+ 202/)
  t.match(answer, /"state":"done"/)
  const [, location = ''] = /^location: (\S+)/im.exec(answer) ?? []
  t.equal((await jobAt(gate.url, new URL(location, proxy.url).pathname)).state, 'done')
  await assertClean(t, gate, { digests: digestsOf(content), repositories: ['team/app'] })
}

/** Where the registry sends a client that begins an upload. */
async function locationOf ({ url, agent }: Proxy): Promise<string> {
  return header(expectStatus(await request(url, 'POST', '/v2/team/app/blobs/uploads/', { agent }), 202, 'POST'), 'location')!
}

/** Whether the gate has an upload in hand of which the client has sent a part. */
async function uploadIsPassedOn (gate: Gate, { url, agent }: Proxy): Promise<boolean> {
  const location = await beginUpload(gate.url, 'team/app')
  const { request: sending, promise } = start(url, 'PATCH', location, { agent, headers: { 'content-type': 'application/octet-stream' } })
  sending.write(Buffer.alloc(100_000))
  const writes = async (): Promise<number> => json<{ traffic: { writes: number } }>(await request(gate.url, 'GET', '/delgate/v1/status')).traffic.writes
  const isSeen = await until('the gate has it', async () => await writes() > 0, 3_000).catch(() => false)
  sending.end()
  const answered = await promise
  answered.resume()
  expectStatus({ status: answered.statusCode!, headers: answered.headers, body: Buffer.alloc(0) }, 202, 'PATCH')
  return isSeen
}

/** Whether the first event of a job comes while there is nothing more to say. */
async function eventsAreAtOnce (gate: Gate, { url, agent }: Proxy): Promise<boolean> {
  const other = await image('events')
  await push(gate.url, 'team/events', '1', other)
  // A client that was told that a layer is there relies on it: the job must wait.
  await request(gate.url, 'HEAD', `/v2/team/events/blobs/${other.layers[0]!.digest}`)
  const accepted = expectStatus(await request(gate.url, 'DELETE', '/v2/team/events/manifests/1'), 202, 'DELETE')
  const path = new URL(header(accepted, 'location')!, gate.url).pathname
  await leavesSomething(gate.url, accepted)
  let said = ''
  const events = open(url, 'GET', `${path}/events`, { agent }).then(message => { message.setEncoding('utf8').on('data', (text: string) => { said += text }) })
  const isAtOnce = await until('an event', () => said !== '', 3_000).then(() => true, () => false)
  // At the moment it may be looking whether it can go on.
  await until('it is cancelled', async () => (await request(gate.url, 'POST', `${path}/cancel`)).status === 200)
  await events
  await until('the last event', () => said.includes('"state":"cancelled"'))
  return isAtOnce
}

/** The address that the audit has of somebody who deletes from 127.0.0.3 and says to be somebody else. */
async function addressOf (t: Test, gate: Gate, proxy: Proxy): Promise<string | undefined> {
  await push(gate.url, 'team/who', '1', await image('who'))
  const { curl } = await clients(t, proxy.host, undefined, proxy.ca)
  await succeeds(curl('--interface', '127.0.0.3', '--header', 'X-Forwarded-For: 192.0.2.66', '--request', 'DELETE', `${proxy.url}/v2/team/who/manifests/1`))
  const { entries } = json<{ entries: Array<{ who: { address?: string } }> }>(await request(gate.url, 'GET', '/delgate/v1/audit?repository=team/who&outcome=accepted'))
  return entries[0]?.who.address
}

t.test('nginx: what goes wrong without a line', { skip: skipWithout('nginx', 'registry 3.1', ...CLIENTS) }, async t => {
  const gate = await gateOf31(t, { settings: { ...behind.settings, drain: { sessionIdleSeconds: 60 } } })
  const without = async (line: string): Promise<Proxy> => await startProxy(t, 'nginx', gate, text => put(text, line, ''))
  const large = Buffer.alloc(2 * MIB)

  const limited = await without('client_max_body_size 0;')
  t.equal((await request(limited.url, 'PATCH', await beginUpload(gate.url, 'team/app'), { agent: limited.agent, body: large })).status, 413)
  t.match(await locationOf(await without('proxy_set_header X-Forwarded-Proto $scheme;')), /^http:/, 'clients are sent to where nobody speaks TLS')
  t.notMatch(await locationOf(await without('proxy_set_header Host $http_host;')), new RegExp((await startProxy(t, 'nginx', gate)).host), 'or to another host')
  t.notOk(await uploadIsPassedOn(gate, await without('proxy_request_buffering off;')), 'an upload is written to nginx\'s disk first')
  t.notOk(await eventsAreAtOnce(gate, await without('proxy_buffering off;')), 'events wait for more')
  t.equal(await addressOf(t, gate, await without('proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;')), '192.0.2.66', 'who deletes is whoever it says it is')
  const v2 = await startProxy(t, 'nginx', gate, text => put(text, 'location / {', 'location /v2/ {'))
  t.equal((await request(v2.url, 'GET', '/delgate/v1/jobs', { agent: v2.agent })).status, 404)
})

t.test('logins at the registry go through', { skip: skipWithout('nginx', 'caddy', 'registry 3.1', ...CLIENTS) }, async t => {
  const gate = await gateOf31(t, { ...behind, registry: { auth: 'htpasswd' } })
  for (const kind of ['nginx', 'caddy'] as const) await pushesAndDeletes(t, gate, kind)
})

t.test('nginx asks for the password itself, and Delgate knows the same users', { skip: skipWithout('nginx', 'registry 3.1', ...CLIENTS) }, async t => {
  const users = '/etc/nginx/registry.htpasswd'
  const [lines] = await blocksOf('reverse-proxies.md', 'nginx')
  const { access } = parse((await blocksOf('reverse-proxies.md', 'yaml')).at(-1)!) as { access: { ways: ['htpasswd'], htpasswd: string } }
  t.equal(access.htpasswd, users)
  // The registry has a file of the test's users, written as htpasswd -B does.
  const registry = await gateOf31(t)
  const file = join(registry.directory, 'htpasswd')
  await registry.close()
  const gate = await gateOf31(t, { files: registry, settings: { ...behind.settings, access: { ...access, htpasswd: file } } })
  await pushesAndDeletes(t, gate, 'nginx', text => put(text, 'location / {', `location / {\n${put(lines!, users, file)}`))
  t.match(json(await request(gate.url, 'GET', '/delgate/v1/audit?action=delete&outcome=accepted', { headers: basic('alice', USERS.alice) })), { entries: [{ who: { user: 'alice' } }] })
})

/** Alice gets through, and nobody without a password. */
async function pushesAndDeletes (t: Test, gate: Gate, kind: ProxyKind, edit?: Edit): Promise<void> {
  const proxy = await startProxy(t, kind, gate, edit)
  const { crane, directory } = await clients(t, proxy.host, { user: 'alice', password: USERS.alice }, proxy.ca)
  await writeLayout(join(directory, 'layout'), await image(`logins ${kind}`))
  const name = `${proxy.host}/team/app:${kind}`
  await succeeds(crane('push', 'layout', name))
  const stranger = await clients(t, proxy.host, undefined, proxy.ca)
  t.match((await stranger.crane('digest', name)).stderr, /401/, `${kind}: not without a password`)
  t.match((await stranger.crane('delete', name)).stderr, /401|UNAUTHORIZED/)
  const headers = basic('alice', USERS.alice)
  const answer = await request(proxy.url, 'DELETE', `/v2/team/app/manifests/${kind}`, { agent: proxy.agent, headers })
  t.equal((await jobEnded(gate.url, expectStatus(answer, 202, 'DELETE'), { headers })).state, 'done')
}

t.test('Traefik: what the two files say fits together', async t => {
  const [fixed, dynamic] = await Promise.all(['traefik.yml', 'traefik-delgate.yml'].map(async file => parse(await readFile(join('config/proxies', file), 'utf8')) as Record<string, never>))
  t.match(fixed, { entryPoints: { websecure: { address: ':443', transport: { respondingTimeouts: { readTimeout: '0s' } } } }, providers: { file: { filename: '/etc/traefik/delgate.yml' } } })
  t.match(dynamic, {
    http: {
      routers: { delgate: { rule: /^Host\(`[^`]+`\) && !Path\(`\/metrics`\)$/, entryPoints: ['websecure'], service: 'delgate', tls: {} } },
      services: { delgate: { loadBalancer: { serversTransport: 'delgate', servers: [{ url: 'http://127.0.0.1:5000' }] } } },
      serversTransports: { delgate: { forwardingTimeouts: { idleConnTimeout: '60s' } } }
    }
  })
})
