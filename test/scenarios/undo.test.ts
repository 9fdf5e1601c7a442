/** What a deletion removed can be put back for as long as the trash keeps it, tags and all; never over something newer. */
import { readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { manifestStatus, pull, push, tagsOf } from '../support/client.js'
import { startGate, type Gate, type PartialSettings } from '../support/delgate.js'
import { assertClean, blobsOnDisk, listing } from '../support/disk.js'
import { basic, expectStatus, json, ociError, request, type Answer } from '../support/http.js'
import { digestsOf, image, index, layer, type Content } from '../support/images.js'
import { deleteAndWait, deleted, jobAt, jobEnded, type Job } from '../support/jobs.js'
import { eachPair } from '../support/pairs.js'
import { USERS, dryRunGarbage, startRegistry } from '../support/registry.js'
import { until } from '../support/temporary.js'
import { eachRegistry } from '../support/tools.js'

const HOUR = { tag: 1, manifest: 1, repository: 1, untagged: 1 }
const KEEP: PartialSettings['trash'] = { keepFor: HOUR }

const undo = async (gate: Gate, job: Job, headers: object = {}): Promise<Answer> => await request(gate.url, 'POST', `/delgate/v1/jobs/${job.id}/undo`, { headers: { ...headers } })
const undone = async (gate: Gate, job: Job): Promise<Job> => await jobEnded(gate.url, expectStatus(await undo(gate, job), 202, 'undo'))
const trashOf = async (gate: Gate): Promise<{ jobs: number, bytes: number }> => json<{ trash: { jobs: number, bytes: number } }>(await request(gate.url, 'GET', '/delgate/v1/status')).trash

/** Every file of the registry, with what is in it. */
const files = async (gate: Gate): Promise<Array<{ path: string, hash: string }>> =>
  (await listing(gate.storage)).filter(({ kind, path }) => kind === 'file' && !path.includes('/_uploads/')).map(({ path, hash }) => ({ path, hash }))

interface Stocked { readonly one: Content, readonly two: Content, readonly other: Content }

/** A repository with an image under two tags, and an index; and one that shares a layer with both. */
async function stock (gate: Gate): Promise<Stocked> {
  const shared = await layer('shared')
  const one = await image('one', { layers: [shared, await layer('own')] })
  const two = index([await image('amd64', { layers: [shared] }), await image('arm64')])
  const other = await image('other', { layers: [shared] })
  await push(gate.url, 'team/app', ['v1', 'stable'], one)
  await push(gate.url, 'team/app', 'v2', two)
  await push(gate.url, 'other', 'v1', other)
  return { one, two, other }
}

async function assertWhole (t: Test, gate: Gate, { one, two, other }: Stocked): Promise<void> {
  for (const [repository, tag, content] of [['team/app', 'v1', one], ['team/app', 'stable', one], ['team/app', 'v2', two], ['other', 'v1', other]] as const) await t.resolves(pull(gate.url, repository, tag, content), `${repository}:${tag}`)
  const { blobs, manifests, layerLinks } = await dryRunGarbage(gate.tool, gate.config)
  t.same({ blobs, manifests, layerLinks }, { blobs: 0, manifests: 0, layerLinks: 0 }, 'the registry\'s own collector finds nothing')
}

await eachPair(t, 'what was deleted is kept, put back as it was, and can be deleted again', async (t, tool, { collection }) => {
  const gate = await startGate(t, tool, { settings: { collection, trash: KEEP } })
  const stocked = await stock(gate)
  const { one, two } = stocked
  const before = await files(gate)
  const ways: ReadonlyArray<readonly [path: string, tags: readonly string[], gone: readonly Content[]]> = [
    ['/v2/team/app/manifests/stable', ['v1', 'v2'], []],
    ['/v2/team/app/manifests/v2', ['stable', 'v1'], [two]],
    [`/v2/team/app/manifests/${one.digest}`, ['v2'], [one]],
    ['/v2/team/app/tags/list', [], [one, two]],
    ['/v2/team/app', [], [one, two]]
  ]
  for (const [path, tags, gone] of ways) {
    const job = await deleteAndWait(gate.url, path)
    t.equal(job.trash?.state, 'kept', path)
    t.same([...await tagsOf(gate.url, 'team/app') ?? []].sort(), tags)
    t.equal(job.receipt?.bytesFreed, 0, 'nothing came free yet')
    t.ok(job.receipt!.bytesInTrash > 0)
    t.same(await trashOf(gate), { jobs: 1, bytes: job.receipt!.bytesInTrash })
    const shared = digestsOf(stocked.other)
    const expected = gone.flatMap(content => digestsOf(content)).filter(digest => !shared.includes(digest))
    t.same((await blobsOnDisk(gate.storage)).filter(digest => expected.includes(digest)), [], 'the registry has none of it')
    const restoring = await undone(gate, job)
    t.match(restoring, { kind: 'undo', state: 'done', undoes: job.id })
    t.equal(restoring.restored?.tags.length, 3 - tags.length)
    t.same((await jobAt(gate.url, `/delgate/v1/jobs/${job.id}`)).trash?.state, 'undone')
    t.same(await files(gate), before, 'every file is what it was, and nothing is left in the trash')
    await assertWhole(t, gate, stocked)
    t.same(ociError(await undo(gate, job)).code, 'JOB_NOT_KEPT', 'once')
  }
  await deleted(gate.url, '/v2/team/app')
  expectStatus(await request(gate.url, 'POST', '/delgate/v1/trash/empty'), 200, 'empty')
  await assertClean(t, gate, { repositories: ['team/app'], digests: digestsOf(one, two).filter(digest => !digestsOf(stocked.other).includes(digest)) })
})

await eachPair(t, 'what was put back is whole for a registry that starts anew, and survives further collections', async (t, tool, { collection }) => {
  const gate = await startGate(t, tool, { settings: { collection, trash: KEEP } })
  const stocked = await stock(gate)
  const job = await deleteAndWait(gate.url, '/v2/team/app')
  await undone(gate, job)
  t.equal((await jobEnded(gate.url, expectStatus(await request(gate.url, 'POST', '/delgate/v1/collections'), 202, 'collections'))).state, 'done')
  await assertWhole(t, gate, stocked)
  await gate.close()
  const bare = await startRegistry(t, tool, {}, gate)
  await assertWhole(t, { ...gate, url: bare.url }, stocked)
  await bare.stop()
})

await eachPair(t, 'what another deletion frees stays for those that can still be undone', async (t, tool, { collection }) => {
  const gate = await startGate(t, tool, { settings: { collection, trash: { keepFor: { tag: 0, manifest: 0, repository: 1, untagged: 0 } } } })
  const stocked = await stock(gate)
  const job = await deleteAndWait(gate.url, '/v2/team/app')
  const receipt = await deleted(gate.url, '/v2/other/manifests/v1')
  t.ok(receipt.bytesFreed > 0, 'deletions of tags are not kept')
  t.ok(receipt.bytesInTrash > 0, 'but the layer that both had is, for the repository')
  t.equal((await undone(gate, job)).state, 'done')
  await t.resolves(pull(gate.url, 'team/app', 'v1', stocked.one))
  await t.resolves(pull(gate.url, 'team/app', 'v2', stocked.two))
  t.equal((await deleteAndWait(gate.url, '/v2/team/app/manifests/v1')).trash, undefined)
})

await eachRegistry(t, 'something newer is not overwritten: 409 names it', async (t, tool) => {
  const gate = await startGate(t, tool, { settings: { trash: KEEP } })
  const stocked = await stock(gate)
  const newer = await image('newer')
  const job = await deleteAndWait(gate.url, '/v2/team/app')
  await push(gate.url, 'team/app', 'v1', newer)
  const answer = await undo(gate, job)
  t.equal(answer.status, 409)
  t.match(ociError(answer), { code: 'DENIED', detail: { repository: 'team/app', tag: 'v1', digest: newer.digest } })
  t.equal(await manifestStatus(gate.url, 'team/app', 'v2'), 404, 'nothing was put back')
  await t.resolves(pull(gate.url, 'team/app', 'v1', newer))
  await deleted(gate.url, '/v2/team/app/manifests/v1')
  await push(gate.url, 'team/app', 'v1', stocked.one)
  t.equal((await undone(gate, job)).state, 'done', 'the same content is not in the way')
  await assertWhole(t, gate, stocked)

  const tag = await deleteAndWait(gate.url, '/v2/team/app/manifests/stable')
  const all = await deleteAndWait(gate.url, '/v2/team/app')
  t.match(ociError(await undo(gate, tag)), { code: 'DENIED', detail: { tag: 'stable', job: all.id } }, 'what it pointed to went later')
  await undone(gate, all)
  await undone(gate, tag)
  await assertWhole(t, gate, stocked)
})

await eachRegistry(t, 'what is kept goes: when its time is up, when there is too much, when somebody empties the trash', async (t, tool) => {
  const gate = await startGate(t, tool, { settings: { trash: { keepFor: { ...HOUR, tag: 3 / 3600 }, maximumBytes: 2_000_000 } } })
  const { one, two } = await stock(gate)
  const state = async ({ id }: Job): Promise<string | undefined> => (await jobAt(gate.url, `/delgate/v1/jobs/${id}`)).trash?.state
  const purged = async (job: Job): Promise<void> => {
    await until('it is purged', async () => await state(job) === 'purged')
    t.match(ociError(expectStatus(await undo(gate, job), 410, 'undo')), { code: 'JOB_NOT_KEPT' })
  }
  await purged(await deleteAndWait(gate.url, '/v2/team/app/manifests/stable'))
  const byDigest = await deleteAndWait(gate.url, `/v2/team/app/manifests/${one.digest}`)
  t.equal(await state(byDigest), 'kept')
  const empty = async (): Promise<{ jobs: number, bytesFreed: number }> => json(expectStatus(await request(gate.url, 'POST', '/delgate/v1/trash/empty'), 200, 'empty'))
  const emptied = await empty()
  t.same(emptied, { jobs: 1, bytesFreed: byDigest.receipt!.bytesInTrash })
  await purged(byDigest)
  const small = await deleteAndWait(gate.url, `/v2/team/app/manifests/${two.digest}`)
  await push(gate.url, 'large', 'v1', await image('large', { layers: [await layer('large', 3_000_000)] }))
  await purged(await deleteAndWait(gate.url, '/v2/large'))
  t.equal(await state(small), 'kept', 'what is too large by itself does not take the others along')
  await until('the large one is freed', async () => (await trashOf(gate)).bytes === small.receipt!.bytesInTrash)
  t.equal((await empty()).bytesFreed, small.receipt!.bytesInTrash)
  await purged(small)
  await until('nothing is in the trash', async () => { const { jobs, bytes } = await trashOf(gate); return jobs + bytes === 0 })
  t.same((await listing(gate.storage)).filter(({ path }) => path.includes('delgate-trash')), [], 'nothing is left of it')
  const { entries } = json<{ entries: Array<{ action: string, outcome: string }> }>(await request(gate.url, 'GET', '/delgate/v1/audit'))
  t.match(entries.filter(({ action }) => action === 'empty-trash').at(-1), { outcome: 'done', bytes: emptied.bytesFreed })
  t.equal(entries.filter(({ action, outcome }) => action === 'undo' && outcome === 'refused').length, 4)
  t.equal(entries.filter(({ action, outcome }) => action === 'delete' && outcome === 'done').length, 4, 'each ended once')
})

await eachRegistry(t, 'untagged manifests that a collection took', async (t, tool) => {
  const gate = await startGate(t, tool, { settings: { trash: KEEP, drain: { sessionIdleSeconds: 1 } } })
  const [old, now] = [await image('old'), await image('now')]
  await push(gate.url, 'app', 'latest', old)
  await push(gate.url, 'app', 'latest', now)
  const before = await files(gate)
  const collecting = expectStatus(await request(gate.url, 'POST', '/delgate/v1/collections', { headers: { 'content-type': 'application/json' }, body: Buffer.from('{"untagged":true}') }), 202, 'collections')
  const job = await jobEnded(gate.url, collecting)
  t.same(job.receipt?.manifests, [{ repository: 'app', digest: old.digest }])
  await undone(gate, job)
  t.same(await files(gate), before)
  await t.resolves(pull(gate.url, 'app', old.digest, old))
  await t.resolves(pull(gate.url, 'app', 'latest', now))
})

await eachRegistry(t, 'after a restart it can still be undone; an undoing that was interrupted is finished', async (t, tool) => {
  const gate = await startGate(t, tool, { settings: { trash: KEEP } })
  const stocked = await stock(gate)
  const job = await deleteAndWait(gate.url, '/v2/team/app')
  const kept = await trashOf(gate)
  await gate.close()
  const jobs = join(gate.directory, 'state', 'jobs')
  t.same((await readdir(jobs)).length, 1)
  const next = await startGate(t, tool, { files: gate, settings: { trash: KEEP } })
  t.same(await trashOf(next), kept)
  const tag = await undone(next, job)
  const again = await deleteAndWait(next.url, '/v2/team/app')
  await next.close()
  // As a crash leaves it: recorded, and not carried out.
  const record = JSON.parse(await readFile(join(jobs, `${tag.id}.json`), 'utf8')) as object
  await writeFile(join(jobs, `${tag.id}.json`), JSON.stringify({ ...record, undoes: again.id, state: 'running', phase: 'unlink', unlinked: false }))
  const last = await startGate(t, tool, { files: gate, settings: { trash: KEEP } })
  t.equal((await jobAt(last.url, `/delgate/v1/jobs/${tag.id}`)).state, 'done')
  await assertWhole(t, last, stocked)
  t.same(await trashOf(last), { jobs: 0, bytes: 0 })
})

await eachRegistry(t, 'who may not delete may not undo, nor empty the trash', async (t, tool) => {
  const gate = await startGate(t, tool, { registry: { auth: 'htpasswd' }, settings: { trash: KEEP } })
  const alice = { headers: basic('alice', USERS.alice) }
  const content = await image('mine')
  await push(gate.url, 'app', 'v1', content, alice)
  const job = await deleteAndWait(gate.url, '/v2/app', alice)
  for (const path of [`/delgate/v1/jobs/${job.id}/undo`, '/delgate/v1/trash/empty']) {
    t.equal((await request(gate.url, 'POST', path)).status, 401, path)
    t.equal((await request(gate.url, 'POST', path, { headers: basic('alice', 'wrong') })).status, 401, path)
  }
  t.equal((await undo(gate, job, alice.headers)).status, 202)
  await t.resolves(pull(gate.url, 'app', 'v1', content, alice))
  t.equal((await request(gate.url, 'POST', '/delgate/v1/jobs/none/undo', alice)).status, 404)
})

await eachRegistry(t, 'undo gives back the links that a later deletion took, also of what an index lists', async (t, tool) => {
  const gate = await startGate(t, tool, { settings: { trash: KEEP } })
  const shared = await layer('shared')
  const [a, b] = [await image('a', { layers: [shared] }), await image('b', { layers: [shared] })]
  const child = await image('child')
  const indexes = [index([child]), index([child, await image('more')])] as const
  for (const [repository, contents] of [['app', [a, b]], ['list', indexes]] as const) {
    for (const [at, content] of contents.entries()) await push(gate.url, repository, `v${at}`, content)
    const jobs = [await deleteAndWait(gate.url, `/v2/${repository}/manifests/v0`), await deleteAndWait(gate.url, `/v2/${repository}/manifests/v1`)]
    t.equal((await undone(gate, jobs[0]!)).state, 'done')
    await t.resolves(pull(gate.url, repository, 'v0', contents[0]), `${repository}: the first`)
    t.equal((await undone(gate, jobs[1]!)).state, 'done')
    for (const [at, content] of contents.entries()) await t.resolves(pull(gate.url, repository, `v${at}`, content), `${repository}: both`)
  }
  const { blobs, manifests, layerLinks } = await dryRunGarbage(gate.tool, gate.config)
  t.same({ blobs, manifests, layerLinks }, { blobs: 0, manifests: 0, layerLinks: 0 })
})

await eachRegistry(t, 'what it needs is kept for it, though the later deletion keeps nothing', async (t, tool) => {
  const gate = await startGate(t, tool, { settings: { trash: { keepFor: { tag: 1, manifest: 0, repository: 0, untagged: 0 } } } })
  const child = await image('child')
  const [first, second] = [index([child]), index([child, await image('more')])]
  await push(gate.url, 'list', 'v0', first)
  await push(gate.url, 'list', 'v1', second)
  const job = await deleteAndWait(gate.url, '/v2/list/manifests/v0')
  await deleteAndWait(gate.url, `/v2/list/manifests/${second.digest}`)
  t.equal((await undone(gate, job)).state, 'done')
  await t.resolves(pull(gate.url, 'list', 'v0', first))
})
