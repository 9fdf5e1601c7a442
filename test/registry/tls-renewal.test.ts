/** The gate's certificate is renewed while it runs: new connections get it, those that are open go on. */
import { copyFile, mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises'
import { Agent } from 'node:https'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { authority, type Authority, type Issued } from '../support/certificates.js'
import { startGate, type Gate } from '../support/delgate.js'
import { request } from '../support/http.js'
import { keptLog } from '../support/log.js'
import { temporaryDirectory, until } from '../support/temporary.js'
import { skipWithout, tool } from '../support/tools.js'

const skip = skipWithout('registry 3.1', 'openssl')

async function start (t: Test, tls: Issued): Promise<Gate & ReturnType<typeof keptLog>> {
  const log = keptLog()
  const gate = await startGate(t, { ...tool('registry 3.1'), version: '3.1' }, { settings: { listen: { tls } }, app: { logger: log.logger, renewalIntervalMs: 20 } })
  return { ...gate, ...log }
}

/** Whom a new connection meets. */
async function served (gate: Gate, { ca }: Authority): Promise<string> {
  const { hostname, port } = new URL(gate.url)
  const trusted = await readFile(ca)
  return await new Promise<string>((resolve, reject) => {
    const socket: TLSSocket = connect({ host: hostname, port: Number(port), ca: trusted }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN))
      socket.destroy()
    })
    socket.once('error', reject)
  })
}

/** As ACME clients do it: written beside, and renamed over. */
async function replace (of: Issued, by: Issued): Promise<void> {
  for (const name of ['certificate', 'key'] as const) {
    await copyFile(by[name], `${of[name]}.new`)
    await rename(`${of[name]}.new`, of[name])
  }
}

t.test('files that are replaced', { skip }, async t => {
  const known = await authority(t)
  const tls = await known.issue('live')
  const [first, second] = [await known.issue('first'), await known.issue('second')]
  await replace(tls, first)
  const gate = await start(t, tls)
  t.equal(await served(gate, known), 'first')

  const agent = new Agent({ ca: await readFile(known.ca), keepAlive: true, maxSockets: 1 })
  t.teardown(() => { agent.destroy() })
  const sockets = new Set<unknown>()
  agent.on('free', socket => sockets.add(socket))
  t.equal((await request(gate.url, 'GET', '/v2/', { agent })).status, 200)
  await replace(tls, second)
  await until('the new certificate is served', async () => await served(gate, known) === 'second')
  t.equal((await request(gate.url, 'GET', '/v2/', { agent })).status, 200)
  t.equal(sockets.size, 1, 'on the connection that was open')
  t.equal(gate.said(/new connections use them/).length, 1)
})

t.test('a symlink that is swapped, as Kubernetes does it', { skip }, async t => {
  const known = await authority(t)
  const directory = await temporaryDirectory(t)
  for (const name of ['first', 'second']) {
    await mkdir(join(directory, name))
    const issued = await known.issue(name)
    await copyFile(issued.certificate, join(directory, name, 'tls.crt'))
    await copyFile(issued.key, join(directory, name, 'tls.key'))
  }
  const pointTo = async (name: string): Promise<void> => {
    await symlink(name, join(directory, '..data_tmp'))
    await rename(join(directory, '..data_tmp'), join(directory, '..data'))
  }
  await pointTo('first')
  for (const name of ['tls.crt', 'tls.key']) await symlink(join('..data', name), join(directory, name))
  const gate = await start(t, { certificate: join(directory, 'tls.crt'), key: join(directory, 'tls.key') })
  t.equal(await served(gate, known), 'first')
  await pointTo('second')
  await until('the new certificate is served', async () => await served(gate, known) === 'second')
})

t.test('files that cannot be used are refused with a warning, once each', { skip }, async t => {
  const known = await authority(t)
  const tls = await known.issue('live')
  const other = await known.issue('other')
  const gate = await start(t, tls)
  const refused = (reason: RegExp): boolean => gate.said(/cannot be used: those before stay/).some(line => reason.test(String(line['reason'])))

  await copyFile(other.certificate, tls.certificate)
  await until('a mismatch is refused', () => refused(/"listen\.tls\.key".*is not the key of the first certificate/))
  await writeFile(tls.certificate, '-----BEGIN CERTIFICATE-----\noops\n')
  await until('a broken file is refused', () => refused(/"listen\.tls\.certificate".*holds no certificate/))
  await rename(tls.key, `${tls.key}.away`)
  await until('a missing file is refused', () => refused(/"listen\.tls\.key".*cannot be read: ENOENT/))
  t.equal(await served(gate, known), 'live')
  t.equal(gate.said(/cannot be used/).length, 3)

  await replace(tls, other)
  await until('a good pair is taken again', async () => await served(gate, known) === 'other')
})
