/** What Delgate is for: the same steps without it leave an image that cannot be pulled. */
import t from 'tap'
import { expectStatus, request } from '../support/http.js'
import { image } from '../support/images.js'
import { pull, push } from '../support/client.js'
import { collectGarbage, startRegistry } from '../support/registry.js'
import { eachRegistry } from '../support/tools.js'

await eachRegistry(t, 'scenario 1: without Delgate, push, delete, garbage-collect, push gives an image that does not pull', async (t, tool) => {
  const registry = await startRegistry(t, tool)
  const content = await image('stale')
  await push(registry.url, 'team/app', 'v1', content)
  await pull(registry.url, 'team/app', 'v1', content)

  expectStatus(await request(registry.url, 'DELETE', `/v2/team/app/manifests/${content.digest}`), 202, 'DELETE')
  await collectGarbage(tool, registry.config)

  const { uploaded } = await push(registry.url, 'team/app', 'v1', content)
  t.same(uploaded, [], 'the registry claims to have every blob that was swept')
  await t.rejects(pull(registry.url, 'team/app', 'v1', content), { message: /got 404/ }, 'the pushed image cannot be pulled')
})
