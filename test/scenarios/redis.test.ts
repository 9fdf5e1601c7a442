/** Scenario 35: a registry that caches in Redis, which neither a restart nor the registry's own DELETE clears. */
import t, { type Test } from 'tap'
import { blobsOf, digestsOf, image, index, layer } from '../support/images.js'
import { hasBlob, pull, push } from '../support/client.js'
import { startGate, type GateOptions } from '../support/delgate.js'
import { runDelgate } from '../support/delgate-process.js'
import { assertClean } from '../support/disk.js'
import { json, request } from '../support/http.js'
import { deleted, deleteAndWait } from '../support/jobs.js'
import { startRedis } from '../support/redis.js'
import { writeRegistryConfig } from '../support/registry.js'
import { assertRepush } from '../support/repush.js'
import { freePort, temporaryDirectory } from '../support/temporary.js'
import { eachRegistry, type RegistryTool } from '../support/tools.js'

async function prepared (t: Test, tool: RegistryTool, options: GateOptions = {}) {
  const redis = await startRedis(t)
  const gate = await startGate(t, tool, { ...options, registry: { ...options.registry, redis: redis.port } })
  return { redis, gate }
}

for (const deletes of [true, false]) {
  await eachRegistry(t, `scenario 35: delete, collect, push again; no key of a digest is left; the registry's deletes are ${deletes ? 'on' : 'off'}`, async (t, tool) => {
    const { redis, gate } = await prepared(t, tool, { registry: { delete: deletes } })
    const status = json(await request(gate.url, 'GET', '/delgate/v1/status'))
    t.match(status, { collector: 'online', freshness: 'evict' })
    const content = index([await image('amd64'), await image('arm64')])
    await push(gate.url, 'team/app', 'v1', content)
    await pull(gate.url, 'team/app', 'v1', content)
    t.ok((await redis.naming(digestsOf(content))).length > 0, 'the registry does cache there')
    await deleted(gate.url, '/v2/team/app/manifests/v1')
    await assertClean(t, gate, { digests: digestsOf(content), repositories: ['team/app'] })
    t.same(await redis.naming(digestsOf(content)), [], 'no key of a digest is left')
    await assertRepush(t, gate.url, 'team/app', 'v1', content)
    await deleted(gate.url, '/v2/team/app')
    t.same(await redis.naming(digestsOf(content)), [])
  }, ['redis-server'])
}

await eachRegistry(t, 'scenario 35: a repository that lost its link is not told "exists" because another uploaded the blob again', async (t, tool) => {
  const { redis, gate } = await prepared(t, tool)
  const shared = await layer('shared')
  const [one, other] = [await image('one', { layers: [shared] }), await image('other', { layers: [shared] })]
  await push(gate.url, 'one', 'v1', one)
  await push(gate.url, 'other', 'v1', other)
  await hasBlob(gate.url, 'one', shared.digest)
  await deleted(gate.url, '/v2/one/manifests/v1')
  await deleted(gate.url, '/v2/other/manifests/v1')
  await push(gate.url, 'other', 'v1', other)
  t.equal(await hasBlob(gate.url, 'one', shared.digest), false)
  t.same((await redis.naming([shared.digest])).filter(key => key.includes('::one::')), [])
  const { uploaded } = await push(gate.url, 'one', 'v1', one)
  t.same(new Set(uploaded), new Set(blobsOf(one).map(({ digest }) => digest)))
  await pull(gate.url, 'one', 'v1', one)
}, ['redis-server'])

await eachRegistry(t, 'Redis goes away in between: the job fails with the reason, and is done once it is back', async (t, tool) => {
  const { redis, gate } = await prepared(t, tool, { settings: { collection: { attempts: 50, retryMinimumSeconds: 0.2, retryMaximumSeconds: 0.4 } } })
  const content = await image('redis goes away')
  await push(gate.url, 'app', 'v1', content)
  await redis.stop()
  const job = deleteAndWait(gate.url, '/v2/app/manifests/v1')
  await redis.start()
  t.equal((await job).state, 'done')
  await assertClean(t, gate, { digests: digestsOf(content), repositories: ['app'] })
  await assertRepush(t, gate.url, 'app', 'v1', content)
}, ['redis-server'])

await eachRegistry(t, 'a Redis that Delgate cannot reach is an error at the start that says what to set, without the password', async (t, tool) => {
  const files = await writeRegistryConfig(await temporaryDirectory(t), { redis: await freePort() })
  const settings = { listen: { port: 0 }, registry: { config: files.config, process: { binary: tool.path } }, storage: { root: files.storage }, state: { directory: `${files.directory}/state` } }
  const { code, stderr } = await runDelgate(files.directory, settings)
  t.equal(code, 1)
  t.match(stderr, /Redis at redis:\/\/127\.0\.0\.1:\d+.*registry\.redis\.url/)
  const named = await runDelgate(files.directory, { ...settings, registry: { ...settings.registry, redis: { url: `redis://ann:hunter2@127.0.0.1:${await freePort()}` } } })
  t.equal(named.code, 1)
  t.notMatch(named.stderr + named.stdout, /hunter2/)
}, ['redis-server'])
