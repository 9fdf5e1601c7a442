/** Pushes that go around the gate, to a second registry on the same files, after the gate has read the repository. */
import { symlink } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { manifestStatus, pull, push, putManifest, tagsOf } from '../support/client.js'
import { startGate, type Gate } from '../support/delgate.js'
import { assertClean } from '../support/disk.js'
import { digestsOf, image, type Image } from '../support/images.js'
import { deleted } from '../support/jobs.js'
import { startRegistry, type BareRegistry } from '../support/registry.js'
import { temporaryDirectory } from '../support/temporary.js'
import { eachRegistry, type RegistryTool } from '../support/tools.js'

interface Around { readonly gate: Gate, readonly registry: BareRegistry, readonly first: Image, readonly second: Image }

/** v1 and v2 are pushed through the gate, which then knows the repository: something else was deleted there. */
async function start (t: Test, tool: RegistryTool): Promise<Around> {
  const gate = await startGate(t, tool)
  const beside = await temporaryDirectory(t)
  await symlink(gate.storage, join(beside, 'registry'))
  const registry = await startRegistry(t, tool, {}, { directory: beside })
  const [other, first, second] = [await image('other'), await image('first'), await image('second')]
  await push(gate.url, 'app', 'other', other)
  await push(gate.url, 'app', 'v1', first)
  await push(gate.url, 'app', 'v2', second)
  await deleted(gate.url, '/v2/app/manifests/other')
  return { gate, registry, first, second }
}

await eachRegistry(t, 'a tag that was moved to the manifest that is to go keeps it', async (t, tool) => {
  const { gate, registry, first } = await start(t, tool)
  await putManifest(registry.url, 'app', 'v2', first)
  await deleted(gate.url, '/v2/app/manifests/v1')
  t.same(await tagsOf(gate.url, 'app'), ['v2'])
  await t.resolves(pull(gate.url, 'app', 'v2', first))
  await t.resolves(pull(registry.url, 'app', 'v2', first))
})

await eachRegistry(t, 'a new tag on the manifest that is to go keeps it', async (t, tool) => {
  const { gate, registry, first } = await start(t, tool)
  await putManifest(registry.url, 'app', 'v3', first)
  await deleted(gate.url, '/v2/app/manifests/v1')
  await t.resolves(pull(gate.url, 'app', 'v3', first))
})

await eachRegistry(t, 'a tag that was moved away from the manifest that is to go stays', async (t, tool) => {
  const { gate, registry, first, second } = await start(t, tool)
  await putManifest(registry.url, 'app', 'v2', first)
  await deleted(gate.url, `/v2/app/manifests/${second.digest}`)
  t.same(await tagsOf(gate.url, 'app'), ['v1', 'v2'])
  await t.resolves(pull(gate.url, 'app', 'v2', first))
  await assertClean(t, gate, { digests: digestsOf(second) })
})

await eachRegistry(t, 'a tag that was moved away keeps nothing any more', async (t, tool) => {
  const { gate, registry, first, second } = await start(t, tool)
  await putManifest(gate.url, 'app', 'v3', first)
  await deleted(gate.url, '/v2/app/manifests/v3')
  await putManifest(gate.url, 'app', 'v3', first)
  // The gate has been told that v3 keeps it.
  await putManifest(registry.url, 'app', 'v3', second)
  await deleted(gate.url, '/v2/app/manifests/v1')
  t.equal(await manifestStatus(gate.url, 'app', first.digest), 404)
  await t.resolves(pull(gate.url, 'app', 'v3', second))
  await assertClean(t, gate, { digests: digestsOf(first) })
})

await eachRegistry(t, 'a tag that was moved to a new manifest keeps that', async (t, tool) => {
  const { gate, registry } = await start(t, tool)
  const third = await image('third')
  await push(registry.url, 'app', 'v2', third)
  await push(registry.url, 'app', 'v4', third)
  await deleted(gate.url, '/v2/app/manifests/v4')
  t.same(await tagsOf(gate.url, 'app'), ['v1', 'v2'])
  await t.resolves(pull(gate.url, 'app', 'v2', third))
})
