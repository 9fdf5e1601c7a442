/** Deleting by tag and by digest: what goes, what stays, and that it can be pushed again at once. */
import t from 'tap'
import { expectStatus, header, ociError } from '../support/http.js'
import { blobsOf, digestsOf, image, layer } from '../support/images.js'
import { catalog, hasBlob, manifestStatus, pull, push, tagsOf } from '../support/client.js'
import { startGate } from '../support/delgate.js'
import { assertClean, blobsOnDisk, listing, totalBytes } from '../support/disk.js'
import { del, deleteAndWait, deleted, jobEnded, receiptOf } from '../support/jobs.js'
import { assertRepush } from '../support/repush.js'
import { eachRegistry } from '../support/tools.js'

await eachRegistry(t, 'scenario 1: deleting the only tag frees the disk, and the image can be pushed again at once', async (t, tool) => {
  const gate = await startGate(t, tool)
  const content = await image('one')
  const empty = await totalBytes(gate.storage)
  await push(gate.url, 'team/app', 'v1', content)
  const before = await totalBytes(gate.storage)

  const answer = expectStatus(await del(gate.url, '/v2/team/app/manifests/v1'), 202, 'DELETE')
  t.equal(await manifestStatus(gate.url, 'team/app', 'v1'), 404, 'gone by tag with the 202')
  t.equal(await manifestStatus(gate.url, 'team/app', content.digest), 404, 'gone by digest with the 202')
  t.equal(await tagsOf(gate.url, 'team/app'), undefined, 'tags/list agrees')
  t.same(await catalog(gate.url), [], '_catalog agrees')

  const receipt = receiptOf(await jobEnded(gate.url, answer))
  t.equal(before - await totalBytes(gate.storage), receipt.bytesFreed, 'the receipt counts what the disk lost')
  t.equal(await totalBytes(gate.storage), empty, 'nothing is left')
  t.same(receipt.tags, [{ repository: 'team/app', tag: 'v1', digest: content.digest }])
  t.same(receipt.manifests, [{ repository: 'team/app', digest: content.digest }])
  t.same(receipt.layerLinks.map(({ digest }) => digest).sort(), blobsOf(content).map(({ digest }) => digest).sort())
  const sizes = [content, ...blobsOf(content)].map(({ digest, bytes }) => ({ digest, bytes: bytes.length }))
  const byDigest = (one: { digest: string }, other: { digest: string }) => one.digest < other.digest ? -1 : 1
  t.same([...receipt.blobs].sort(byDigest), sizes.sort(byDigest))
  t.same(receipt.counts, { tags: 1, manifests: 1, layerLinks: 3, blobs: 4 })
  t.same(receipt.kept, [])
  t.same(receipt.warnings, [])
  await assertClean(t, gate, { digests: digestsOf(content), repositories: ['team/app'] })

  await assertRepush(t, gate.url, 'team/app', 'v1', content)
})

await eachRegistry(t, 'scenario 1: the same, ten times in a row', async (t, tool) => {
  const gate = await startGate(t, tool)
  const content = await image('again')
  for (let round = 0; round < 10; round += 1) {
    const { present } = await push(gate.url, 'again', 'v1', content)
    t.same(present, [])
    await pull(gate.url, 'again', 'v1', content)
    await deleted(gate.url, '/v2/again/manifests/v1')
  }
  await assertClean(t, gate, { digests: digestsOf(content), repositories: ['again'] })
})

await eachRegistry(t, 'a repeated DELETE is 404, and so is one of what never was', async (t, tool) => {
  const gate = await startGate(t, tool)
  const content = await image('repeated')
  await push(gate.url, 'app', ['v1', 'v2'], content)
  await deleted(gate.url, '/v2/app/manifests/v1')
  for (const path of ['app/manifests/v1', 'app/manifests/never', `app/manifests/sha256:${'a'.repeat(64)}`]) {
    const answer = await del(gate.url, `/v2/${path}`)
    t.equal(answer.status, 404)
    t.equal(ociError(answer).code, 'MANIFEST_UNKNOWN')
  }
  t.equal(ociError(expectStatus(await del(gate.url, '/v2/nothing/tags/list'), 404, 'DELETE')).code, 'NAME_UNKNOWN')
  t.equal(ociError(expectStatus(await del(gate.url, '/v2/nothing'), 404, 'DELETE')).code, 'NAME_UNKNOWN')
  await pull(gate.url, 'app', 'v2', content)
})

await eachRegistry(t, 'scenario 2: two tags on one digest go one by one', async (t, tool) => {
  const gate = await startGate(t, tool)
  const content = await image('two tags')
  await push(gate.url, 'team/app', ['a', 'b'], content)

  const first = await deleted(gate.url, '/v2/team/app/manifests/a')
  t.equal(await manifestStatus(gate.url, 'team/app', 'a'), 404)
  await t.resolves(pull(gate.url, 'team/app', 'b', content), 'b pulls, by tag and by digest')
  t.same(first.blobs, [])
  t.match(first.kept, [{ digest: content.digest, by: [{ repository: 'team/app', tags: ['b'] }] }])

  await deleted(gate.url, '/v2/team/app/manifests/b')
  await assertClean(t, gate, { digests: digestsOf(content), repositories: ['team/app'] })
  await assertRepush(t, gate.url, 'team/app', 'a', content)
})

await eachRegistry(t, 'scenario 3: deleting a digest takes every tag that points to it', async (t, tool) => {
  const gate = await startGate(t, tool)
  const content = await image('by digest')
  const other = await image('other')
  await push(gate.url, 'team/app', ['a', 'b'], content)
  await push(gate.url, 'team/app', 'c', other)

  const receipt = await deleted(gate.url, `/v2/team/app/manifests/${content.digest}`)
  t.same(receipt.tags.map(({ tag }) => tag).sort(), ['a', 'b'], 'the receipt names both')
  t.same(await tagsOf(gate.url, 'team/app'), ['c'])
  t.equal(await manifestStatus(gate.url, 'team/app', content.digest), 404)
  await pull(gate.url, 'team/app', 'c', other)
  await assertClean(t, gate, { digests: digestsOf(content) })
  await assertRepush(t, gate.url, 'team/app', 'a', content)
})

await eachRegistry(t, 'scenario 4: what another repository holds stays, and the receipt says who holds it', async (t, tool) => {
  const gate = await startGate(t, tool)
  const content = await image('two repositories')
  await push(gate.url, 'x', 'v1', content)
  await push(gate.url, 'deep/down/y', 'release', content)

  const receipt = await deleted(gate.url, '/v2/x/manifests/v1')
  await t.resolves(pull(gate.url, 'deep/down/y', 'release', content))
  t.same(receipt.blobs, [], 'no blob was removed')
  for (const digest of digestsOf(content)) {
    t.match(receipt.kept.find((kept) => kept.digest === digest), { by: [{ repository: 'deep/down/y', tags: ['release'] }] }, 'kept, and by whom')
  }
  t.same(await catalog(gate.url), ['deep/down/y'])
  await assertClean(t, gate, { repositories: ['x'] })
})

await eachRegistry(t, 'scenario 5: shared layers stay, and only unshared bytes are freed', async (t, tool) => {
  const gate = await startGate(t, tool)
  const shared = await layer('shared', 20_000)
  const [own1, own2, own3] = await Promise.all(['own 1', 'own 2', 'own 3'].map((seed) => layer(seed)))
  const first = await image('first', { layers: [shared, own1!] })
  const second = await image('second', { layers: [shared, own2!] })
  const third = await image('third', { layers: [shared, own3!] })
  await push(gate.url, 'x', 'first', first)
  await push(gate.url, 'x', 'second', second)
  await push(gate.url, 'y', 'third', third)

  const before = await totalBytes(gate.storage)
  const receipt = await deleted(gate.url, '/v2/x/manifests/first')
  t.same(receipt.blobs.map(({ digest }) => digest).sort(), [first.digest, first.config.digest, own1!.digest].sort())
  t.equal(before - await totalBytes(gate.storage), receipt.bytesFreed)
  await pull(gate.url, 'x', 'second', second)
  await pull(gate.url, 'y', 'third', third)

  const across = await deleted(gate.url, '/v2/x/manifests/second')
  t.notOk(across.blobs.some(({ digest }) => digest === shared.digest), 'the layer is still used in y')
  await pull(gate.url, 'y', 'third', third)
  t.notOk(await hasBlob(gate.url, 'x', shared.digest), 'x lost its link to the shared layer')
  await assertClean(t, gate, { digests: [first, second].flatMap((one) => [one.digest, one.config.digest]), repositories: ['x'] })
  await assertRepush(t, gate.url, 'y', 'first', first, [shared.digest])
})

await eachRegistry(t, 'scenario 9: the digest of a layer or config is no manifest', async (t, tool) => {
  const gate = await startGate(t, tool)
  const content = await image('layer digest')
  await push(gate.url, 'app', 'v1', content)
  const before = await listing(gate.storage)
  for (const { digest } of blobsOf(content)) {
    const answer = await del(gate.url, `/v2/app/manifests/${digest}`)
    t.equal(answer.status, 404)
    t.equal(ociError(answer).code, 'MANIFEST_UNKNOWN')
  }
  t.same(await listing(gate.storage), before, 'nothing changed')
  await gate.close()
  const next = await startGate(t, tool, { files: gate })
  await t.resolves(pull(next.url, 'app', 'v1', content), 'the image pulls after a registry restart')
})

await eachRegistry(t, 'scenario 10: the history of a tag goes with it, except what another tag holds', async (t, tool) => {
  const gate = await startGate(t, tool)
  const shared = await layer('base of all revisions')
  const revisions = []
  for (let at = 0; at < 5; at += 1) {
    const content = await image(`revision ${at}`, { layers: [shared, await layer(`revision layer ${at}`)] })
    await push(gate.url, 'app', 'latest', content)
    revisions.push(content)
  }
  const [, kept] = revisions
  await push(gate.url, 'app', 'stable', kept!)

  const receipt = await deleted(gate.url, '/v2/app/manifests/latest')
  const gone = revisions.filter((one) => one !== kept)
  t.same(receipt.manifests.map(({ digest }) => digest).sort(), gone.map(({ digest }) => digest).sort(), 'all revisions but the tagged one')
  await t.resolves(pull(gate.url, 'app', 'stable', kept!))
  const goneDigests = digestsOf(...gone).filter((digest) => digest !== shared.digest)
  await assertClean(t, gate, { digests: goneDigests })
  t.same(await blobsOnDisk(gate.storage), digestsOf(kept!).sort(), 'what is left is what the other tag needs')
})

await eachRegistry(t, 'scenario 16: a dangling tag can be deleted', async (t, tool) => {
  const gate = await startGate(t, tool)
  const content = await image('dangling')
  const healthy = await image('healthy')
  await push(gate.url, 'app', 'broken', content)
  await push(gate.url, 'app', 'fine', healthy)
  await gate.close()
  const { rm } = await import('node:fs/promises')
  const hex = content.digest.slice('sha256:'.length)
  await rm(`${gate.storage}/docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}`, { recursive: true })

  const next = await startGate(t, tool, { files: gate })
  const answer = expectStatus(await del(next.url, '/v2/app/manifests/broken'), 202, 'DELETE')
  t.same(await tagsOf(next.url, 'app'), ['fine'])
  t.equal((await jobEnded(next.url, answer)).state, 'done')
  await pull(next.url, 'app', 'fine', healthy)
  await assertClean(t, next, { digests: digestsOf(content) })
})

await eachRegistry(t, 'scenario 24: a tag that moves between resolve and delete by digest keeps its new image', async (t, tool) => {
  const gate = await startGate(t, tool)
  const v1 = await image('v1')
  const v2 = await image('v2')
  await push(gate.url, 'app', 'latest', v1)
  // The client has resolved v1; now somebody else pushes v2.
  await push(gate.url, 'app', 'latest', v2)
  await deleted(gate.url, `/v2/app/manifests/${v1.digest}`)
  await t.resolves(pull(gate.url, 'app', 'latest', v2))
  await assertClean(t, gate, { digests: digestsOf(v1) })
})

await eachRegistry(t, 'Prefer: wait holds the answer until the job has ended', async (t, tool) => {
  const gate = await startGate(t, tool)
  const content = await image('wait')
  await push(gate.url, 'app', 'v1', content)
  const answer = expectStatus(await del(gate.url, '/v2/app/manifests/v1', { headers: { prefer: 'wait=30' } }), 202, 'DELETE')
  t.match(header(answer, 'preference-applied'), /^wait/)
  t.match(JSON.parse(answer.body.toString()), { state: 'done', receipt: { counts: { tags: 1 } } }, 'the body is the ended job')
  await assertClean(t, gate, { digests: digestsOf(content) })

  await push(gate.url, 'app', 'v1', content)
  const direct = await deleteAndWait(gate.url, '/v2/app/manifests/v1')
  t.equal(direct.kind, JSON.parse(answer.body.toString()).kind)
})

await eachRegistry(t, 'malformed Prefer is a 400 or ignored, never a half-done deletion', async (t, tool) => {
  const gate = await startGate(t, tool)
  const content = await image('prefer')
  await push(gate.url, 'app', ['a', 'b', 'c', 'd'], content)
  for (const [tag, prefer] of [['a', 'wait=abc'], ['b', 'wait=-1'], ['c', 'wait=99999999999999999999'], ['d', 'wait=,,;;']] as const) {
    const answer = await del(gate.url, `/v2/app/manifests/${tag}`, { headers: { prefer } })
    t.ok([202, 400].includes(answer.status), `${prefer}: ${answer.status}`)
    t.equal(await manifestStatus(gate.url, 'app', tag), answer.status === 202 ? 404 : 200)
    if (answer.status === 400) ociError(answer)
  }
})
