/** Repositories, tags and disk use as Delgate tells them: against what is on the disk, and what deletions really free. */
import { appendFile, mkdir, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { beginUpload, push, pushBlobs, sendChunk } from '../support/client.js'
import { startGate, type Gate } from '../support/delgate.js'
import { basic, expectStatus, json, ociError, request } from '../support/http.js'
import { blobOf, blobsOf, image, layer, manifestsOf, multiArchitecture, renamed, type Content } from '../support/images.js'
import { deleted } from '../support/jobs.js'
import { USERS } from '../support/registry.js'
import { until } from '../support/temporary.js'
import { startTokenService } from '../support/tokens.js'
import { eachRegistry } from '../support/tools.js'

interface Repository { readonly name: string, readonly tags: number, readonly manifests: number, readonly bytes: number, readonly ownBytes: number, readonly pushedAt: string | null, readonly pulledAt: string | null }
interface Tag { readonly tag: string, readonly digest?: string, readonly platforms: readonly string[], readonly createdAt: string | null, readonly pushedAt: string, readonly bytes: number, readonly ownBytes: number, readonly problem?: string }
interface Extent { readonly blobs: number, readonly bytes: number }
interface Usage { readonly stored: Extent, readonly used: Extent, readonly shared: Extent, readonly single: Extent, readonly garbage: Extent, readonly uploads: { readonly count: number, readonly bytes: number }, readonly disk: { readonly totalBytes: number, readonly freeBytes: number }, readonly measuredAt: string | null, readonly measured: boolean, readonly complete: boolean }
interface Page { readonly repositories: readonly Repository[], readonly next?: string, readonly complete: boolean }

const get = async <T>(gate: Gate, path: string, headers = {}): Promise<T> => json<T>(expectStatus(await request(gate.url, 'GET', `/delgate/v1/${path}`, { headers }), 200, path))
const sizeOf = (...contents: Content[]): number => [...new Map(contents.flatMap(content => [...manifestsOf(content), ...blobsOf(content)]).map(({ digest, bytes }) => [digest, bytes.length])).values()].reduce((sum, bytes) => sum + bytes, 0)

/** Once everything has been read and measured. */
async function measured (gate: Gate, headers = {}): Promise<Usage> {
  return await until('the registry is measured', async () => {
    const usage = await get<Usage>(gate, 'usage', headers)
    return usage.complete && usage.measured && usage.measuredAt !== null ? usage : undefined
  })
}

/** All blobs on the disk. */
async function onDisk (gate: Gate): Promise<Extent> {
  const blobs = join(gate.storage, 'docker/registry/v2/blobs')
  const files = (await readdir(blobs, { recursive: true })).filter(path => path.endsWith('/data'))
  const sizes = await Promise.all(files.map(async path => (await stat(join(blobs, path))).size))
  return { blobs: sizes.length, bytes: sizes.reduce((sum, size) => sum + size, 0) }
}

await eachRegistry(t, 'bytes are those on the disk, and own bytes are what a deletion frees', async (t, tool) => {
  let gate = await startGate(t, tool)
  const base = await layer('base', 30_000)
  const [one, two, other] = [await image('one', { layers: [base, await layer('one/2')] }), await image('two', { layers: [base, await layer('two/2', 9_000)] }), await image('other', { layers: [base] })]
  const many = await multiArchitecture('many')
  await push(gate.url, 'team/app', ['1', 'latest'], one)
  await push(gate.url, 'team/app', '2', two)
  await push(gate.url, 'team/app', 'many', many)
  await push(gate.url, 'team/base', 'v1', other)
  await measured(gate)
  const app = await get<Repository>(gate, 'repositories/team/app')
  t.match(app, { name: 'team/app', measured: true, tags: 4, manifests: 6, bytes: sizeOf(one, two, many), pulledAt: null })
  t.equal(app.ownBytes, app.bytes - base.bytes.length)
  t.ok(Math.abs(Date.parse(app.pushedAt!) - Date.now()) < 60_000)
  const usage = await get<Usage>(gate, 'usage')
  t.same([usage.stored, usage.used], [await onDisk(gate), await onDisk(gate)])
  t.same(usage.shared, { blobs: 1, bytes: base.bytes.length })
  t.same(usage.garbage, { blobs: 0, bytes: 0 })
  await gate.close()
  await rm(join(gate.directory, 'state', 'usage.jsonl'), { force: true })
  gate = await startGate(t, tool, { files: gate })
  const alone = new Map([two, many, other].flatMap(content => [...manifestsOf(content), ...blobsOf(content)]).filter(({ digest }) => digest !== base.digest).map(({ digest, bytes }) => [digest, bytes.length]))
  t.same((await measured(gate)).single, { blobs: alone.size, bytes: [...alone.values()].reduce((sum, bytes) => sum + bytes, 0) }, 'what one tag alone holds')
  t.ok(usage.disk.totalBytes > usage.disk.freeBytes)
  const { tags } = await get<{ tags: Tag[] }>(gate, 'repositories/team/app/tags')
  t.same(tags.map(({ tag, digest, bytes }) => [tag, digest, bytes]), [['1', one.digest, sizeOf(one)], ['2', two.digest, sizeOf(two)], ['latest', one.digest, sizeOf(one)], ['many', many.digest, sizeOf(many)]])
  t.same(tags.map(({ platforms }) => platforms), [['linux/amd64'], ['linux/amd64'], ['linux/amd64'], ['linux/amd64', 'linux/arm64']])
  t.equal(tags[0]!.ownBytes, 0, 'another tag of the same image keeps it')
  t.same((await get<{ with: object[] }>(gate, 'repositories/team/base/shares')).with, [{ repository: 'team/app', bytes: base.bytes.length }])
  for (const tag of ['many', '2', '1', 'latest']) {
    const { ownBytes } = (await get<{ tags: Tag[] }>(gate, 'repositories/team/app/tags')).tags.find(one => one.tag === tag)!
    const { blobs } = await deleted(gate.url, `/v2/team/app/manifests/${tag}`)
    t.equal(blobs.reduce((sum, { bytes }) => sum + bytes, 0), ownBytes, `${tag}: as foretold`)
  }
  t.same((await get<Page>(gate, 'repositories')).repositories.map(({ name, bytes, ownBytes }) => [name, bytes, ownBytes]), [['team/base', sizeOf(other), sizeOf(other)]])
  t.equal((await request(gate.url, 'GET', '/delgate/v1/repositories/team/app')).status, 404)
})

await eachRegistry(t, 'a blob that is stored under another algorithm counts once', async (t, tool) => {
  const gate = await startGate(t, tool)
  const content = await image('sha512')
  const named = renamed(content, 'sha512')
  await push(gate.url, 'app', 'sha256', content)
  const [first, ...rest] = blobsOf(content)
  await push(gate.url, 'app', 'sha512', named)
  await measured(gate)
  const { bytes } = await get<Repository>(gate, 'repositories/app')
  t.equal(bytes, [first!, ...rest, content, named].reduce((sum, blob) => sum + blob.bytes.length, 0))
  t.equal((await get<Usage>(gate, 'usage')).used.bytes, bytes)
})

await eachRegistry(t, 'pages, in order of name or of size, and only what is asked for', async (t, tool) => {
  const gate = await startGate(t, tool)
  for (const [at, name] of ['a/one', 'a/two', 'ab', 'b', 'b/c'].entries()) await push(gate.url, name, ['v1', 'v2', 'w1'], await image(name, { layers: [await layer(name, 1_000 * (at + 1))] }))
  await measured(gate)
  const names = async (query: string): Promise<string[]> => {
    const found: string[] = []
    for (let next: string | undefined = ''; next !== undefined;) {
      const page: Page = await get(gate, `repositories?${query}${next === '' ? '' : `&last=${encodeURIComponent(next)}`}`)
      found.push(...page.repositories.map(({ name }) => name))
      next = page.next
    }
    return found
  }
  for (const n of [1, 2, 5, 1000]) {
    t.same(await names(`n=${n}`), ['a/one', 'a/two', 'ab', 'b', 'b/c'])
    t.same(await names(`n=${n}&sort=bytes`), ['b/c', 'b', 'ab', 'a/two', 'a/one'])
  }
  t.same(await names('prefix=a/'), ['a/one', 'a/two'])
  t.same(await names('match=**o**&n=1'), ['a/one', 'a/two'])
  t.same(await names('match=*'), ['ab', 'b'])
  t.same(await names('match=b/?'), ['b/c'])
  const tags = async (query: string): Promise<{ tags: Array<{ tag: string }>, next?: string }> => await get(gate, `repositories/ab/tags?${query}`)
  t.match(await tags('n=2'), { tags: [{ tag: 'v1' }, { tag: 'v2' }], next: 'v2' })
  t.match(await tags('n=2&last=v2'), { tags: [{ tag: 'w1' }], next: undefined })
  t.match(await tags('match=v*'), { tags: { length: 2 }, next: undefined })
  for (const wrong of ['n=0', 'n=1001', 'n=x', 'sort=size', 'nn=1', 'n=1&n=2', `match=${'a'.repeat(600)}`]) {
    t.equal(ociError(expectStatus(await request(gate.url, 'GET', `/delgate/v1/repositories?${wrong}`), 400, wrong)).code, 'REQUEST_INVALID', wrong)
  }
  t.equal(ociError(expectStatus(await request(gate.url, 'GET', '/delgate/v1/repositories/A/tags'), 400, 'a name that is none')).code, 'NAME_INVALID')
  t.equal(ociError(expectStatus(await request(gate.url, 'GET', '/delgate/v1/repositories/no/tags'), 404, 'no such repository')).code, 'NAME_UNKNOWN')
})

await eachRegistry(t, 'garbage and uploads are measured, and again after a collection of everything', async (t, tool) => {
  const gate = await startGate(t, tool, { settings: { drain: { sessionIdleSeconds: 0.2 } } })
  await push(gate.url, 'app', 'v1', await image('stays'))
  await gate.close()
  const garbage = blobOf(Buffer.alloc(7_000, 'g'))
  const directory = join(gate.storage, 'docker/registry/v2/blobs/sha256', garbage.digest.slice(7, 9), garbage.digest.slice(7))
  await mkdir(directory, { recursive: true })
  await writeFile(join(directory, 'data'), garbage.bytes)
  await utimes(join(directory, 'data'), new Date(0), new Date(0))
  await rm(join(gate.directory, 'state', 'usage.jsonl'), { force: true })
  const next = await startGate(t, tool, { files: gate, settings: { drain: { sessionIdleSeconds: 0.2 } } })
  const found = await measured(next)
  t.same(found.garbage, { blobs: 1, bytes: 7_000 })
  t.same(found.stored, await onDisk(next))
  await pushBlobs(next.url, 'app', blobsOf(await image('only blobs')))
  await sendChunk(next.url, await beginUpload(next.url, 'app'), Buffer.alloc(1_234))
  expectStatus(await request(next.url, 'POST', '/delgate/v1/collections', { headers: { prefer: 'wait=30' } }), 202, 'collect')
  await until('it is measured again', async () => {
    const { garbage: left, uploads } = await get<Usage>(next, 'usage')
    return uploads.count === 1 && uploads.bytes === 1_234 && left.bytes !== 7_000 ? true : undefined
  })
  const { samples } = await get<{ samples: Array<{ at: string, storedBytes: number, usedBytes: number }> }>(next, 'usage/history')
  t.ok(samples.length >= 2)
  t.equal(samples[0]!.storedBytes, found.stored.bytes)
})

await eachRegistry(t, 'what was measured holds over a restart; a cut line does no harm', async (t, tool) => {
  const gate = await startGate(t, tool)
  const content = await image('kept')
  await push(gate.url, 'app', 'v1', content)
  const before = await measured(gate)
  await gate.close()
  const file = join(gate.directory, 'state', 'usage.jsonl')
  await appendFile(file, '{"at":"2026-')
  const next = await startGate(t, tool, { files: gate })
  const after = await measured(next)
  t.same(after.measuredAt, before.measuredAt, 'it was not measured again')
  t.equal((await get<Repository>(next, 'repositories/app')).bytes, sizeOf(content))
  t.equal((await get<{ samples: object[] }>(next, 'usage/history')).samples.length, 1)
  await next.close()
  t.ok((await readFile(file, 'utf8')).endsWith('{"at":"2026-\n'), 'the next line will not be added to the cut one')
})

await eachRegistry(t, 'a damaged tag says what is wrong with it', async (t, tool) => {
  const gate = await startGate(t, tool)
  const content = await image('damaged')
  await push(gate.url, 'app', ['empty', 'good', 'gone'], content)
  const other = await image('other')
  await push(gate.url, 'app', 'gone', other)
  const tree = join(gate.storage, 'docker/registry/v2')
  await writeFile(join(tree, 'repositories/app/_manifests/tags/empty/current/link'), '')
  await rm(join(tree, 'blobs/sha256', other.digest.slice(7, 9), other.digest.slice(7)), { recursive: true })
  await measured(gate)
  const { tags } = await get<{ tags: Tag[] }>(gate, 'repositories/app/tags')
  t.match(tags, [{ tag: 'empty', digest: undefined, problem: /the link is empty$/ }, { tag: 'gone', digest: other.digest, problem: /is not stored/ }, { tag: 'good', digest: content.digest, problem: undefined }])
})

await eachRegistry(t, 'with users, it is for those who could delete', async (t, tool) => {
  const gate = await startGate(t, tool, { registry: { auth: 'htpasswd' } })
  const alice = basic('alice', USERS.alice)
  await push(gate.url, 'app', 'v1', await image('users'), { headers: alice })
  await measured(gate, alice)
  for (const path of ['repositories', 'repositories/app', 'repositories/app/tags', 'repositories/app/shares', 'usage', 'usage/history']) {
    t.equal((await request(gate.url, 'GET', `/delgate/v1/${path}`)).status, 401, `${path}: a stranger`)
    t.equal((await request(gate.url, 'GET', `/delgate/v1/${path}`, { headers: basic('alice', 'wrong') })).status, 401, `${path}: a wrong password`)
    await get(gate, path, alice)
  }
  t.same((await get<Page>(gate, 'repositories', alice)).repositories.map(({ name }) => name), ['app'])
})

await eachRegistry(t, 'with tokens, each sees what the token is for; whoever may see the catalog sees all', async (t, tool) => {
  const tokens = await startTokenService(t)
  const gate = await startGate(t, tool, { registry: { auth: tokens.auth } })
  const bearer = (...scopes: string[]) => ({ authorization: `Bearer ${tokens.token(...scopes)}` })
  const contents = new Map<string, Content>()
  for (const name of ['a', 'b', 'c']) {
    contents.set(name, await image(name, { layers: [await layer('common')] }))
    await push(gate.url, name, 'v1', contents.get(name)!, { headers: bearer(`repository:${name}:pull,push`) })
  }
  const names = async (headers: object): Promise<string[]> => (await get<Page>(gate, 'repositories?n=2', headers)).repositories.map(({ name }) => name)
  t.same(await names(bearer('repository:b:pull,delete')), ['b'])
  t.same(await names(bearer('repository:b:pull,push')), [], 'who may not delete sees nothing')
  const catalog = bearer('registry:catalog:*')
  t.same(await names(catalog), ['a', 'b'])
  t.equal((await measured(gate, catalog)).used.bytes, sizeOf(...contents.values()))
  const b = bearer('repository:b:pull,delete')
  await get(gate, 'repositories/b/tags', b)
  t.same((await get<{ with: object[] }>(gate, 'repositories/b/shares', b)).with, [], 'others are not named')
  for (const path of ['repositories/a', 'repositories/a/tags']) t.equal((await request(gate.url, 'GET', `/delgate/v1/${path}`, { headers: b })).status, 404, path)
  for (const path of ['usage', 'usage/history']) t.equal((await request(gate.url, 'GET', `/delgate/v1/${path}`, { headers: b })).status, 403, path)
})

await eachRegistry(t, 'a repository may be called catalog', async (t, tool) => {
  const tokens = await startTokenService(t)
  const gate = await startGate(t, tool, { registry: { auth: tokens.auth } })
  const bearer = (...scopes: string[]) => ({ authorization: `Bearer ${tokens.token(...scopes)}` })
  for (const name of ['a', 'catalog']) await push(gate.url, name, 'v1', await image(name), { headers: bearer(`repository:${name}:pull,push`) })
  const [owner, lister] = [bearer('repository:catalog:pull,delete'), bearer('registry:catalog:*')]
  const seen = async (headers: object): Promise<unknown[]> => [(await get<Page>(gate, 'repositories', headers)).repositories.map(({ name }) => name), (await request(gate.url, 'GET', '/delgate/v1/repositories/catalog/tags', { headers: { ...headers } })).status]
  for (const round of ['asked', 'remembered']) {
    t.same(await seen(owner), [['catalog'], 200], `who may delete there sees no others: ${round}`)
    t.same(await seen(lister), [['a', 'catalog'], 404], `who may list sees no tags: ${round}`)
  }
})

await eachRegistry(t, 'the description of the interface is served', async (t: Test, tool) => {
  const gate = await startGate(t, tool)
  const { openapi, paths } = await get<{ openapi: string, paths: object }>(gate, 'openapi.json')
  t.match(openapi, /^3\.1/)
  t.ok('/delgate/v1/usage' in paths)
})
