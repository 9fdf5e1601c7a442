/** Indexes: children go with their index, unless something else reaches them, and never before it. */
import t from 'tap'
import { header, ociError, request } from '../support/http.js'
import { ACCEPT_SCHEMA2, blobsOf, digestsOf, image, index, multiArchitecture, type Format } from '../support/images.js'
import { manifestStatus, pull, push, putManifest } from '../support/client.js'
import { startGate } from '../support/delgate.js'
import { assertClean, listing } from '../support/disk.js'
import { del, deleted } from '../support/jobs.js'
import { assertRepush } from '../support/repush.js'
import { eachRegistry } from '../support/tools.js'

for (const format of ['oci', 'docker'] as const satisfies readonly Format[]) {
  await eachRegistry(t, `scenario 6: index (${format}), children, attestation and layers go with the tag`, async (t, tool) => {
    const gate = await startGate(t, tool)
    const content = await multiArchitecture('multi', format)
    await push(gate.url, 'team/app', 'v1', content)
    await pull(gate.url, 'team/app', 'v1', content)

    const receipt = await deleted(gate.url, '/v2/team/app/manifests/v1')
    t.same(receipt.manifests.map(({ digest }) => digest).sort(), [content, ...content.children].map(({ digest }) => digest).sort())
    await assertClean(t, gate, { digests: digestsOf(content), repositories: ['team/app'] })
    await assertRepush(t, gate.url, 'team/app', 'v1', content)
  })
}

await eachRegistry(t, 'scenario 6: a child with a tag of its own stays', async (t, tool) => {
  const gate = await startGate(t, tool)
  const content = await multiArchitecture('tagged child')
  const [child, ...others] = content.children
  await push(gate.url, 'app', 'v1', content)
  await putManifest(gate.url, 'app', 'v1-amd64', child!)

  await deleted(gate.url, '/v2/app/manifests/v1')
  await t.resolves(pull(gate.url, 'app', 'v1-amd64', child!))
  await assertClean(t, gate, { digests: [content.digest, ...digestsOf(...others)] })
})

await eachRegistry(t, 'scenario 6: a child that a second index shares stays, on every platform', async (t, tool) => {
  const gate = await startGate(t, tool)
  const [common, old, fresh] = await Promise.all(['common', 'old', 'fresh'].map((seed) => image(seed)))
  const first = index([common!, old!])
  const second = index([common!, fresh!])
  await push(gate.url, 'app', 'first', first)
  await push(gate.url, 'app', 'second', second)

  await deleted(gate.url, '/v2/app/manifests/first')
  await t.resolves(pull(gate.url, 'app', 'second', second), 'every platform of the second index')
  await assertClean(t, gate, { digests: [first.digest, ...digestsOf(old!)] })
})

await eachRegistry(t, 'scenario 6: an index without a tag still holds its children', async (t, tool) => {
  const gate = await startGate(t, tool)
  const content = await multiArchitecture('untagged index')
  const [child] = content.children
  await push(gate.url, 'app', content.digest, content)
  await putManifest(gate.url, 'app', 'alias', child!)

  await deleted(gate.url, '/v2/app/manifests/alias')
  t.equal(await manifestStatus(gate.url, 'app', 'alias'), 404)
  await t.resolves(pull(gate.url, 'app', content.digest, content), 'the index pulls by digest')
})

await eachRegistry(t, 'scenario 7: the digest of a live index\'s child is refused, and nothing changes', async (t, tool) => {
  const gate = await startGate(t, tool)
  const content = await multiArchitecture('live index')
  await push(gate.url, 'app', ['v1', 'latest'], content)
  const before = await listing(gate.storage)
  for (const child of content.children) {
    const answer = await del(gate.url, `/v2/app/manifests/${child.digest}`)
    t.equal(answer.status, 409)
    const error = ociError(answer)
    t.equal(error.code, 'DENIED')
    const said = JSON.stringify(error)
    for (const word of [content.digest, 'v1', 'latest']) t.ok(said.includes(word), `the answer names ${word}`)
  }
  t.same(await listing(gate.storage), before, 'nothing changed')
  await pull(gate.url, 'app', 'v1', content)
})

await eachRegistry(t, 'scenario 8: a client of schema 2 only cannot break a manifest list with the digest that it got', async (t, tool) => {
  const gate = await startGate(t, tool)
  const content = await multiArchitecture('schema 2 client', 'docker')
  await push(gate.url, 'app', 'v1', content)
  const before = await listing(gate.storage)

  const resolved = await request(gate.url, 'GET', '/v2/app/manifests/v1', { headers: { accept: ACCEPT_SCHEMA2 } })
  const digest = header(resolved, 'docker-content-digest')!
  t.ok(content.children.some((child) => child.digest === digest), 'the registry gives such a client a child')
  const answer = await del(gate.url, `/v2/app/manifests/${digest}`)
  t.equal(answer.status, 409)
  t.same(await listing(gate.storage), before, 'nothing changed')
  await pull(gate.url, 'app', 'v1', content)
})

await eachRegistry(t, 'DELETE of a blob is refused while a manifest uses it, and else collects it', async (t, tool) => {
  const gate = await startGate(t, tool)
  const content = await image('blob')
  const loose = await image('loose')
  await push(gate.url, 'app', 'v1', content)
  const before = await listing(gate.storage)
  for (const { digest } of blobsOf(content)) {
    const answer = await del(gate.url, `/v2/app/blobs/${digest}`)
    t.equal(answer.status, 409)
    t.equal(ociError(answer).code, 'DENIED')
  }
  t.same(await listing(gate.storage), before, 'nothing changed')

  const { uploadBlob } = await import('../support/client.js')
  await uploadBlob(gate.url, 'app', loose.config)
  const receipt = await deleted(gate.url, `/v2/app/blobs/${loose.config.digest}`)
  t.match(receipt.blobs, [{ digest: loose.config.digest, bytes: loose.config.bytes.length }])
  t.equal((await del(gate.url, `/v2/app/blobs/${loose.config.digest}`)).status, 404, 'repeated: 404')
  await assertClean(t, gate, { digests: [loose.config.digest] })
  await pull(gate.url, 'app', 'v1', content)
})
