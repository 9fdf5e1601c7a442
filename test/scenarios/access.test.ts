/** Who may delete where the registry does not decide alone: users of Delgate's own, nobody, and who sees which jobs. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import bcrypt from 'bcryptjs'
import t, { type Test } from 'tap'
import { pull, push } from '../support/client.js'
import { startGate, type GateOptions } from '../support/delgate.js'
import { listing } from '../support/disk.js'
import { basic, header, json, ociError, request } from '../support/http.js'
import { image } from '../support/images.js'
import { allJobs, del, deleted, type Job } from '../support/jobs.js'
import { keptLog } from '../support/log.js'
import { temporaryDirectory } from '../support/temporary.js'
import { startTokenService } from '../support/tokens.js'
import { USERS } from '../support/registry.js'
import { eachRegistry } from '../support/tools.js'

/** A file of users, as htpasswd -B writes it. */
async function usersFile (t: Test, users: Readonly<Record<string, string>>): Promise<string> {
  const file = join(await temporaryDirectory(t), 'htpasswd')
  await writeFile(file, Object.entries(users).map(([user, password]) => `${user}:${bcrypt.hashSync(password, 5)}\n`).join(''))
  return file
}

await eachRegistry(t, 'users of Delgate\'s own, in front of a registry without any', async (t, tool) => {
  const file = await usersFile(t, { carol: 'secret' })
  const gate = await startGate(t, tool, { settings: { access: { ways: ['htpasswd'], htpasswd: file } } })
  const content = await image('own users')
  await push(gate.url, 'app', ['v1', 'v2'], content)
  await pull(gate.url, 'app', 'v1', content)
  const before = await listing(gate.storage)
  for (const headers of [{}, basic('carol', 'wrong'), basic('nobody', 'secret'), { authorization: 'Bearer abc' }]) {
    for (const answer of [await del(gate.url, '/v2/app/manifests/v1', { headers }), await request(gate.url, 'GET', '/delgate/v1/jobs', { headers }), await request(gate.url, 'GET', '/delgate/v1/status', { headers })]) {
      t.equal(answer.status, 401)
      t.equal(ociError(answer).code, 'UNAUTHORIZED')
      t.match(header(answer, 'www-authenticate'), /^Basic realm="Delgate"/)
    }
  }
  t.same(await listing(gate.storage), before, 'nothing changed')
  await deleted(gate.url, '/v2/app/manifests/v1', { headers: basic('carol', 'secret') })
  // The file is read again when it has changed.
  await writeFile(file, `dave:${bcrypt.hashSync('new', 5)}\n`)
  t.equal((await del(gate.url, '/v2/app/manifests/v2', { headers: basic('carol', 'secret') })).status, 401)
  await deleted(gate.url, '/v2/app/manifests/v2', { headers: basic('dave', 'new') })
})

await eachRegistry(t, 'both must agree where both are named', async (t, tool) => {
  const gate = await startGate(t, tool, { registry: { auth: 'htpasswd' }, settings: { access: { ways: ['registry', 'htpasswd'], htpasswd: await usersFile(t, { alice: USERS.alice, carol: 'secret' }) } } })
  await push(gate.url, 'app', 'v1', await image('both'), { headers: basic('alice', USERS.alice) })
  t.equal((await del(gate.url, '/v2/app', { headers: basic('bob', USERS.bob) })).status, 401, 'the registry knows bob, Delgate does not')
  t.equal((await del(gate.url, '/v2/app', { headers: basic('carol', 'secret') })).status, 401, 'Delgate knows carol, the registry does not')
  await deleted(gate.url, '/v2/app', { headers: basic('alice', USERS.alice) })
})

await eachRegistry(t, 'wrong passwords are counted: after too many an address waits, others do not', async (t, tool) => {
  const gate = await startGate(t, tool, { registry: { auth: 'htpasswd' }, settings: { trustProxy: ['127.0.0.1'], access: { failedAttempts: 3, failedSeconds: 600 } } })
  const from = (address: string, password: string) => ({ headers: { ...basic('alice', password), 'x-forwarded-for': address } })
  const statuses: number[] = []
  for (let attempt = 0; attempt < 5; attempt++) statuses.push((await del(gate.url, '/v2/app', from('192.0.2.1', 'wrong'))).status)
  t.same(statuses, [401, 401, 401, 429, 429])
  const right = await del(gate.url, '/v2/app', from('192.0.2.1', USERS.alice))
  t.equal(right.status, 429, 'the right one is not told apart')
  t.match(header(right, 'retry-after'), /^\d+$/)
  t.equal((await request(gate.url, 'GET', '/delgate/v1/status', { headers: from('192.0.2.1', 'x').headers })).status, 429)
  t.equal((await del(gate.url, '/v2/app', from('192.0.2.2', USERS.alice))).status, 404, 'somebody else')
  t.equal((await del(gate.url, '/v2/app', { headers: { 'x-forwarded-for': '192.0.2.1' } })).status, 401, 'without credentials nothing is tried')
})

await eachRegistry(t, 'a caller sees only jobs of repositories in which it could delete', async (t, tool) => {
  const service = await startTokenService(t)
  const gate = await startGate(t, tool, { registry: { auth: service.auth }, settings: { access: { failedAttempts: 1 } } })
  const bearer = (...scopes: string[]) => ({ headers: { authorization: `Bearer ${service.token(...scopes)}` } })
  const content = await image('whose')
  for (const name of ['team/a', 'team/b']) {
    await push(gate.url, name, 'v1', content, bearer(`repository:${name}:pull,push`))
    await deleted(gate.url, `/v2/${name}`, bearer(`repository:${name}:delete`))
  }
  const both = await allJobs(gate.url, bearer('repository:team/a:delete', 'repository:team/b:delete'))
  t.equal(both.length, 2)
  const [ofA] = await allJobs(gate.url, bearer('repository:team/a:delete'))
  t.match(ofA, { target: { repository: 'team/a' } })
  t.equal((await allJobs(gate.url, bearer('repository:team/a:delete'))).length, 1)
  t.same(await allJobs(gate.url, bearer('repository:team/a:pull,push')), [], 'pushing is not enough')
  const stranger = bearer('repository:team/b:delete')
  for (const [method, path] of [['GET', ''], ['GET', '/events'], ['POST', '/cancel']] as const) {
    const answer = await request(gate.url, method, `/delgate/v1/jobs/${ofA!.id}${path}`, stranger)
    t.same([answer.status, ociError(answer).code], [404, 'JOB_UNKNOWN'], `${method} ${path}`)
  }
  t.equal(json<Job>(await request(gate.url, 'GET', `/delgate/v1/jobs/${ofA!.id}`, bearer('repository:team/a:delete'))).id, ofA!.id)
  t.equal((await del(gate.url, '/v2/team/a', bearer('repository:team/a:pull'))).status, 401, 'a token for something else is no wrong one, and is not counted')
  const wrong = { headers: { authorization: 'Bearer abc' } }
  t.same([(await del(gate.url, '/v2/team/a', wrong)).status, (await del(gate.url, '/v2/team/a', wrong)).status], [401, 429])
}, ['openssl'])

await eachRegistry(t, 'a collection that waits is cancelled by those who could delete everywhere, and by nobody else', async (t, tool) => {
  const service = await startTokenService(t)
  const gate = await startGate(t, tool, { registry: { auth: service.auth }, settings: { collection: { collector: 'registry', quietSeconds: 60, maximumDelaySeconds: 60 } } })
  const bearer = (...scopes: string[]) => ({ headers: { authorization: `Bearer ${service.token(...scopes)}` } })
  for (const name of ['team/a', 'team/b']) await push(gate.url, name, 'v1', await image(name), bearer(`repository:${name}:pull,push`))
  const all = bearer('repository:team/a:delete', 'repository:team/b:delete')
  const asked = await request(gate.url, 'POST', '/delgate/v1/collections', all)
  const cancel = async (options: object) => (await request(gate.url, 'POST', `${header(asked, 'location')}/cancel`, options)).status
  const shown = async (options: object) => json<Job>(await request(gate.url, 'GET', header(asked, 'location')!, options))
  t.match(await shown(all), { state: 'queued', by: { address: '127.0.0.1' }, withheld: undefined })
  const outline = { id: /./, kind: 'collection', target: { type: 'garbage' }, state: 'queued', phase: 'waiting', createdAt: /./, withheld: true }
  for (const some of [bearer('repository:team/a:delete'), bearer('repository:team/a:pull')]) {
    for (const job of [await shown(some), (await allJobs(gate.url, some))[0]!]) {
      t.match(job, outline)
      t.notOk('by' in job, 'nor who asked for it')
    }
  }
  t.same([asked.status, await cancel(bearer('repository:team/a:delete')), await cancel(bearer()), await cancel(all)], [202, 401, 401, 200])
  const events = await request(gate.url, 'GET', `${header(asked, 'location')}/events`, bearer('repository:team/a:pull'))
  t.match(events.body.toString(), /"state":"cancelled".*"withheld":true/)
  t.notMatch(events.body.toString(), /127\.0\.0\.1/)
}, ['openssl'])

await eachRegistry(t, 'where anybody may delete, the log says so at the start, and nowhere else', async (t, tool) => {
  const htpasswd = await usersFile(t, { carol: 'secret' })
  const says = async (options: GateOptions): Promise<number> => {
    const log = keptLog()
    await (await startGate(t, tool, { ...options, app: { logger: log.logger } })).close()
    return log.said(/anybody who reaches this port can delete everything/).length
  }
  t.equal(await says({}), 1, 'a registry that asks for nothing')
  t.equal(await says({ registry: { auth: 'htpasswd' }, settings: { access: { ways: ['none'] } } }), 1, 'nobody is asked')
  t.equal(await says({ registry: { auth: 'htpasswd' } }), 0)
  t.equal(await says({ settings: { access: { ways: ['htpasswd'], htpasswd } } }), 0)
})
