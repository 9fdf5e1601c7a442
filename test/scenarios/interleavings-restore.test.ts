/** What a manifest PUT finds missing: what it gives back, what it makes the registry forget, and what it must leave alone. */
import { rm, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { manifestStatus, pull, push, pushBlobs, tagsOf } from '../support/client.js'
import { startGate } from '../support/delgate.js'
import { openDoor } from '../support/door.js'
import { basic, expectStatus, json, ociError, request, type Answer } from '../support/http.js'
import { blobOf, digestsOf, image, index, layer, type Content, type Image, type Manifest } from '../support/images.js'
import { as, blobPath, collectAll, isThere, layerPath, startGuarded, type Guarded } from '../support/interleaving.js'
import { del, jobEnded } from '../support/jobs.js'
import { USERS, startRegistry } from '../support/registry.js'
import { until } from '../support/temporary.js'
import { eachRegistry } from '../support/tools.js'

const put = async (gate: { readonly url: string }, path: string, manifest: Manifest, name: string): Promise<Answer> =>
  await request(gate.url, 'PUT', `/v2/${path}`, { headers: { 'content-type': manifest.mediaType, ...as(name).headers }, body: manifest.bytes })

const pushes = async ({ url }: Guarded): Promise<number> => json<{ traffic: { pushes: number } }>(await request(url, 'GET', '/delgate/v1/status')).traffic.pushes

/** The same image, as another text says it. */
function reworded (content: Image, change: (json: Record<string, unknown>) => object): Image {
  return { ...content, ...blobOf(Buffer.from(JSON.stringify(change(JSON.parse(content.bytes.toString()) as Record<string, unknown>)))) }
}

const ODD: Readonly<Record<string, (json: Record<string, unknown>) => object>> = {
  'no media type': json => ({ ...json, mediaType: null }),
  'a subject that is none': json => ({ ...json, subject: {} }),
  'a subject of an algorithm that nobody knows': json => ({ ...json, subject: { mediaType: 'application/vnd.oci.image.manifest.v1+json', size: 1, digest: `blake3:${'a'.repeat(64)}` } }),
  'no list of manifests': ({ mediaType: _, ...json }) => ({ ...json, manifests: null }),
  // It cannot be understood, so nothing is swept from here on.
  'a field of another case': ({ layers, ...rest }) => ({ ...rest, Layers: layers })
}

await eachRegistry(t, 'what the registry accepts keeps its layers, however odd it is', async (t, tool) => {
  const gate = await startGuarded(t, tool, { drain: { sessionIdleSeconds: 1, pullIdleSeconds: 1 } })
  for (const [kind, change] of Object.entries(ODD)) {
    const content = reworded(await image(kind), change)
    await pushBlobs(gate.url, 'odd', [content.config, ...content.layers], as('pusher'))
    expectStatus(await put(gate, 'odd/manifests/v1', content, 'pusher'), 201, kind)
    t.same(await lostInCollection(gate, content), [], kind)
    await t.resolves(pull(gate.url, 'odd', 'v1', content), kind)
  }
})

/** Collects once its push is over, and so long ago that nothing protects it but its manifest. @returns what is not on the disk then */
async function lostInCollection (gate: Guarded, content: Content): Promise<string[]> {
  await until('nothing is leased', async () => await pushes(gate) === 0)
  const before = new Date(Date.now() - 3_600_000)
  for (const digest of digestsOf(content)) await utimes(join(gate.storage, 'docker/registry/v2', blobPath(digest)), before, before)
  for (const { digest } of [content as Image].flatMap(({ config, layers }) => [config, ...layers])) await utimes(join(gate.storage, 'docker/registry/v2', layerPath('odd', digest)), before, before)
  await jobEnded(gate.url, await collectAll(gate.url))
  const there = await Promise.all(digestsOf(content).map(async digest => await isThere(gate, blobPath(digest))))
  return digestsOf(content).filter((_digest, at) => !there[at])
}

await eachRegistry(t, 'a PUT that comes too early does not take away what somebody else uploads in that moment', async (t, tool) => {
  const gate = await startGuarded(t, tool)
  const shared = await layer('shared')
  const [good, early] = [await image('good', { layers: [shared] }), await image('early', { layers: [shared] })]
  const asked = gate.door.hold({ method: 'HEAD', path: `/v2/app/blobs/${shared.digest}`, when: 'before' })
  const putting = put(gate, 'app/manifests/early', early, 'early')
  await asked.arrived
  await push(gate.url, 'app', 'v1', good, as('pusher'))
  asked.release()
  t.equal(ociError(expectStatus(await putting, 400, 'early')).code, 'MANIFEST_BLOB_UNKNOWN')
  t.ok(await isThere(gate, layerPath('app', shared.digest)))
  await pull(gate.url, 'app', 'v1', good, as('another'))
})

for (const format of ['oci', 'docker'] as const) {
  await eachRegistry(t, `the same with manifests (${format}): while the registry is made to forget one, nobody else writes it`, async (t, tool) => {
    const gate = await startGuarded(t, tool)
    const [child, other] = [await image('child', { format }), await image('other', { format })]
    const both = index([other, child], new Map(), format)
    const forgetting = gate.door.hold({ method: 'DELETE', path: `/v2/app/manifests/${child.digest}`, when: 'before' })
    const putting = put(gate, 'app/manifests/early', both, 'early')
    await forgetting.arrived
    const pushed = push(gate.url, 'app', 'v1', child, as('pusher'))
    await pushBlobs(gate.url, 'elsewhere', [child.config], as('pusher'))
    forgetting.release()
    t.equal((await putting).status, 400)
    await pushed
    t.same(await tagsOf(gate.url, 'app'), ['v1'])
    await pull(gate.url, 'app', 'v1', child, as('another'))
  })
}

await eachRegistry(t, 'after the registry\'s own collector ran by hand, an index of what has gone is not accepted', async (t, tool) => {
  for (const format of ['oci', 'docker'] as const) {
    const gate = await startGuarded(t, tool)
    const child = await image('child', { format })
    await push(gate.url, 'app', 'v1', child)
    await pull(gate.url, 'app', 'v1', child)
    const tree = `${gate.storage}/docker/registry/v2`
    await rm(`${tree}/repositories/app/_manifests`, { recursive: true })
    for (const { digest } of [child, child.config, ...child.layers]) await rm(`${tree}/${blobPath(digest)}`)
    const list = index([child], new Map(), format)
    t.equal(ociError(expectStatus(await put(gate, 'app/manifests/list', list, 'another'), 400, format)).code, 'MANIFEST_BLOB_UNKNOWN')
    await gate.close()
  }
})

await eachRegistry(t, 'whoever may not push restores nothing, and asks the registry no more than once', async (t, tool) => {
  const alice = { headers: basic('alice', USERS.alice) }
  const registry = await startRegistry(t, tool, { auth: 'htpasswd' })
  const door = await openDoor(t, registry.url)
  const gate = await startGate(t, tool, { files: registry, settings: { registry: { controller: 'command', url: door.url, config: registry.config, command: { collect: ['false'], restart: ['false'] } } } })
  const content = await image('secret')
  await push(gate.url, 'app', 'v1', content, alice)
  await push(gate.url, 'busy', 'v1', await image('busy'), alice)
  const evicting = door.hold({ method: 'DELETE', path: /^\/v2\/busy\/blobs\//, when: 'before' })
  const busy = expectStatus(await del(gate.url, '/v2/busy', alice), 202, 'busy')
  await evicting.arrived
  const job = expectStatus(await del(gate.url, '/v2/app/manifests/v1', alice), 202, 'app')
  const before = door.log.length
  const { layers: [template] } = content
  const many = { ...content, ...blobOf(Buffer.from(JSON.stringify({ ...JSON.parse(index([content]).bytes.toString()) as object, manifests: [content, ...Array.from({ length: 5 }, (_, at) => ({ ...content, digest: `sha256:${String(at).padStart(64, '0')}` }))].map(({ digest }) => ({ mediaType: content.mediaType, digest, size: template!.bytes.length })) }))), mediaType: index([content]).mediaType }
  t.equal((await put(gate, 'app/manifests/x', many, 'stranger')).status, 401)
  t.ok(door.log.length - before <= 2, `${door.log.length - before} questions`)
  t.equal(await manifestStatus(gate.url, 'app', content.digest, alice), 404)
  evicting.release()
  for (const answer of [busy, job]) t.equal((await jobEnded(gate.url, answer, alice)).state, 'done')
  t.notOk(await isThere(gate, blobPath(content.digest)))
})
