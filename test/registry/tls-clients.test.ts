/** HTTPS for clients that have no proxy in front of the gate. */
import { readFile } from 'node:fs/promises'
import { Agent } from 'node:https'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import t from 'tap'
import { authority } from '../support/certificates.js'
import { clients, succeeds } from '../support/clients.js'
import { startGate } from '../support/delgate.js'
import { header, request } from '../support/http.js'
import { image, writeLayout } from '../support/images.js'
import { eachRegistry, skipWithout, tool } from '../support/tools.js'

await eachRegistry(t, 'push, pull and delete over HTTPS, with the certificate checked', async (t, tool) => {
  const known = await authority(t)
  const tls = await known.issue('gate')
  const gate = await startGate(t, tool, { settings: { listen: { tls } } })
  t.match(gate.url, /^https:\/\/127\.0\.0\.1:\d+$/)
  const { crane, curl, directory } = await clients(t, gate.host, undefined, known.ca)
  const content = await image('tls')
  await writeLayout(join(directory, 'layout'), content)
  const name = `${gate.host}/team/app:1`
  await succeeds(crane('push', 'layout', name))
  t.equal((await succeeds(crane('digest', name))).trim(), content.digest)
  await succeeds(crane('pull', name, 'pulled.tar'))
  t.equal(await succeeds(curl('-X', 'DELETE', '-H', 'Prefer: wait=60', '-o', 'answer', '-w', '%{http_code}', `${gate.url}/v2/team/app/manifests/1`)), '202')
  t.not((await crane('digest', name)).code, 0, 'it is gone')

  const stranger = await authority(t, 'stranger')
  const wary = await clients(t, gate.host, undefined, stranger.ca)
  t.not((await wary.curl(`${gate.url}/v2/`)).code, 0, 'who trusts another authority does not get in')
}, ['crane', 'curl', 'openssl'])

const hasIpv6 = Object.values(networkInterfaces()).flat().some(one => one?.address === '::1')

for (const [host, shown] of [['localhost', /^https:\/\/(?:127\.0\.0\.1|\[::1\]):\d+$/], ['::1', /^https:\/\/\[::1\]:\d+$/]] as const) {
  const skip = skipWithout('registry 3.1', 'crane', 'openssl') || (host === '::1' && !hasIpv6 && 'this machine has no IPv6')
  t.test(`push and pull where the gate listens on ${host}`, { skip }, async t => {
    const known = await authority(t)
    const gate = await startGate(t, { ...tool('registry 3.1'), version: '3.1' }, { settings: { listen: { host, tls: await known.issue('gate') } } })
    t.match(gate.url, shown)
    const { crane, directory } = await clients(t, gate.host, undefined, known.ca)
    const content = await image('tls')
    await writeLayout(join(directory, 'layout'), content)
    const agent = new Agent({ ca: await readFile(known.ca) })
    t.teardown(() => { agent.destroy() })
    for (const name of host === 'localhost' ? [gate.host, gate.host.replace(/^.*:/, 'localhost:')] : [gate.host]) {
      await succeeds(crane('push', 'layout', `${name}/team/app:1`))
      t.equal((await succeeds(crane('digest', `${name}/team/app:1`))).trim(), content.digest)
      await succeeds(crane('pull', `${name}/team/app:1`, 'pulled.tar'))
      const begun = await request(gate.url, 'POST', '/v2/team/app/blobs/uploads/', { agent, headers: { host: name } })
      t.ok(header(begun, 'location')!.startsWith(`https://${name}/v2/`), `to ${header(begun, 'location')}`)
    }
  })
}

t.test('what is answered keeps the client on https', { skip: skipWithout('registry 3.1', 'openssl') }, async t => {
  const known = await authority(t)
  const gate = await startGate(t, { ...tool('registry 3.1'), version: '3.1' }, { settings: { listen: { tls: await known.issue('gate') } } })
  const ca = await readFile(known.ca)
  const agent = new Agent({ ca })
  t.teardown(() => { agent.destroy() })
  const begun = await request(gate.url, 'POST', '/v2/team/app/blobs/uploads/', { agent })
  t.equal(begun.status, 202)
  t.ok(header(begun, 'location')!.startsWith(`${gate.url}/v2/`), `to ${header(begun, 'location')}`)

  await t.rejects(request(gate.url.replace('https', 'http'), 'GET', '/v2/'), 'plain HTTP gets no answer')
  const { hostname, port } = new URL(gate.url)
  for (const [version, ends] of [['TLSv1.1', 'error'], ['TLSv1.2', 'secureConnect'], ['TLSv1.3', 'secureConnect']] as const) {
    // Without a lower security level OpenSSL would not even try.
    const socket = connect({ host: hostname, port: Number(port), ca, minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' })
    const how = await new Promise(resolve => { socket.once('secureConnect', () => { resolve('secureConnect') }).once('error', () => { resolve('error') }) })
    socket.destroy()
    t.equal(how, ends, version)
  }
})
