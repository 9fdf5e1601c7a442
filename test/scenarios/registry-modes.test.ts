/** Scenario 36: registries with deletes disabled, read-only ones, and pull-through caches. */
import t from 'tap'
import { expectStatus, json, ociError, request } from '../support/http.js'
import { digestsOf, image } from '../support/images.js'
import { pull, push } from '../support/client.js'
import { startGate } from '../support/delgate.js'
import { assertClean, listing } from '../support/disk.js'
import { del, deleted } from '../support/jobs.js'
import { eachPair, ONLINE_PAIR } from '../support/pairs.js'
import { startRegistry, writeRegistryConfig } from '../support/registry.js'
import { assertRepush } from '../support/repush.js'
import { temporaryDirectory } from '../support/temporary.js'

/** What is in force, and why, as the status says. */
const choiceOf = async (url: string): Promise<object> => json(expectStatus(await request(url, 'GET', '/delgate/v1/status'), 200, 'GET status'))

await eachPair(t, 'scenario 36: with deletes disabled in the registry, Delgate still deletes', async (t, tool, pair) => {
  const files = await writeRegistryConfig(await temporaryDirectory(t), { delete: false })
  const isOnline = pair === ONLINE_PAIR
  // By such a registry's own DELETE it cannot be made to forget. Whoever insists on that is told so; else it is restarted.
  if (isOnline) {
    await t.rejects(startGate(t, tool, { files, settings: { collection: pair.collection } }), { name: 'SetupError', message: /collection\.freshness is evict, but the registry has deletes disabled.*REGISTRY_STORAGE_DELETE_ENABLED=true.*or collection\.freshness to restart/ })
  }
  const gate = await startGate(t, tool, { files, settings: { collection: isOnline ? { collector: 'online' } : pair.collection } })
  t.match(await choiceOf(gate.url), isOnline
    ? { collector: 'online', freshness: 'restart', why: /the registry has deletes disabled.*REGISTRY_STORAGE_DELETE_ENABLED=true/ }
    : { collector: 'registry', freshness: 'restart', why: 'collection.collector says so' })
  const content = await image('deletes disabled')
  await push(gate.url, 'app', 'v1', content)
  await deleted(gate.url, '/v2/app/manifests/v1')
  await assertClean(t, gate, { digests: digestsOf(content), repositories: ['app'] })
  await assertRepush(t, gate.url, 'app', 'v1', content)
})

await eachPair(t, 'scenario 36: a read-only registry: 405 before any link is touched', async (t, tool, { collection }) => {
  const writable = await startRegistry(t, tool)
  const content = await image('read-only')
  await push(writable.url, 'app', 'v1', content)
  await writable.stop()
  const files = await writeRegistryConfig(writable.directory, { readonly: true })
  const before = await listing(files.storage)

  const gate = await startGate(t, tool, { files, settings: { collection } })
  t.match(await choiceOf(gate.url), collection)
  for (const path of ['/v2/app/manifests/v1', `/v2/app/manifests/${content.digest}`, '/v2/app/tags/list', '/v2/app', '/v2/app?recursive=true', `/v2/app/blobs/${content.config.digest}`]) {
    const answer = await del(gate.url, path)
    t.equal(answer.status, 405, path)
    t.equal(ociError(answer).code, 'UNSUPPORTED')
  }
  t.same(await listing(files.storage), before)
  await t.resolves(pull(gate.url, 'app', 'v1', content), 'pulls work')
})

await eachPair(t, 'scenario 36: a pull-through cache: 405 before any link is touched', async (t, tool, { collection }) => {
  const upstream = await startRegistry(t, tool)
  const content = await image('cached')
  await push(upstream.url, 'app', 'v1', content)
  const files = await writeRegistryConfig(await temporaryDirectory(t), { proxy: upstream.url })
  const gate = await startGate(t, tool, { files, settings: { collection } })
  await pull(gate.url, 'app', 'v1', content)
  await t.resolves(pull(gate.url, 'app', 'v1', content), 'and from the cache')
  t.match(await choiceOf(gate.url), collection)
  for (const path of ['/v2/app/manifests/v1', `/v2/app/manifests/${content.digest}`, '/v2/app']) {
    t.equal((await del(gate.url, path)).status, 405, path)
  }
  const paths = (await listing(files.storage)).map(({ path }) => path)
  t.ok(paths.some((path) => path.includes(content.digest.slice('sha256:'.length))), 'the cached content is still there')
  await pull(gate.url, 'app', 'v1', content)
})
