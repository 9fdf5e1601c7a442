/** TLS towards the registry: it is checked, and shown a certificate where it asks for one. */
import { copyFile } from 'node:fs/promises'
import t, { type Test } from 'tap'
import { pull, push, tagsOf, uploadBlob } from '../support/client.js'
import { authority, type Authority, type Issued } from '../support/certificates.js'
import { ociError, open, read, request } from '../support/http.js'
import { blobOf, digestOf, image, noise } from '../support/images.js'
import { del, jobEnded } from '../support/jobs.js'
import { keptLog, type Log } from '../support/log.js'
import { startSupervisedGate, type SupervisedGate } from '../support/supervised.js'
import { until } from '../support/temporary.js'
import { eachRegistry, type RegistryTool } from '../support/tools.js'

interface Secured extends SupervisedGate {
  readonly known: Authority
  /** What the registry shows, and what the gate shows it; the files may be replaced. */
  readonly server: Issued
  readonly client: Issued
  readonly log: Log
}

async function copy (from: Issued, to: Issued): Promise<void> {
  await copyFile(from.certificate, to.certificate)
  await copyFile(from.key, to.key)
}

/** A registry that only talks to those whose certificate its own authority made. */
async function start (t: Test, tool: RegistryTool, given: { readonly ca?: string } = {}): Promise<Secured> {
  const known = await authority(t)
  const [server, client] = [await known.issue('server'), await known.issue('client')]
  const log = keptLog()
  const gate = await startSupervisedGate(t, tool, {
    registry: { tls: { ...server, clientcas: [known.ca] } },
    settings: { registry: { tls: { ca: given.ca ?? known.ca, ...client }, readyTimeoutSeconds: 2 } },
    app: { logger: log.logger, renewalIntervalMs: 20 }
  })
  return { ...gate, known, server, client, log }
}

await eachRegistry(t, 'mutual TLS: push, pull, and a deletion that the registry is told of', async (t, tool) => {
  const gate = await start(t, tool)
  const content = await image('mutual')
  await push(gate.url, 'team/app', '1', content)
  await pull(gate.url, 'team/app', '1', content)
  const other = { headers: { host: 'registry.example.org' } }
  t.equal((await request(gate.url, 'GET', '/v2/', other)).status, 200, 'whatever name the client has for the gate')
  t.equal((await jobEnded(gate.url, await del(gate.url, '/v2/team/app/manifests/1'))).state, 'done')
  t.notOk((await tagsOf(gate.url, 'team/app'))?.length)
}, ['openssl'])

await eachRegistry(t, 'mutual TLS: a download goes on when the registry was killed', async (t, tool) => {
  const gate = await start(t, tool)
  const blob = blobOf(noise('a large blob over TLS', 60_000_000))
  await uploadBlob(gate.url, 'app', blob)
  const reading = await open(gate.url, 'GET', `/v2/app/blobs/${blob.digest}`)
  await gate.wrapper.kill()
  await gate.restart()
  t.equal(digestOf((await read(reading)).body), blob.digest)
}, ['openssl'])

await eachRegistry(t, 'a registry that cannot be trusted any more: 502, with the reason', async (t, tool) => {
  const gate = await start(t, tool)
  t.equal((await request(gate.url, 'GET', '/v2/')).status, 200)
  await copy(await (await authority(t, 'stranger')).issue('other'), gate.server)
  await gate.restart()
  for (const [method, path] of [['GET', '/v2/'], ['GET', `/v2/app/blobs/sha256:${'0'.repeat(64)}`], ['POST', '/v2/app/blobs/uploads/']] as const) {
    const refused = await request(gate.url, method, path)
    t.equal(refused.status, 502, `${method} ${path}`)
    t.match(ociError(refused), { code: 'UNAVAILABLE', message: /^no secure connection to the registry: UNABLE_TO_VERIFY_LEAF_SIGNATURE$/ })
  }
}, ['openssl'])

await eachRegistry(t, 'a client certificate that is renewed, and one that the registry does not take', async (t, tool) => {
  const gate = await start(t, tool)
  await copy(await (await authority(t, 'stranger')).issue('other'), gate.client)
  await until('it is taken', () => gate.log.said(/new connections use them/).length === 1)
  const refused = await request(gate.url, 'GET', '/v2/')
  t.equal(refused.status, 502)
  // With TLS 1.3 the registry closes after the handshake: no reason reaches the client.
  t.equal(ociError(refused).code, 'UNAVAILABLE')
  await copy(await gate.known.issue('second'), gate.client)
  await until('the next one is taken', () => gate.log.said(/new connections use them/).length === 2)
  t.equal((await request(gate.url, 'GET', '/v2/')).status, 200)
}, ['openssl'])

await eachRegistry(t, 'a wrong authority is said at the start', async (t, tool) => {
  const stranger = await authority(t, 'stranger')
  await t.rejects(start(t, tool, { ca: stranger.ca }), { name: 'SetupError', message: /does not answer at https:.* within 2 s \(.*certificate.*\)/ })
}, ['openssl'])
