/** Into a registry that was there before, and out again: docs/moving.md, with its own commands. */
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { catalog, pull, push } from '../support/client.js'
import { startGate } from '../support/delgate.js'
import { dryRunGarbage, startRegistry, type BareRegistry } from '../support/registry.js'
import { listing } from '../support/disk.js'
import { blocksOf, put } from '../support/docs.js'
import { request } from '../support/http.js'
import { image } from '../support/images.js'
import { deleted } from '../support/jobs.js'
import { mustRun } from '../support/processes.js'
import { eachRegistry } from '../support/tools.js'

const [moveIn, beforeOut, lookAfter] = await blocksOf('moving.md', 'sh') as [string, string, string]
const trees = async ({ storage }: BareRegistry): Promise<string[]> => (await listing(storage)).map(({ path }) => path)

async function behind (t: Test, registry: BareRegistry): Promise<{ url: string, close: () => Promise<void>, sh: (commands: string) => Promise<string[]> }> {
  const gate = await startGate(t, registry.tool, { files: registry, settings: { registry: { controller: 'none', url: registry.url, config: registry.config }, trash: { keepFor: { tag: 1, manifest: 0, repository: 0, untagged: 0 } }, drain: { sessionIdleSeconds: 0.1 } } })
  const sh = async (commands: string): Promise<string[]> => {
    const lines = put(commands, 'curl ', 'curl --silent --show-error --fail --write-out "\\n" ').split('\n').filter(line => line !== '')
    const outputs: string[] = []
    for (const line of lines) outputs.push((await mustRun('sh', ['-ec', put(line, 'http://127.0.0.1:5000', gate.url)])).stdout.trim())
    return outputs
  }
  return { ...gate, sh }
}

await eachRegistry(t, 'a registry with data and garbage: in, a deletion that is kept, out, and on with the plain registry', async (t, tool) => {
  const registry = await startRegistry(t, tool)
  const [stays, goes, garbage] = [await image('stays'), await image('goes'), await image('garbage')]
  await push(registry.url, 'team/app', '1', goes)
  await push(registry.url, 'team/app', '2', stays)
  await push(registry.url, 'old', '1', garbage)
  await request(registry.url, 'DELETE', `/v2/old/manifests/${garbage.digest}`)

  const gate = await behind(t, registry)
  const [rehearsal, collected] = await gate.sh(moveIn)
  t.match(JSON.parse(rehearsal!), { dryRun: true, receipt: { counts: { tags: 1, manifests: 1 } } })
  t.match(JSON.parse(collected!), { state: 'done', receipt: { counts: { blobs: 4 } } }, 'what the registry itself had left')
  await pull(gate.url, 'team/app', '1', goes)

  await deleted(gate.url, '/v2/team/app/manifests/1')
  t.match((await trees(registry)).filter(path => /delgate/.test(path)), [/^docker\/registry\/v2\/delgate-trash$/], 'what is kept lies in one place')
  const [running, queued, emptied] = (await gate.sh(beforeOut)).map(text => JSON.parse(text) as object)
  t.match([running, queued, emptied], [{ jobs: [], total: 0 }, { jobs: [], total: 0 }, { jobs: 1, bytesFreed: Number }])
  await gate.close()
  t.equal((await mustRun('sh', ['-ec', put(lookAfter, '/var/lib/registry', registry.storage)])).stdout, '', 'nothing of Delgate\'s is left')
  await registry.stop()

  const plain = await startRegistry(t, tool, {}, registry)
  t.same(await catalog(plain.url), ['team/app'])
  await pull(plain.url, 'team/app', '2', stays)
  t.same((await push(plain.url, 'team/app', '1', goes)).present, [], 'what was deleted is not said to be there')
  await pull(plain.url, 'team/app', '1', goes)
  t.match(await dryRunGarbage(tool, plain.config), { blobs: 0, manifests: 0 })
}, ['curl'])

await eachRegistry(t, 'what a crash may leave in the tree is gone after a start', async (t, tool) => {
  const registry = await startRegistry(t, tool)
  const content = await image('stays')
  await push(registry.url, 'team/app', '1', content)
  const before = await trees(registry)
  const hex = 'a'.repeat(64)
  for (const path of [`delgate-swept/${hex}-0/data`, `repositories/0/0/0-delgate-shield/_manifests/revisions/sha256/${hex}/link`, 'repositories/0/0/0-delgate-shield/_layers/sha256/x']) {
    const file = join(registry.storage, 'docker/registry/v2', path)
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, `sha256:${hex}`)
  }
  const gate = await behind(t, registry)
  await gate.close()
  t.same(await trees(registry), before)
})
