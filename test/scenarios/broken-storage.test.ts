/** Trees that are damaged or unusual: what cannot be understood never makes something look unused. */
import { readFile, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { expectStatus, request } from '../support/http.js'
import { blobsOf, image, renamed, type Image } from '../support/images.js'
import { pull, push } from '../support/client.js'
import { startGate, type Gate } from '../support/delgate.js'
import { blobsOnDisk } from '../support/disk.js'
import { deleteAndWait, jobEnded, type Job } from '../support/jobs.js'
import { eachRegistry, type RegistryTool } from '../support/tools.js'

const saidBy = (job: Job) => JSON.stringify([job.error, job.receipt?.warnings])
const hexOf = (digest: string) => digest.slice(digest.indexOf(':') + 1)
const repositoryPath = (gate: Gate, name: string, ...rest: string[]) => join(gate.storage, 'docker/registry/v2/repositories', name, ...rest)
const blobPath = (gate: Gate, digest: string) => join(gate.storage, 'docker/registry/v2/blobs/sha256', hexOf(digest).slice(0, 2), hexOf(digest), 'data')
const revisionLink = (gate: Gate, name: string, digest: string) => repositoryPath(gate, name, '_manifests/revisions/sha256', hexOf(digest), 'link')

await eachRegistry(t, 'scenario 15: blobs named by sha512 survive collections that concern others', async (t, tool) => {
  const gate = await startGate(t, tool)
  const named = renamed(await image('sha512'), 'sha512')
  const other = await image('other')
  await push(gate.url, 'aliased', 'v1', named)
  await push(gate.url, 'app', 'v1', other)
  await pull(gate.url, 'aliased', 'v1', named)

  await deleteAndWait(gate.url, '/v2/app/manifests/v1')
  await t.resolves(pull(gate.url, 'aliased', 'v1', named), 'every byte is there')
  await gate.close()
  const next = await startGate(t, tool, { files: gate })
  await t.resolves(pull(next.url, 'aliased', 'v1', named), 'and after another restart')
})

await eachRegistry(t, 'scenario 15: blobs named by sha512 can be deleted', async (t, tool) => {
  const gate = await startGate(t, tool)
  const named = renamed(await image('sha512 gone'), 'sha512')
  await push(gate.url, 'aliased', 'v1', named)
  t.equal((await deleteAndWait(gate.url, '/v2/aliased/manifests/v1')).state, 'done')
  t.same(await blobsOnDisk(gate.storage), [])
  const { uploaded } = await push(gate.url, 'aliased', 'v1', named)
  t.equal(uploaded.length, blobsOf(named).length, 'every blob is uploaded again')
  await pull(gate.url, 'aliased', 'v1', named)
})

/** A way to damage the repository `live`, which holds `content` under the tag `v1`. */
interface Damage {
  readonly title: string
  readonly inflict: (gate: Gate, content: Image) => Promise<void>
  /** Whether it can hide no use of a blob. */
  readonly isHarmless?: boolean
  /** What the job must name. */
  readonly names: (content: Image) => string
}

const damages: readonly Damage[] = [
  {
    title: 'a zero-byte revision link',
    inflict: (gate, content) => truncate(revisionLink(gate, 'live', content.digest)),
    names: (content) => hexOf(content.digest)
  },
  {
    title: 'a zero-byte tag link',
    isHarmless: true,
    inflict: (gate) => truncate(repositoryPath(gate, 'live', '_manifests/tags/v1/current/link')),
    names: () => 'live/_manifests/tags/v1'
  },
  {
    title: 'a zero-byte layer link',
    inflict: (gate, content) => truncate(repositoryPath(gate, 'live', '_layers/sha256', hexOf(content.layers[0]!.digest), 'link')),
    names: (content) => hexOf(content.layers[0]!.digest)
  },
  {
    title: 'a truncated manifest',
    inflict: (gate, content) => truncate(blobPath(gate, content.digest), 100),
    names: (content) => hexOf(content.digest)
  },
  {
    title: 'an empty manifest',
    inflict: (gate, content) => truncate(blobPath(gate, content.digest)),
    names: (content) => hexOf(content.digest)
  },
  {
    title: '_manifests without _layers',
    inflict: (gate) => rm(repositoryPath(gate, 'live', '_layers'), { recursive: true }),
    names: () => 'live'
  },
  {
    title: '_layers without _manifests',
    inflict: (gate) => rm(repositoryPath(gate, 'live', '_manifests'), { recursive: true }),
    names: () => 'live'
  }
]

for (const { title, isHarmless, inflict, names } of damages) {
  await eachRegistry(t, `scenario 17: ${title}: no live blob is swept, and the job says where`, async (t, tool) => {
    const { gate, live } = await damaged(t, tool, inflict)
    const bystander = await image('bystander')
    const victim = await image('victim')
    await push(gate.url, 'bystander', 'v1', bystander)
    await push(gate.url, 'victim', 'v1', victim)

    const job = await deleteAndWait(gate.url, '/v2/victim/manifests/v1')
    // Without _manifests nothing says that the layers are live: the registry itself calls them garbage.
    const mustStay = title === '_layers without _manifests' ? [] : blobsOf(live).map(({ digest }) => digest)
    const onDisk = await blobsOnDisk(gate.storage)
    t.same(mustStay.filter((digest) => !onDisk.includes(digest)), [], 'no blob of the damaged repository was swept')
    await t.resolves(pull(gate.url, 'bystander', 'v1', bystander))
    // What can hide nothing is not looked for by a deletion elsewhere; a collection of everything says it.
    const said = isHarmless === true ? saidBy(await jobEnded(gate.url, expectStatus(await request(gate.url, 'POST', '/delgate/v1/collections'), 202, 'POST collections'))) : saidBy(job)
    if (mustStay.length > 0 || job.state === 'failed') t.ok(said.includes(names(live)), `the job names it: ${said}`)
    t.notOk(saidBy(job).includes(gate.directory), 'without the machine\'s directories')
  })
}

/** A gate over a tree in which `live` is damaged, with the registry's cache empty. */
async function damaged (t: Test, tool: RegistryTool, inflict: Damage['inflict']): Promise<{ gate: Gate, live: Image }> {
  const first = await startGate(t, tool, { settings: { collection: { attempts: 1 } } })
  const live = await image('live')
  await push(first.url, 'live', 'v1', live)
  await first.close()
  await inflict(first, live)
  // What was read before is known, however it looks now: only a start that reads everything finds such damage.
  await rm(join(first.directory, 'state', 'references'), { force: true })
  return { gate: await startGate(t, tool, { files: first, settings: { collection: { attempts: 1 } } }), live }
}

await eachRegistry(t, 'scenario 17: when the damage is repaired, the next collection finishes the work', async (t, tool) => {
  const first = await startGate(t, tool)
  const live = await image('repaired')
  const victim = await image('victim')
  await push(first.url, 'live', 'v1', live)
  await push(first.url, 'victim', 'v1', victim)
  await first.close()
  const link = revisionLink(first, 'live', live.digest)
  const saved = await readFile(link)
  await rename(link, `${first.directory}/saved`)
  await writeFile(link, '')

  const gate = await startGate(t, tool, { files: first, settings: { collection: { attempts: 1 } } })
  await deleteAndWait(gate.url, '/v2/victim/manifests/v1')
  await writeFile(link, saved)
  const answer = expectStatus(await request(gate.url, 'POST', '/delgate/v1/collections'), 202, 'POST collections')
  t.equal((await jobEnded(gate.url, answer)).state, 'done')
  t.same(await blobsOnDisk(gate.storage), [live.digest, ...blobsOf(live).map(({ digest }) => digest)].sort())
  await pull(gate.url, 'live', 'v1', live)
})
