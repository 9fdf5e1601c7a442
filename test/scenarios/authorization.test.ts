/** Scenario 38: the registry decides who may delete; Delgate passes its word on. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { basic, expectStatus, header, ociError, request, type Answer } from '../support/http.js'
import { digestsOf, image } from '../support/images.js'
import { pull, push } from '../support/client.js'
import { startGate } from '../support/delgate.js'
import { assertClean, listing } from '../support/disk.js'
import { allJobs, del, deleted } from '../support/jobs.js'
import { keptLog } from '../support/log.js'
import { eachPair } from '../support/pairs.js'
import { USERS, startRegistry } from '../support/registry.js'
import { eachRegistry } from '../support/tools.js'
import { startTokenService } from '../support/tokens.js'

/** These tests are wrong more often than anybody would be let. */
const MANY_TRIES = { access: { failedAttempts: 10_000 } }

const alice = basic('alice', USERS.alice)

/** Every kind of deletion. */
const deletions = (digest: string) => [
  '/v2/team/app/manifests/v1', `/v2/team/app/manifests/${digest}`, `/v2/team/app/blobs/${digest}`, '/v2/team/app/tags/list',
  '/v2/team/app/tags/reference/v1', '/v2/team/app', '/v2/team/app?recursive=true', '/v2/team?recursive=true', '/v2/team/app/manifests/v1?dry-run=true'
]

await eachPair(t, 'scenario 38: htpasswd: without the right credentials the registry\'s own 401, and nothing changes', async (t, tool, { collection }) => {
  const gate = await startGate(t, tool, { registry: { auth: 'htpasswd' }, settings: { ...MANY_TRIES, collection } })
  const bare = await startRegistry(t, tool, { auth: 'htpasswd' })
  const content = await image('secret')
  await push(gate.url, 'team/app', 'v1', content, { headers: alice })
  const before = await listing(gate.storage)

  for (const path of deletions(content.digest)) {
    for (const headers of [{}, basic('alice', 'wrong'), basic('nobody', 'x'), { authorization: 'Basic' }, { authorization: 'Bearer abc' }]) {
      const answer = await del(gate.url, path, { headers })
      t.equal(answer.status, 401, `${path} with ${JSON.stringify(headers)}`)
      t.equal(ociError(answer).code, 'UNAUTHORIZED')
      const own = await request(bare.url, 'DELETE', `/v2/team/app/manifests/${content.digest}`, { headers })
      t.equal(header(answer, 'www-authenticate'), header(own, 'www-authenticate'), 'the registry\'s own challenge')
    }
  }
  t.same(await listing(gate.storage), before, 'nothing changed')
  t.equal((await del(gate.url, '/v2/none/manifests/v1')).status, 401, 'what does not exist is not told apart')

  await pull(gate.url, 'team/app', 'v1', content, { headers: alice })
  await deleted(gate.url, '/v2/team/app/manifests/v1', { headers: alice })
  await assertClean(t, gate, { digests: digestsOf(content), repositories: ['team/app'] })
})

await eachPair(t, 'scenario 38: Delgate\'s own interface does not let strangers delete either', async (t, tool, { collection }) => {
  const gate = await startGate(t, tool, { registry: { auth: 'htpasswd' }, settings: { ...MANY_TRIES, collection } })
  const content = await image('own interface')
  await push(gate.url, 'app', 'v1', content, { headers: alice })
  const before = await listing(gate.storage)
  for (const [method, path] of [['DELETE', '/delgate/v1/repositories?confirm=all'], ['POST', '/delgate/v1/collections']] as const) {
    const answer = await request(gate.url, method, path, { headers: { 'content-type': 'application/json' }, body: method === 'POST' ? '{"untagged":true}' : '' })
    t.ok([401, 403, 404].includes(answer.status), `${method} ${path}: ${answer.status}`)
  }
  t.same(await listing(gate.storage), before, 'nothing changed')
})

await eachPair(t, 'scenario 38: tokens: without the delete scope 401, with the delete scope in the challenge', async (t, tool, { collection }) => {
  const service = await startTokenService(t)
  const gate = await startGate(t, tool, { registry: { auth: service.auth }, settings: { ...MANY_TRIES, collection } })
  const bearer = (...scopes: string[]) => ({ authorization: `Bearer ${service.token(...scopes)}` })
  const content = await image('token')
  const writer = bearer('repository:team/app:pull,push')
  await push(gate.url, 'team/app', ['v1', 'v2'], content, { headers: writer })
  const before = await listing(gate.storage)

  for (const headers of [{}, writer, bearer('repository:team/other:pull,push,delete'), { authorization: `${writer.authorization}x` }]) {
    for (const path of deletions(content.digest).filter((one) => !one.startsWith('/v2/team?'))) {
      const answer = await del(gate.url, path, { headers })
      t.equal(answer.status, 401, path)
      t.match(header(answer, 'www-authenticate'), /^Bearer realm="[^"]+\/token",service="test registry",scope="repository:team\/app:delete"/, 'the delete scope')
    }
  }
  t.same(await listing(gate.storage), before, 'nothing changed')

  await deleted(gate.url, '/v2/team/app/manifests/v1', { headers: bearer('repository:team/app:delete') })
  await pull(gate.url, 'team/app', 'v2', content, { headers: writer })
  await deleted(gate.url, '/v2/team/app', { headers: bearer('repository:team/app:delete') })
  await assertClean(t, gate, { digests: digestsOf(content), repositories: ['team/app'] })
}, ['openssl'])

await eachPair(t, 'a recursive delete needs leave for every repository, and does nothing unless all say yes', async (t, tool, { collection }) => {
  const service = await startTokenService(t)
  const gate = await startGate(t, tool, { registry: { auth: service.auth }, settings: { ...MANY_TRIES, collection } })
  const bearer = (...scopes: string[]) => ({ authorization: `Bearer ${service.token(...scopes)}` })
  const content = await image('recursive')
  for (const name of ['team/a', 'team/b']) await push(gate.url, name, 'v1', content, { headers: bearer(`repository:${name}:pull,push`) })
  const before = await listing(gate.storage)
  for (const headers of [bearer('repository:team/a:delete'), bearer('repository:team/b:delete'), bearer('repository:team:delete')]) {
    t.equal(expectStatus(await del(gate.url, '/v2/team?recursive=true', { headers }), 401, 'DELETE').status, 401)
  }
  t.same(await listing(gate.storage), before, 'nothing changed')
  const all = bearer('repository:team:delete', 'repository:team/a:delete', 'repository:team/b:delete')
  await deleted(gate.url, '/v2/team?recursive=true', { headers: all })
  await assertClean(t, gate, { digests: digestsOf(content), repositories: ['team/a', 'team/b'] })
}, ['openssl'])

await eachRegistry(t, 'passwords are in no answer, no log, and no file of Delgate\'s own', async (t, tool) => {
  const log = keptLog('trace')
  const gate = await startGate(t, tool, { registry: { auth: 'htpasswd' }, settings: { ...MANY_TRIES, trash: { keepFor: { tag: 1, manifest: 0, repository: 0, untagged: 0 } } }, app: { logger: log.logger } })
  const content = await image('hush')
  await push(gate.url, 'app', ['v1', 'v2'], content, { headers: alice })
  const said: string[] = []
  const ask = async (method: string, path: string, headers: object): Promise<Answer> => {
    const answer = await request(gate.url, method, path, { headers: { ...headers } })
    said.push(JSON.stringify(answer.headers), answer.body.toString())
    return answer
  }
  const wrong = basic('alice', 'open sesame')
  for (const path of ['/v2/app/manifests/v1', '/v2/app', '/v2/none']) await ask('DELETE', path, wrong)
  for (const path of ['/v2/app/manifests/v1?dry-run=true', '/v2/none', '/v2/app/manifests/v1']) await ask('DELETE', path, { ...alice, prefer: 'wait=30' })
  const [job] = await allJobs(gate.url, { headers: alice })
  await ask('POST', `/delgate/v1/jobs/${job!.id}/undo`, alice)
  await ask('POST', '/delgate/v1/collections', { ...alice, prefer: 'wait=30' })
  for (const path of ['jobs', `jobs/${job!.id}`, 'status', 'audit']) t.equal((await ask('GET', `/delgate/v1/${path}`, alice)).status, 200)
  for (const path of ['jobs', 'status', 'audit']) t.equal((await ask('GET', `/delgate/v1/${path}`, wrong)).status, 401)
  await gate.close()
  const state = join(gate.directory, 'state')
  const files = (await listing(state)).filter(({ kind }) => kind === 'file')
  t.ok(files.length > 3, `${files.length} files`)
  for (const { path } of files) said.push(await readFile(join(state, path), 'latin1'))
  const logged = log.said(/^/)
  t.ok(logged.length > 3, `${logged.length} lines`)
  const everything = said.join() + JSON.stringify(logged)
  for (const secret of [USERS.alice, 'open sesame', ...[alice, wrong].map(({ authorization }) => authorization.slice('Basic '.length))]) t.notOk(everything.includes(secret), secret)
})
