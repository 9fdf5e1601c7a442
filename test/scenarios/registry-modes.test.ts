/** Scenario 36: registries with deletes disabled, read-only ones, and pull-through caches. */
import t from 'tap'
import { ociError } from '../support/http.js'
import { digestsOf, image } from '../support/images.js'
import { pull, push } from '../support/client.js'
import { startGate } from '../support/delgate.js'
import { assertClean, listing } from '../support/disk.js'
import { del, deleted } from '../support/jobs.js'
import { startRegistry, writeRegistryConfig } from '../support/registry.js'
import { assertRepush } from '../support/repush.js'
import { temporaryDirectory } from '../support/temporary.js'
import { eachRegistry } from '../support/tools.js'

await eachRegistry(t, 'scenario 36: with deletes disabled in the registry, Delgate still deletes', async (t, tool) => {
  const gate = await startGate(t, tool, { registry: { delete: false } })
  const content = await image('deletes disabled')
  await push(gate.url, 'app', 'v1', content)
  await deleted(gate.url, '/v2/app/manifests/v1')
  await assertClean(t, gate, { digests: digestsOf(content), repositories: ['app'] })
  await assertRepush(t, gate.url, 'app', 'v1', content)
})

await eachRegistry(t, 'scenario 36: a read-only registry: 405 before any link is touched', async (t, tool) => {
  const writable = await startRegistry(t, tool)
  const content = await image('read-only')
  await push(writable.url, 'app', 'v1', content)
  await writable.stop()
  const files = await writeRegistryConfig(writable.directory, { readonly: true })
  const before = await listing(files.storage)

  const gate = await startGate(t, tool, { files })
  for (const path of ['/v2/app/manifests/v1', `/v2/app/manifests/${content.digest}`, '/v2/app/tags/list', '/v2/app', '/v2/app?recursive=true', `/v2/app/blobs/${content.config.digest}`]) {
    const answer = await del(gate.url, path)
    t.equal(answer.status, 405, path)
    t.equal(ociError(answer).code, 'UNSUPPORTED')
  }
  t.same(await listing(files.storage), before)
  await t.resolves(pull(gate.url, 'app', 'v1', content), 'pulls work')
})

await eachRegistry(t, 'scenario 36: a pull-through cache: 405 before any link is touched', async (t, tool) => {
  const upstream = await startRegistry(t, tool)
  const content = await image('cached')
  await push(upstream.url, 'app', 'v1', content)
  const files = await writeRegistryConfig(await temporaryDirectory(t), { proxy: upstream.url })
  const gate = await startGate(t, tool, { files })
  await pull(gate.url, 'app', 'v1', content)
  await t.resolves(pull(gate.url, 'app', 'v1', content), 'and from the cache')
  for (const path of ['/v2/app/manifests/v1', `/v2/app/manifests/${content.digest}`, '/v2/app']) {
    t.equal((await del(gate.url, path)).status, 405, path)
  }
  const paths = (await listing(files.storage)).map(({ path }) => path)
  t.ok(paths.some((path) => path.includes(content.digest.slice('sha256:'.length))), 'the cached content is still there')
  await pull(gate.url, 'app', 'v1', content)
})
