/** Races between reads and deletions, each forced: see docs/garbage-collection.md. */
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { hasBlob, manifestStatus, pull, pullBlob, pullManifest, push } from '../support/client.js'
import { assertClean } from '../support/disk.js'
import { expectStatus, open, read, request, type Answer } from '../support/http.js'
import { ACCEPT_ALL, blobsOf, digestOf, digestsOf, image, index, layer } from '../support/images.js'
import { as, blobPath, isThere, layerPath, leavesSomething, pullFresh, startGuarded, wasForgotten } from '../support/interleaving.js'
import { del, deleted, jobEnded } from '../support/jobs.js'
import { until } from '../support/temporary.js'
import { eachRegistry } from '../support/tools.js'

/** Lets a deletion go on that should not: one that waits as it should still does after this. */
async function asFarAsItGoes (base: string, deleting: Promise<Answer>): Promise<void> {
  await Promise.race([deleting.then(async answer => await jobEnded(base, answer)), sleep(1_000)])
}

await eachRegistry(t, 'a manifest is being read while it is deleted: the registry is told to forget after it has answered', async (t, tool) => {
  const gate = await startGuarded(t, tool)
  const content = await image('read')
  await push(gate.url, 'app', 'v1', content)
  const path = `/v2/app/manifests/${content.digest}`
  const reading = gate.door.hold({ method: 'GET', path, when: 'after' })
  const answered = request(gate.url, 'GET', path, as('reader'))
  await reading.arrived
  const deleting = del(gate.url, '/v2/app/manifests/v1')
  await until('it is gone for others', async () => (await request(gate.url, 'HEAD', path, as('another'))).status === 404)
  await asFarAsItGoes(gate.url, deleting)
  t.notOk(digestsOf(content).some(digest => wasForgotten(gate.door, digest)), 'the registry is not told yet')
  reading.release()
  t.equal((await answered).status, 404, 'it is not served any more')
  const answer = expectStatus(await deleting, 202, 'DELETE')
  t.equal((await jobEnded(gate.url, answer)).state, 'done')
  t.ok(wasForgotten(gate.door, content.digest))
  t.equal(await manifestStatus(gate.url, 'app', content.digest), 404)
  t.equal(await manifestStatus(gate.registry.url, 'app', content.digest), 404, 'the registry has forgotten it')
  await assertClean(t, gate, { digests: digestsOf(content), repositories: ['app'] })
})

await eachRegistry(t, 'a tag is being read while it is deleted: its layers go when the registry has answered, and this pull has them', async (t, tool) => {
  const gate = await startGuarded(t, tool)
  const content = await image('read')
  await push(gate.url, 'app', 'v1', content)
  const reading = gate.door.hold({ method: 'GET', path: '/v2/app/manifests/v1', when: 'after' })
  const pulling = pullManifest(gate.url, 'app', 'v1', content, as('puller'))
  await reading.arrived
  const deleting = del(gate.url, '/v2/app/manifests/v1', as('deleter'))
  await until('it is gone for others', async () => (await request(gate.url, 'HEAD', '/v2/app/manifests/v1', as('another'))).status === 404)
  await asFarAsItGoes(gate.url, deleting)
  t.ok(await isThere(gate, layerPath('app', content.config.digest)), 'it is not known yet what the pull needs')
  reading.release()
  await pulling
  const answer = expectStatus(await deleting, 202, 'DELETE')
  await leavesSomething(gate.url, answer)
  for (const blob of blobsOf(content)) await t.resolves(pullBlob(gate.url, 'app', blob, as('puller')))
  t.equal((await jobEnded(gate.url, answer)).state, 'done')
  await assertClean(t, gate, { digests: digestsOf(content), repositories: ['app'] })
})

await eachRegistry(t, 'a blob is being downloaded while its image is deleted: every byte arrives, and then it goes', async (t, tool) => {
  const gate = await startGuarded(t, tool)
  const content = await image('big', { layers: [await layer('big', 30_000_000)] })
  const [big] = content.layers
  await push(gate.url, 'app', 'v1', content)
  const downloading = await open(gate.url, 'GET', `/v2/app/blobs/${big!.digest}`, as('reader'))
  downloading.pause()
  const answer = expectStatus(await del(gate.url, '/v2/app'), 202, 'DELETE')
  await leavesSomething(gate.url, answer)
  t.ok(await isThere(gate, blobPath(big!.digest)))
  t.equal(digestOf((await read(downloading)).body), big!.digest, 'every byte')
  t.equal((await jobEnded(gate.url, answer)).state, 'done')
  await assertClean(t, gate, { digests: digestsOf(content), repositories: ['app'] })
})

await eachRegistry(t, 'the tag is deleted between the manifest and the blobs of a pull: the pull ends whole, and then everything goes', async (t, tool) => {
  // The pull of an index that is gone ends by the clock.
  const gate = await startGuarded(t, tool, { drain: { pullIdleSeconds: 5 } })
  const content = index([await image('amd64'), await image('arm64')])
  await push(gate.url, 'app', 'v1', content)
  await pullManifest(gate.url, 'app', 'v1', content, as('puller'))
  const answer = expectStatus(await del(gate.url, '/v2/app/manifests/v1', as('deleter')), 202, 'DELETE')
  await leavesSomething(gate.url, answer)
  for (const reference of ['v1', ...[content, ...content.children].map(({ digest }) => digest)]) {
    t.equal(await manifestStatus(gate.url, 'app', reference, as('another')), 404, 'for others it is gone')
  }
  for (const child of content.children) await t.resolves(pullManifest(gate.url, 'app', child.digest, child, as('puller')))
  for (const blob of blobsOf(content)) await t.resolves(pullBlob(gate.url, 'app', blob, as('puller')))
  t.equal((await jobEnded(gate.url, answer)).state, 'done')
  t.equal(await manifestStatus(gate.url, 'app', content.children[0]!.digest, as('puller')), 404, 'the pull is over')
  await assertClean(t, gate, { digests: digestsOf(content), repositories: ['app'] })
})

await eachRegistry(t, 'a repository that lost its link is not told "exists" because another uploaded the blob again', async (t, tool) => {
  const gate = await startGuarded(t, tool)
  const shared = await layer('shared')
  const [one, other] = [await image('one', { layers: [shared] }), await image('other', { layers: [shared] })]
  await push(gate.url, 'one', 'v1', one)
  await push(gate.url, 'other', 'v1', other)
  t.ok(await hasBlob(gate.url, 'one', shared.digest))
  await pull(gate.url, 'one', 'v1', one)
  await deleted(gate.url, '/v2/one/manifests/v1')
  await deleted(gate.url, '/v2/other/manifests/v1')
  t.notOk(await isThere(gate, blobPath(shared.digest)), 'it was swept')
  await push(gate.url, 'other', 'v1', other)
  t.equal(await hasBlob(gate.url, 'one', shared.digest), false)
  t.equal(await hasBlob(gate.registry.url, 'one', shared.digest), false, 'the registry itself knows that')
  t.equal((await request(gate.url, 'GET', `/v2/one/blobs/${shared.digest}`)).status, 404)
  const { uploaded } = await push(gate.url, 'one', 'v1', one)
  t.same(new Set(uploaded), new Set(blobsOf(one).map(({ digest }) => digest)))
  await pull(gate.url, 'one', 'v1', one)
  await pullFresh(t, gate, 'one', 'v1', one)
})

await eachRegistry(t, 'a link is being written again while it is read: the read is made again, and nobody sees a 500', async (t, tool) => {
  const gate = await startGuarded(t, tool)
  const content = await image('linked again')
  await push(gate.url, 'app', 'v1', content)
  const links = join(gate.storage, 'docker/registry/v2/repositories')
  const reads = [{ path: '/v2/app/manifests/v1', link: join(links, 'app/_manifests/tags/v1/current/link'), target: content.digest }]
  for (const { digest } of [content.config, content.layers[0]!]) {
    // Linked behind the registry's back: it would answer from its cache otherwise.
    const link = join(links, 'linked/_layers', ...digest.split(':'), 'link')
    await mkdir(dirname(link), { recursive: true })
    reads.push({ path: `/v2/linked/blobs/${digest}`, link, target: digest })
  }
  for (const [at, method] of [[0, 'GET'], [0, 'HEAD'], [1, 'GET'], [2, 'HEAD']] as const) {
    const { path, link, target } = reads[at]!
    await writeFile(link, '') // As registry 2.8 leaves it for a moment.
    const reading = gate.door.hold({ method, path, when: 'after' })
    const answered = request(gate.url, method, path, { headers: { accept: ACCEPT_ALL } })
    await reading.arrived
    await writeFile(link, target)
    reading.release()
    expectStatus(await answered, 200, `${method} ${path}`)
    t.same(gate.door.log.filter(one => one.method === method && one.path === path).map(({ status }) => status), [500, 200], `${method} ${path}`)
  }
  await writeFile(reads[0]!.link, '')
  t.equal((await request(gate.url, 'GET', reads[0]!.path)).status, 500, 'what lasts is told')
})
