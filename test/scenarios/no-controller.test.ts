/** Delgate with no right over the registry but to talk to it: deleting works, and a registry that would need a restart is refused. */
import t from 'tap'
import { pull, push } from '../support/client.js'
import { startGate } from '../support/delgate.js'
import { assertClean } from '../support/disk.js'
import { basic, expectStatus, json, request } from '../support/http.js'
import { digestsOf, image } from '../support/images.js'
import { del, deleted, jobAt, jobEnded } from '../support/jobs.js'
import { startRegistry, USERS } from '../support/registry.js'
import { until } from '../support/temporary.js'
import { eachRegistry } from '../support/tools.js'

await eachRegistry(t, 'push, delete, push again, pull: with neither socket nor command nor child', async (t, tool) => {
  const registry = await startRegistry(t, tool)
  const gate = await startGate(t, tool, { files: registry, settings: { registry: { controller: 'none', url: registry.url, config: registry.config } } })
  const content = await image('no rights')
  for (let time = 0; time < 2; time++) {
    await push(gate.url, 'team/app', 'v1', content)
    await deleted(gate.url, '/v2/team/app/manifests/v1')
    await assertClean(t, gate, { digests: digestsOf(content), repositories: ['team/app'] })
  }
  await push(gate.url, 'team/app', 'v1', content)
  await pull(gate.url, 'team/app', 'v1', content)
  t.match(json(await request(gate.url, 'GET', '/delgate/v1/status')), { registry: { controller: 'none' }, collector: 'online', freshness: 'evict' })
})

await eachRegistry(t, 'a registry that would have to be restarted is an error at the start', async (t, tool) => {
  const registry = await startRegistry(t, tool, { delete: false })
  const settings = { registry: { controller: 'none', url: registry.url, config: registry.config } } as const
  await t.rejects(startGate(t, tool, { files: registry, settings }), { name: 'SetupError', message: /registry\.controller is none.*REGISTRY_STORAGE_DELETE_ENABLED/ })
  await t.rejects(startGate(t, tool, { files: await startRegistry(t, tool), settings: { ...settings, collection: { collector: 'registry' } } }), { name: 'SetupError', message: /registry\.controller is none/ })
})

await eachRegistry(t, 'where the registry does not let the caller make it forget, the job says what to do, and nothing is swept', async (t, tool) => {
  const registry = await startRegistry(t, tool, { auth: 'htpasswd' })
  const settings = { access: { ways: ['none'] }, registry: { controller: 'none', url: registry.url, config: registry.config } } as const
  const alice = { headers: basic('alice', USERS.alice) }
  const gate = await startGate(t, tool, { files: registry, settings })
  const content = await image('kept in mind')
  await push(gate.url, 'app', 'v1', content, alice)
  const answer = expectStatus(await del(gate.url, '/v2/app/manifests/v1'), 202, 'DELETE without credentials')
  const job = await until('it was tried', async () => {
    const job = await jobAt(gate.url, answer.headers.location!)
    return job.state === 'failed' ? job : undefined
  })
  t.match(job.error, { message: /does not forget.*registry\.username/ })
  // A push is not deceived meanwhile.
  await push(gate.url, 'app', 'v1', content, alice)
  await pull(gate.url, 'app', 'v1', content, alice)
  await gate.close()
  const next = await startGate(t, tool, { files: registry, settings: { ...settings, registry: { ...settings.registry, username: 'alice', password: USERS.alice } } })
  t.equal((await jobEnded(next.url, answer)).state, 'done')
  await pull(next.url, 'app', 'v1', content, alice)
  await deleted(next.url, '/v2/app')
  await assertClean(t, { ...next }, { digests: digestsOf(content), repositories: ['app'] })
})
