/** Runs of the retention rules: always a plan first, then one job; what any rule keeps, or protects, or somebody pushes or pulls meanwhile, stays. */
import { mkdir, readFile, readdir, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { readPullTimes, savePullTimes } from '../../src/pull-times/file.js'
import { PullTimes } from '../../src/pull-times/pull-times.js'
import { manifestStatus, pull, push, putManifest, tagsOf } from '../support/client.js'
import { startGate, type Gate } from '../support/delgate.js'
import { assertClean, listing } from '../support/disk.js'
import { openDoor } from '../support/door.js'
import { basic, expectStatus, json, ociError, request, type Answer } from '../support/http.js'
import { ACCEPT_ALL, digestsOf, image, index, type Content } from '../support/images.js'
import { jobAt, jobEnded, type Job } from '../support/jobs.js'
import { eachPair } from '../support/pairs.js'
import { USERS, startRegistry } from '../support/registry.js'
import { until } from '../support/temporary.js'
import { eachRegistry } from '../support/tools.js'

const DAY_MS = 86_400_000
const RUNS = '/delgate/v1/retention/runs'

interface Rule { readonly name: string, readonly repositories?: readonly string[], readonly tags?: readonly string[], readonly keepNewest?: number, readonly keepTags?: readonly string[], readonly deleteOlderThanDays?: number, readonly deleteNotPulledForDays?: number, readonly deleteUntaggedAfterDays?: number }
interface Decision { readonly tag: string, readonly digest: string, readonly action: string, readonly rule?: string, readonly reason: string }
interface Plan { readonly dryRun: true, readonly repositories: ReadonlyArray<{ readonly repository: string, readonly tags: readonly Decision[], readonly untagged: ReadonlyArray<{ readonly digest: string, readonly rule: string }> }>, readonly receipt: NonNullable<Job['receipt']> }
type Run = Job & { readonly decided: ReadonlyArray<{ readonly repository: string, readonly tag?: string, readonly rule: string }>, readonly by?: object }

const retention = (rules: readonly Rule[], schedule?: string) => ({ retention: { rules: rules.map(rule => ({ repositories: ['**'], tags: ['**'], ...rule })), ...(schedule === undefined ? {} : { schedule }) } })

/** Makes the link of a tag, or of a manifest, look as if it was pushed so many days ago. Before anything reads it. */
async function age ({ storage }: Pick<Gate, 'storage'>, repository: string, reference: string, days: number): Promise<void> {
  const then = new Date(Date.now() - days * DAY_MS)
  const place = reference.includes(':') ? `revisions/${reference.replace(':', '/')}` : `tags/${reference}/current`
  await utimes(join(storage, 'docker/registry/v2/repositories', repository, '_manifests', place, 'link'), then, then)
}

/** Pushes, and makes it look old. */
async function pushed (gate: Gate, repository: string, tag: string, content: Content, days: number, options: object = {}): Promise<void> {
  await push(gate.url, repository, tag, content, options)
  await age(gate, repository, tag, days)
}

const planOf = async (gate: Gate, options: object = {}): Promise<Plan> => json<Plan>(expectStatus(await request(gate.url, 'POST', `${RUNS}?dry-run=true`, options), 200, 'dry run'))
const run = async (gate: Gate, options: object = {}): Promise<Run> => await jobEnded(gate.url, expectStatus(await request(gate.url, 'POST', RUNS, options), 202, 'run'), options) as Run
const actions = ({ repositories }: Plan): Record<string, string> => Object.fromEntries(repositories.flatMap(({ repository, tags }) => tags.map(({ tag, action, rule }) => [`${repository}:${tag}`, `${action} ${rule ?? ''}`.trim()])))
const tagsIn = (receipt: Job['receipt']): string[] => receipt!.tags.map(({ repository, tag }) => `${repository}:${tag}`).sort()

await eachPair(t, 'a plan that changes nothing, then one job that does what it said, and a second that finds nothing', async (t, tool, { collection }) => {
  const rules = [{ name: 'nightly', repositories: ['team/**'], keepNewest: 1, deleteOlderThanDays: 30 }, { name: 'releases', tags: ['v*'], keepTags: ['**'] }]
  const gate = await startGate(t, tool, { settings: { collection, ...retention(rules) } })
  const [one, two, release, other, fresh] = [await image('one'), index([await image('child')]), await image('release'), await image('other'), await image('fresh')]
  await pushed(gate, 'team/app', 'build-1', one, 40)
  await pushed(gate, 'team/app', 'build-2', two, 35)
  await pushed(gate, 'team/app', 'v1', release, 100)
  await pushed(gate, 'team/app', 'same', release, 50)
  await push(gate.url, 'team/app', 'build-3', fresh)
  await pushed(gate, 'team/lonely', 'build-1', one, 400)
  await pushed(gate, 'elsewhere', 'build-1', other, 400)
  const before = await listing(gate.storage)
  const plan = await planOf(gate)
  t.same(actions(plan), {
    'elsewhere:build-1': 'keep',
    'team/app:build-1': 'delete nightly',
    'team/app:build-2': 'delete nightly',
    'team/app:build-3': 'keep nightly',
    'team/app:same': 'delete nightly',
    'team/app:v1': 'keep releases',
    'team/lonely:build-1': 'keep nightly'
  })
  const { digest, reason } = plan.repositories.find(({ repository }) => repository === 'team/app')!.tags[0]!
  t.same({ digest, reason }, { digest: one.digest, reason: 'pushed 40 days ago, more than 30' })
  t.same(tagsIn(plan.receipt), ['team/app:build-1', 'team/app:build-2', 'team/app:same'])
  t.same(await listing(gate.storage), before, 'nothing changed')
  const job = await run(gate)
  t.match(job, { kind: 'delete', target: { type: 'retention' }, state: 'done', decided: [{ repository: 'team/app', tag: 'build-1', rule: 'nightly' }, { tag: 'build-2' }, { tag: 'same' }] })
  t.same(tagsIn(job.receipt), tagsIn(plan.receipt))
  t.same(job.receipt!.blobs.map(({ digest }) => digest).sort(), plan.receipt.blobs.map(({ digest }) => digest).sort(), 'and frees what the plan said')
  t.same(await tagsOf(gate.url, 'team/app'), ['build-3', 'v1'])
  t.equal(await manifestStatus(gate.url, 'team/app', two.digest), 404)
  for (const [repository, tag, content] of [['team/app', 'v1', release], ['team/app', 'build-3', fresh], ['team/lonely', 'build-1', one], ['elsewhere', 'build-1', other]] as const) await t.resolves(pull(gate.url, repository, tag, content), `${repository}:${tag}`)
  t.match(await run(gate), { state: 'done', receipt: { counts: { tags: 0, manifests: 0, blobs: 0 } } })
  await assertClean(t, gate, { digests: digestsOf(two) })
  // The end of a job is written down shortly after the job says so itself.
  const entries = await until('all is written down', async () => {
    const { entries } = json<{ entries: Array<{ action: string, outcome: string, target: object }> }>(await request(gate.url, 'GET', '/delgate/v1/audit?action=delete'))
    return entries.length >= 4 && entries
  })
  t.same(entries.map(({ outcome, target }) => [outcome, target]).sort(), [['accepted', { type: 'retention' }], ['accepted', { type: 'retention' }], ['done', { type: 'retention' }], ['done', { type: 'retention' }]])
})

await eachRegistry(t, 'protected tags stay, manifests without a tag go after their time, and what is in force can be seen', async (t, tool) => {
  const rules = [{ name: 'all', deleteOlderThanDays: 0, deleteUntaggedAfterDays: 7 }]
  const protection = { rules: [{ name: 'golden', repositories: ['**'], tags: ['gold*'], users: [], overwrite: true }] }
  const settings = { ...retention(rules, '30 4 1 1 *'), protection, drain: { sessionIdleSeconds: 0.2 } }
  const first = await startGate(t, tool, { settings })
  await first.close()
  await savePullTimes(join(first.directory, 'state', 'pulls'), new PullTimes(Date.now() - 7.5 * DAY_MS))
  const gate = await startGate(t, tool, { settings, files: first })
  const [gold, plain, old, young] = [await image('gold'), await image('plain'), await image('old'), await image('young')]
  await pushed(gate, 'app', 'plain', plain, 1)
  await push(gate.url, 'app', 'golden', old)
  await push(gate.url, 'app', 'golden', young)
  await pushed(gate, 'app', 'golden', gold, 500)
  for (const { digest } of [old, young]) await age(gate, 'app', digest, 8)
  await request(gate.url, 'HEAD', `/v2/app/manifests/${young.digest}`, { headers: { accept: ACCEPT_ALL } })
  await until('no push runs any more', async () => json<{ traffic: { pushes: number } }>(await request(gate.url, 'GET', '/delgate/v1/status')).traffic.pushes === 0)
  const plan = await planOf(gate)
  t.same(actions(plan), { 'app:golden': 'keep golden', 'app:plain': 'delete all' })
  t.match(plan.repositories[0]!.untagged, [{ digest: old.digest, rule: 'all' }])
  const { receipt } = await run(gate)
  t.same(receipt!.manifests.map(({ digest }) => digest).sort(), [old.digest, plain.digest].sort())
  await t.resolves(pull(gate.url, 'app', 'golden', gold))
  await t.resolves(pull(gate.url, 'app', young.digest, young))
  const shown = json<{ rules: Rule[], schedule: string, nextScheduledAt: string, pullsKnownSince: string }>(await request(gate.url, 'GET', '/delgate/v1/retention'))
  t.match(shown, { rules: [{ name: 'all', deleteOlderThanDays: 0 }], schedule: '30 4 1 1 *', nextScheduledAt: /^\d{4}-01-01T/ })
  t.ok(Math.abs(Date.now() - 7.5 * DAY_MS - Date.parse(shown.pullsKnownSince)) < 600_000)
})

await eachRegistry(t, 'what is not pulled goes; pulls are known over a restart, and count from when they were first seen', async (t, tool) => {
  const settings = retention([{ name: 'unused', deleteNotPulledForDays: 30 }])
  const gate = await startGate(t, tool, { settings })
  const content = await image('shared')
  for (const tag of ['used', 'unused', 'forgotten']) await pushed(gate, 'app', tag, content, 100)
  t.same(new Set(Object.values(actions(await planOf(gate)))), new Set(['keep']), 'nobody knows yet what is pulled')
  await request(gate.url, 'HEAD', '/v2/app/manifests/used', { headers: { accept: ACCEPT_ALL } })
  await gate.close()
  // As if the record had begun long ago.
  const path = join(gate.directory, 'state', 'pulls')
  const read = await readPullTimes(path)
  if (read.outcome !== 'read') throw new Error(read.outcome)
  const older = new PullTimes(Date.now() - 50 * DAY_MS)
  for (const [repository, times] of read.times.entries()) older.load(repository, times)
  await savePullTimes(path, older)
  const next = await startGate(t, tool, { settings, files: gate })
  t.match(actions(await planOf(next)), { 'app:used': 'keep', 'app:unused': 'delete unused', 'app:forgotten': 'delete unused' })
  t.same(tagsIn((await run(next)).receipt), ['app:forgotten', 'app:unused'])
  await t.resolves(pull(next.url, 'app', 'used', content))
})

await eachRegistry(t, 'by schedule', async (t, tool) => {
  // Without a schedule first: what a run has read before it was made to look old is not read again.
  const first = await startGate(t, tool)
  await push(first.url, 'app', 'new', await image('new'))
  await push(first.url, 'app', 'other', await image('other'))
  await pushed(first, 'app', 'old', await image('old'), 40)
  await first.close()
  const gate = await startGate(t, tool, { files: first, settings: retention([{ name: 'nightly', repositories: ['app'], deleteOlderThanDays: 30 }], '* * * * * *') })
  const runs = async (): Promise<Run[]> => json<{ jobs: Run[] }>(await request(gate.url, 'GET', '/delgate/v1/jobs')).jobs.filter(({ target }) => (target as { type: string }).type === 'retention')
  const job = await until('a run has found it', async () => (await runs()).find(({ receipt, state }) => state === 'done' && receipt!.tags.length > 0))
  t.same(tagsIn(job.receipt), ['app:old'])
  t.equal(job.by, undefined, 'nobody asked for it')
  t.same(await tagsOf(gate.url, 'app'), ['new', 'other'])
})

await eachRegistry(t, 'what is pushed or pulled between the plan and the removal stays', async (t, tool) => {
  const registry = await startRegistry(t, tool)
  const door = await openDoor(t, registry.url)
  const rules = [{ name: 'old', tags: ['pushed', 'gone'], deleteOlderThanDays: 30 }, { name: 'unused', tags: ['pulled'], deleteNotPulledForDays: 30 }]
  const settings = { ...retention(rules), registry: { controller: 'none', url: door.url, config: registry.config } as const }
  await mkdir(join(registry.directory, 'state'))
  await savePullTimes(join(registry.directory, 'state', 'pulls'), new PullTimes(0))
  const gate = await startGate(t, tool, { files: registry, settings })
  const [content, other] = [await image('content'), await image('other')]
  for (const tag of ['pushed', 'gone', 'pulled']) await pushed(gate, 'app', tag, tag === 'gone' ? other : content, 40)
  const putting = door.hold({ method: 'PUT', path: '/v2/app/manifests/pushed', when: 'before' })
  const put = putManifest(gate.url, 'app', 'pushed', content)
  await putting.arrived
  // The push has the turn of the repository; the run plans, and waits for its own.
  const running = request(gate.url, 'POST', RUNS)
  const journal = join(gate.directory, 'state', 'jobs')
  const planned = await until('the run is in the journal', async () => {
    const [name] = (await readdir(journal)).filter(name => name.endsWith('.json'))
    return name === undefined ? undefined : JSON.parse(await readFile(join(journal, name), 'utf8')) as { plans: Array<{ tags: Array<{ tag: string }> }> }
  })
  t.same(planned.plans[0]!.tags.map(({ tag }) => tag), ['gone', 'pulled', 'pushed'])
  await request(gate.url, 'HEAD', '/v2/app/manifests/pulled', { headers: { accept: ACCEPT_ALL } })
  putting.release()
  await put
  const job = await jobEnded(gate.url, expectStatus(await running, 202, 'run')) as Run
  t.equal(job.state, 'done')
  t.same(tagsIn(job.receipt), ['app:gone'])
  await t.resolves(pull(gate.url, 'app', 'pulled', content))
  await t.resolves(pull(gate.url, 'app', 'pushed', content))
  t.equal(await manifestStatus(gate.url, 'app', 'gone'), 404)
})

await eachRegistry(t, 'a run can be undone, and the next one leaves alone what somebody wanted back', async (t, tool) => {
  const settings = { ...retention([{ name: 'nightly', deleteOlderThanDays: 30, deleteUntaggedAfterDays: 30 }]), trash: { keepFor: { tag: 1, manifest: 0, repository: 0, untagged: 0 } } }
  const gate = await startGate(t, tool, { settings })
  const [one, two] = [await image('one'), index([await image('two')])]
  await pushed(gate, 'app', 'one', one, 40)
  await pushed(gate, 'team/app', 'two', two, 40)
  const before = (await listing(gate.storage)).filter(({ kind }) => kind === 'file').map(({ path, hash }) => ({ path, hash }))
  t.equal((await planOf(gate)).receipt.bytesFreed, 0, 'the plan knows of the trash')
  const job = await run(gate)
  t.match(job, { state: 'done', trash: { state: 'kept' }, receipt: { bytesFreed: 0, counts: { tags: 2 } } })
  t.equal(await tagsOf(gate.url, 'app'), undefined)
  const undone = await jobEnded(gate.url, expectStatus(await request(gate.url, 'POST', `/delgate/v1/jobs/${job.id}/undo`), 202, 'undo'))
  t.equal(undone.restored?.tags.length, 2)
  t.same((await listing(gate.storage)).filter(({ kind }) => kind === 'file').map(({ path, hash }) => ({ path, hash })), before)
  await t.resolves(pull(gate.url, 'app', 'one', one))
  await t.resolves(pull(gate.url, 'team/app', 'two', two))
  t.same(tagsIn((await run(gate)).receipt), [])
})

await eachRegistry(t, 'who may not delete may not run them, nor see the plan; without rules there is nothing to run', async (t, tool) => {
  const gate = await startGate(t, tool, { registry: { auth: 'htpasswd' }, settings: retention([{ name: 'all', deleteOlderThanDays: 0 }]) })
  const alice = { headers: basic('alice', USERS.alice) }
  await push(gate.url, 'app', 'v1', await image('one'), alice)
  for (const path of [RUNS, `${RUNS}?dry-run=true`]) t.equal((await request(gate.url, 'POST', path)).status, 401, path)
  t.equal((await request(gate.url, 'GET', '/delgate/v1/retention')).status, 401)
  t.same(await tagsOf(gate.url, 'app', alice), ['v1'])
  t.equal((await request(gate.url, 'POST', `${RUNS}?dryrun=true`, alice)).status, 400, 'a mistyped dry-run')
  t.same(await tagsOf(gate.url, 'app', alice), ['v1'])
  const job = await run(gate, alice)
  t.match(job, { state: 'done', by: { user: 'alice' } })
  t.same(tagsIn(job.receipt), ['app:v1'])
  t.equal((await request(gate.url, 'GET', `/delgate/v1/jobs/${job.id}`)).status, 401)
  t.equal((await jobAt(gate.url, `/delgate/v1/jobs/${job.id}`, alice)).id, job.id)
  await gate.close()
  const bare = await startGate(t, tool)
  const refused: Answer = await request(bare.url, 'POST', RUNS)
  t.equal(refused.status, 400)
  t.match(ociError(refused), { message: /retention\.rules/ })
})
