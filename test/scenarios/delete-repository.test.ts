/** Whole repositories: neighbours stay, the catalog tells the truth, an empty registry is no error. */
import t from 'tap'
import { expectStatus, json, ociError, request } from '../support/http.js'
import { blobsOf, manifestsOf, digestsOf, image, multiArchitecture } from '../support/images.js'
import { beginUpload, catalog, manifestStatus, pull, push, tagsOf } from '../support/client.js'
import { startGate } from '../support/delgate.js'
import { assertClean, listing } from '../support/disk.js'
import { del, deleted, jobEnded, type Receipt } from '../support/jobs.js'
import { assertRepush } from '../support/repush.js'
import { eachRegistry } from '../support/tools.js'

await eachRegistry(t, 'scenario 11: with the last tag the repository goes, and its empty parents', async (t, tool) => {
  const gate = await startGate(t, tool)
  const content = await image('last tag')
  const neighbour = await image('neighbour')
  await push(gate.url, 'team/deep/app', 'v1', content)
  await push(gate.url, 'team/other', 'v1', neighbour)

  await deleted(gate.url, '/v2/team/deep/app/manifests/v1')
  t.same(await catalog(gate.url), ['team/other'])
  t.equal(await tagsOf(gate.url, 'team/deep/app'), undefined)
  const paths = (await listing(gate.storage)).map(({ path }) => path)
  t.notOk(paths.includes('docker/registry/v2/repositories/team/deep'), 'the empty parent is gone')
  t.ok(paths.includes('docker/registry/v2/repositories/team/other'), 'the parent in use is not')
  await assertClean(t, gate, { digests: digestsOf(content), repositories: ['team/deep/app'] })
  await assertRepush(t, gate.url, 'team/deep/app', 'v1', content)
})

for (const path of ['/v2/a/b', '/v2/a/b/']) {
  await eachRegistry(t, `scenario 12: DELETE ${path} touches neither a/b/c nor a/bc`, async (t, tool) => {
    const gate = await startGate(t, tool)
    const [b, c, bc] = await Promise.all(['b', 'c', 'bc'].map((seed) => image(seed)))
    await push(gate.url, 'a/b', ['v1', 'v2'], b!)
    await push(gate.url, 'a/b/c', 'v1', c!)
    await push(gate.url, 'a/bc', 'v1', bc!)

    const receipt = await deleted(gate.url, path)
    t.same(receipt.tags.map(({ repository, tag }) => `${repository}:${tag}`).sort(), ['a/b:v1', 'a/b:v2'])
    t.same(await catalog(gate.url), ['a/b/c', 'a/bc'])
    await pull(gate.url, 'a/b/c', 'v1', c!)
    await pull(gate.url, 'a/bc', 'v1', bc!)
    await assertClean(t, gate, { digests: digestsOf(b!), repositories: ['a/b'] })
    t.equal((await del(gate.url, path)).status, 404, 'repeated: 404')
  })
}

await eachRegistry(t, 'scenario 12: ?recursive=true takes everything under the name, and not its namesakes', async (t, tool) => {
  const gate = await startGate(t, tool)
  const [b, c, bc] = await Promise.all(['b', 'c', 'bc'].map((seed) => image(seed)))
  await push(gate.url, 'a/b', 'v1', b!)
  await push(gate.url, 'a/b/c', 'v1', c!)
  await push(gate.url, 'a/bc', 'v1', bc!)

  await deleted(gate.url, '/v2/a/b?recursive=true')
  t.same(await catalog(gate.url), ['a/bc'])
  await pull(gate.url, 'a/bc', 'v1', bc!)
  await assertClean(t, gate, { digests: digestsOf(b!, c!), repositories: ['a/b', 'a/b/c'] })
})

await eachRegistry(t, 'scenario 12: ?recursive=true works on a parent that is no repository itself', async (t, tool) => {
  const gate = await startGate(t, tool)
  const content = await image('below')
  await push(gate.url, 'parent/child', 'v1', content)
  t.equal(ociError(expectStatus(await del(gate.url, '/v2/parent'), 404, 'DELETE')).code, 'NAME_UNKNOWN')
  await deleted(gate.url, '/v2/parent?recursive=true')
  t.same(await catalog(gate.url), [])
  await assertClean(t, gate, { digests: digestsOf(content), repositories: ['parent/child'] })
})

await eachRegistry(t, 'scenario 13: the very last repository can go, and an empty registry can be collected', async (t, tool) => {
  const gate = await startGate(t, tool)
  const collectEmpty = async () => {
    const answer = expectStatus(await request(gate.url, 'POST', '/delgate/v1/collections'), 202, 'POST collections')
    t.equal((await jobEnded(gate.url, answer)).state, 'done')
  }
  await collectEmpty()
  const content = await image('very last')
  await push(gate.url, 'only', 'v1', content)
  await deleted(gate.url, '/v2/only')
  await assertClean(t, gate, { digests: digestsOf(content), repositories: ['only'] })
  await collectEmpty()
  await assertRepush(t, gate.url, 'only', 'v1', content)
})

for (const path of ['/v2/team/app/tags/list', '/v2/team/app/tags/reference/v1']) {
  await eachRegistry(t, `DELETE ${path}`, async (t, tool) => {
    const gate = await startGate(t, tool)
    const content = await multiArchitecture('tags')
    const other = await image('tags too')
    await push(gate.url, 'team/app', 'v1', content)
    await push(gate.url, 'team/app', 'v2', other)
    await deleted(gate.url, path)
    t.equal(await manifestStatus(gate.url, 'team/app', 'v1'), 404)
    if (path.endsWith('/tags/list')) {
      t.same(await catalog(gate.url), [])
      await assertClean(t, gate, { digests: digestsOf(content, other), repositories: ['team/app'] })
    } else {
      await pull(gate.url, 'team/app', 'v2', other)
      await assertClean(t, gate, { digests: digestsOf(content) })
    }
    t.equal((await del(gate.url, path)).status, 404, 'repeated: 404')
  })
}

await eachRegistry(t, 'scenario 18: a dry run says what the deletion then does, and changes nothing', async (t, tool) => {
  const gate = await startGate(t, tool)
  const content = await multiArchitecture('dry')
  const overwritten = await image('overwritten')
  const elsewhere = content.children[0]!
  await push(gate.url, 'app', 'v1', overwritten)
  await push(gate.url, 'app', 'v1', content)
  await push(gate.url, 'app', 'v2', content)
  await push(gate.url, 'elsewhere', 'kept', elsewhere)

  const sizes = new Map([...blobsOf(content), ...manifestsOf(content)].map(({ digest, bytes }) => [digest, bytes.length]))
  for (const path of ['/v2/app/manifests/v2', `/v2/app/manifests/${content.digest}`, '/v2/elsewhere']) {
    const before = await listing(gate.storage)
    const answer = expectStatus(await del(gate.url, `${path}?dry-run=true`), 200, 'dry run')
    t.same(await listing(gate.storage), before, 'nothing on the disk changed')
    const { receipt } = json<{ receipt: Receipt }>(answer)
    for (const { digest, bytes } of receipt.kept) t.equal(bytes, sizes.get(digest), `${digest} stays, and takes so much`)
    const kept = receipt.kept.map(({ bytes: _, ...rest }) => rest)
    t.same({ ...receipt, kept }, await deleted(gate.url, path), `${path}: the receipt equals that of the real deletion, but for the sizes of what stays`)
  }
  t.equal((await del(gate.url, '/v2/app/manifests/none?dry-run=true')).status, 404)
  t.equal((await del(gate.url, '/v2/none?dry-run=true')).status, 404)
})

await eachRegistry(t, 'a cancelled upload, of which the registry leaves a directory, is none', async (t, tool) => {
  const gate = await startGate(t, tool)
  const content = await image('cancelled')
  await push(gate.url, 'team/app', 'v1', content)
  const location = await beginUpload(gate.url, 'team/app')
  expectStatus(await request(gate.url, 'DELETE', location), 204, 'cancel')
  const left = async (): Promise<string[]> => (await listing(gate.storage)).map(({ path }) => path).filter(path => path.includes('/_uploads/'))
  t.ok((await left()).length > 0, 'the registry left something')
  expectStatus(await del(gate.url, '/v2/team/app'), 202, 'DELETE')
  t.same(await catalog(gate.url), [], 'the catalog tells the truth at once')

  await push(gate.url, 'team/app', 'v1', content)
  t.same(await left(), [], 'a push of what was deleted leaves nothing behind')
  expectStatus(await request(gate.url, 'DELETE', await beginUpload(gate.url, 'team/app')), 204, 'cancel')
  expectStatus(await request(gate.url, 'POST', '/delgate/v1/collections', { headers: { prefer: 'wait=30' } }), 202, 'collect')
  t.same(await left(), [], 'a collection takes it')
  await pull(gate.url, 'team/app', 'v1', content)
})
