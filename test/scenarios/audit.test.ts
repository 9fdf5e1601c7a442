/** What is decided about deletions is written down: who, from where, what, and what came of it. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { push } from '../support/client.js'
import { startGate, type Gate } from '../support/delgate.js'
import { basic, json, request } from '../support/http.js'
import { image } from '../support/images.js'
import { del, deleted, jobEnded } from '../support/jobs.js'
import { USERS } from '../support/registry.js'
import { until } from '../support/temporary.js'
import { startTokenService } from '../support/tokens.js'
import { eachRegistry } from '../support/tools.js'

interface Entry { readonly action: string, readonly outcome: string, readonly status?: number, readonly job?: string, readonly bytes?: number, readonly target: object }

/** What has come to be written down: the end of a job is, shortly after the job says so itself. */
async function audited (gate: Gate, query: string, count: number): Promise<Entry[]> {
  return await until(`${count} entries`, async () => {
    const entries = await audit(gate, query)
    return entries.length >= count && entries
  })
}

const alice = basic('alice', USERS.alice)

async function audit (gate: Gate, query: string, headers: object = alice): Promise<Entry[]> {
  return json<{ entries: Entry[] }>(await request(gate.url, 'GET', `/delgate/v1/audit${query}`, { headers: { ...headers } })).entries
}

await eachRegistry(t, 'accepted, done, refused by the registry, by a rule, because it is in use; overwriting; collections', async (t, tool) => {
  const rules = [{ name: 'releases', repositories: ['**'], tags: ['v1'], users: [], overwrite: false }]
  const gate = await startGate(t, tool, { registry: { auth: 'htpasswd' }, settings: { trustProxy: ['127.0.0.1'], protection: { rules } } })
  const [content, other] = [await image('audited'), await image('other')]
  await push(gate.url, 'app', ['v1', 'dev'], content, { headers: alice })
  await push(gate.url, 'app', 'other', other, { headers: alice })
  const from = { ...alice, 'user-agent': 'a "client"\u00ff', 'x-forwarded-for': '192.0.2.7' }

  await deleted(gate.url, '/v2/app/manifests/other', { headers: from })
  const [done, accepted, ...more] = await audited(gate, '', 2)
  t.same(more, [])
  const about = { action: 'delete', who: { user: 'alice', address: '192.0.2.7' }, target: { type: 'tag', repository: 'app', tag: 'other' } }
  t.match(accepted, { ...about, outcome: 'accepted', status: 202, job: /./ })
  t.match(done, { ...about, outcome: 'done', job: accepted!.job, bytes: Number })
  t.ok(done!.bytes! > 0)

  await del(gate.url, '/v2/app/manifests/dev', { headers: basic('alice', 'wrong') })
  t.match(await audit(gate, '?limit=1'), [{ action: 'delete', outcome: 'refused', status: 401, code: 'UNAUTHORIZED', who: { user: undefined, address: '127.0.0.1' } }])
  await del(gate.url, '/v2/app/manifests/v1', { headers: alice })
  t.match(await audit(gate, '?limit=1'), [{ outcome: 'refused', status: 403, code: 'DENIED', reason: /rule "releases"/, who: { user: 'alice' } }])
  await del(gate.url, `/v2/app/blobs/${content.layers[0]!.digest}`, { headers: alice })
  t.match(await audit(gate, '?limit=1'), [{ outcome: 'refused', status: 409, target: { type: 'blob' } }])
  await request(gate.url, 'PUT', '/v2/app/manifests/v1', { headers: { ...alice, 'content-type': other.mediaType }, body: other.bytes })
  t.match(await audit(gate, '?limit=1'), [{ action: 'overwrite', outcome: 'refused', status: 403 }])
  const before = (await audit(gate, '')).length
  await del(gate.url, '/v2/app/manifests/v1?dry-run=true', { headers: alice })
  await del(gate.url, '/v2/app/manifests/none', { headers: alice })
  t.equal((await audit(gate, '')).length, before, 'what decides nothing is not written down')

  await jobEnded(gate.url, await request(gate.url, 'POST', '/delgate/v1/collections', { headers: alice }), { headers: alice })
  t.same((await audited(gate, '?action=collect', 2)).map(({ outcome }) => outcome), ['done', 'accepted'])
  t.equal((await audit(gate, '?outcome=refused&repository=app')).length, 4)
  t.match(json(await request(gate.url, 'GET', '/delgate/v1/audit?limit=1', { headers: alice })), { next: /./, skipped: 0 })
  t.equal((await request(gate.url, 'GET', '/delgate/v1/audit?wrong=1', { headers: alice })).status, 400)
})

await eachRegistry(t, 'a caller sees what is about repositories in which it could delete', async (t, tool) => {
  const service = await startTokenService(t)
  const gate = await startGate(t, tool, { registry: { auth: service.auth } })
  const bearer = (...scopes: string[]) => ({ authorization: `Bearer ${service.token(...scopes)}` })
  for (const name of ['team/a', 'team/b']) {
    await push(gate.url, name, 'v1', await image(name), { headers: bearer(`repository:${name}:pull,push`) })
    await del(gate.url, `/v2/${name}`, { headers: bearer(`repository:${name}:pull`) })
  }
  t.match(await audit(gate, '', bearer('repository:team/a:delete')), [{ outcome: 'refused', target: { repository: 'team/a' } }])
  t.equal((await audit(gate, '', bearer('repository:team/a:delete'))).length, 1)
  t.equal((await audit(gate, '', bearer('repository:team/a:delete', 'repository:team/b:delete'))).length, 2)
}, ['openssl'])

await eachRegistry(t, 'others are told of each tag and manifest that was removed, with the secret, and again when they were away', async (t, tool) => {
  const got: Array<{ secret: string | undefined, type: string | undefined, body: { events: object[] } }> = []
  let status = 500
  const receiver = createServer((request, response) => {
    void text(request).then(body => {
      if (status === 200) got.push({ secret: request.headers.authorization, type: request.headers['content-type'], body: JSON.parse(body) as { events: object[] } })
      response.writeHead(status).end()
    })
  })
  receiver.listen(0, '127.0.0.1')
  await once(receiver, 'listening')
  t.teardown(() => { receiver.close() })
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/events`
  const gate = await startGate(t, tool, { settings: { notifications: { endpoints: [{ name: 'here', url, secret: 'hush', header: 'Authorization', timeoutSeconds: 5 }], retryMaximumSeconds: 0.2 } } })
  const content = await image('told')
  await push(gate.url, 'team/app', ['v1', 'v2'], content)
  await deleted(gate.url, '/v2/team/app', { headers: { 'user-agent': 'somebody' } })
  status = 200
  await until('it was told', async () => got.length > 0)
  t.match(got[0], { secret: 'Bearer hush', type: 'application/vnd.docker.distribution.events.v2+json' })
  t.same(got.flatMap(({ body }) => body.events).map(event => (event as { target: object }).target), [{ repository: 'team/app', tag: 'v1' }, { repository: 'team/app', tag: 'v2' }, { repository: 'team/app', digest: content.digest }])
  t.match(got[0]!.body.events[0], { action: 'delete', request: { method: 'DELETE', useragent: 'somebody' } })
})
