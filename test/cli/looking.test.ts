/** The commands that look: ls, tags, df, jobs, job; and gc, undo, cancel and empty-trash. Without credentials, and as a user. */
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { atTerminal, cli, cliJson } from '../support/cli.js'
import { push, tagsOf } from '../support/client.js'
import { startGate, type Gate, type PartialSettings } from '../support/delgate.js'
import { basic, json, request, expectStatus } from '../support/http.js'
import { image, multiArchitecture } from '../support/images.js'
import { allJobs, deleted, type Job } from '../support/jobs.js'
import { run } from '../support/processes.js'
import { USERS } from '../support/registry.js'
import { until } from '../support/temporary.js'
import { startTokenService } from '../support/tokens.js'
import { eachRegistry, type RegistryTool } from '../support/tools.js'

t.setTimeout(900_000)
const WAYS = ['nobody asks', 'htpasswd'] as const

async function startWith (t: Test, tool: RegistryTool, way: typeof WAYS[number], settings: PartialSettings = {}): Promise<{ gate: Gate, flags: string[], env: Record<string, string>, headers: { authorization?: string } }> {
  const gate = await startGate(t, tool, { settings, ...(way === 'htpasswd' ? { registry: { auth: 'htpasswd' } } : {}) })
  if (way !== 'htpasswd') return { gate, flags: ['--url', gate.url], env: {}, headers: {} }
  return { gate, flags: ['--url', gate.url, '-u', 'alice'], env: { DELGATE_PASSWORD: USERS.alice }, headers: basic('alice', USERS.alice) }
}

for (const way of WAYS) {
  await eachRegistry(t, `ls, tags, df, jobs, job, gc, undo (${way})`, async (t, tool) => {
    const { gate, flags, env, headers } = await startWith(t, tool, way, { trash: { keepFor: { tag: 1, manifest: 0, repository: 0, untagged: 0 } } })
    const [one, platforms] = [await image('one'), await multiArchitecture('two')]
    await push(gate.url, 'team/app', 'v1', one, { headers })
    await push(gate.url, 'team/app', 'multi', platforms, { headers })
    await push(gate.url, 'other', 'same', one, { headers })
    const run = async (...args: string[]) => await cli([...args, ...flags], { env })
    const must = async (...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await run(...args)
      t.equal(code, 0, `${args.join(' ')}: ${stderr}`)
      return stdout
    }

    const ls = await must('ls')
    t.match(ls, /^REPOSITORY +TAGS +SIZE +OWN +PUSHED +PULLED\nother +1 +1\d kB +0 B +\d+ s +-\nteam\/app +2 +\d\d kB +\d\d kB +\d+ s +-\n$/)
    t.equal(await must('ls', 'team/', '-q'), 'team/app\n')
    t.equal(await must('ls', `${gate.host}/ot`, '-q'), 'other\n')
    t.equal(await must('ls', '--match', '*', '-q'), 'other\n')
    t.equal(await must('ls', '--sort', 'bytes', '-q'), 'team/app\nother\n')
    const json = await cliJson<{ repositories: Array<{ name: string, bytes: number, ownBytes: number }>, complete: boolean }>(['ls', ...flags], { env })
    t.same(json.repositories.map(({ name }) => name), ['other', 'team/app'])
    t.equal(json.complete, true)
    t.same(await cliJson(['ls', 'nothing', ...flags], { env }), { repositories: [], complete: true })

    const tags = await must('tags', 'team/app')
    t.match(tags, new RegExp(`^multi +${platforms.digest.slice(0, 19)} .*linux/amd64, linux/arm64`, 'm'))
    t.match(tags, new RegExp(`^v1 +${one.digest.slice(0, 19)} .* 0 B +linux/amd64$`, 'm'))
    t.match(await must('tags', 'team/app', '--no-trunc'), platforms.digest)
    t.equal(await must('tags', `${gate.host}/team/app`, '-q', '--match', 'v*'), 'v1\n')
    const { tags: listed } = await cliJson<{ tags: Array<{ tag: string, digest: string }> }>(['tags', 'team/app', ...flags], { env })
    t.same(listed.map(({ tag, digest }) => [tag, digest]), [['multi', platforms.digest], ['v1', one.digest]])

    const df = await must('df', '--wait')
    for (const word of ['stored', 'used', 'shared', 'own', 'garbage', 'trash', 'uploads']) t.match(df, new RegExp(`^ *${word} +\\d+ `, 'm'))
    const usage = await cliJson<{ shared: { blobs: number, bytes: number }, used: { blobs: number } }>(['df', ...flags], { env })
    t.equal(usage.shared.blobs, 4, 'one image in both repositories')

    t.equal(await must('jobs'), '', 'none yet')
    await must('rm', 'team/app:multi', '--yes', '--wait')
    const { jobs: [job] } = await cliJson<{ jobs: Job[] }>(['jobs', ...flags], { env })
    t.match(await must('jobs'), new RegExp(`^ID .*\n${job!.id} +done, can be undone +\\d+ s .* team/app:multi`))
    t.match(await must('job', job!.id), /^team\/app:multi: done, 1 tag, 4 manifests, \d+ blobs removed, .* in the trash\n$/)
    t.equal(await must('jobs', '--state', 'failed'), '')

    t.match(await must('undo', job!.id), /^team\/app:multi: done, 1 tag and 4 manifests are back\n$/)
    t.same(await tagsOf(gate.url, 'team/app', { headers }), ['multi', 'v1'])
    const again = await run('undo', job!.id)
    t.equal(again.code, 3)
    t.match(again.stderr, /^delgate: the job cannot be undone: .*\n$/)

    expectStatus(await request(gate.url, 'POST', '/v2/team/app/blobs/uploads/', { headers }), 202, 'an upload')
    t.match(await must('gc', '--full', '--wait'), /^what nothing uses: done, /)
    const untagged = await run('gc', '--untagged')
    t.equal(untagged.code, 2, 'nobody is there to confirm')
    t.match(await must('gc', '--untagged', '--yes', '--wait'), /^what nothing uses, and manifests without a tag: done, /)
    t.same(await tagsOf(gate.url, 'team/app', { headers }), ['multi', 'v1'])
  })
}

/** Jobs wait here until they are cancelled, and what they delete is kept. */
const WAITING: PartialSettings = { collection: { collector: 'registry', quietSeconds: 600, maximumDelaySeconds: 600 }, trash: { keepFor: { tag: 1, manifest: 0, repository: 0, untagged: 0 } } }

const trashAt = async (url: string, options: { headers?: Record<string, string> } = {}): Promise<{ jobs: number, bytes: number }> => json<{ trash: { jobs: number, bytes: number } }>(await request(url, 'GET', '/delgate/v1/status', options)).trash

await eachRegistry(t, 'cancel: a job that waits, once; it stays deleted, and can be undone where it is kept', async (t, tool) => {
  const gate = await startGate(t, tool, { settings: WAITING })
  const run = async (...args: string[]) => await cli([...args, '--url', gate.url])
  for (const tag of ['v1', 'v2']) await push(gate.url, 'app', tag, await image(`cancel ${tag}`))
  t.equal((await run('rm', 'app:v1', '--yes')).code, 0)
  const [{ id, state }] = await allJobs(gate.url) as [Job]
  t.equal(state, 'queued')
  const cancelled = await run('cancel', id)
  t.equal(cancelled.code, 0, cancelled.stderr)
  t.equal(cancelled.stdout, `app:v1: cancelled; it stays deleted, and what it left unused is for the next collection; put it back with: delgate undo ${id} --url ${gate.url}\n`)
  t.equal((await allJobs(gate.url))[0]?.state, 'cancelled')
  t.same(await tagsOf(gate.url, 'app'), ['v2'])
  const again = await run('cancel', id)
  t.same([again.code, again.stdout, again.stderr], [3, '', 'delgate: the job is cancelled; only a queued job can be cancelled\n'])
  t.equal((await run('undo', id)).code, 0, 'as it says')
  t.same(await tagsOf(gate.url, 'app'), ['v1', 'v2'])

  t.equal((await run('rm', 'app', '--yes')).code, 0)
  const whole = (await allJobs(gate.url)).find(job => job.state === 'queued')!
  t.equal((await run('cancel', whole.id)).stdout, 'repository app: cancelled; it stays deleted, and what it left unused is for the next collection\n', 'nothing is kept of it')
  t.equal((await run('gc')).code, 0)
  const collecting = (await allJobs(gate.url)).find(job => job.state === 'queued')!
  t.match(await cliJson<Job>(['cancel', collecting.id, '--url', gate.url]), { id: collecting.id, kind: 'collection', state: 'cancelled' })
})

await eachRegistry(t, 'empty-trash: shown, confirmed, and gone for good', async (t, tool) => {
  const gate = await startGate(t, tool, { settings: WAITING })
  const url = ['--url', gate.url]
  const run = async (...args: string[]) => await cli(['empty-trash', ...args, ...url])
  t.same([(await run('--yes')).stdout, (await run('--dry-run')).stdout], ['Nothing is in the trash.\n', 'Nothing is in the trash.\n'])
  t.same(await cliJson(['empty-trash', '--yes', ...url]), { dryRun: false, jobs: 0, bytesFreed: 0 })
  const nothing = atTerminal(['empty-trash', ...url])
  t.equal(await nothing.ended(), 0, 'there is nothing to ask')

  for (const tag of ['v1', 'v2', 'v3']) await push(gate.url, 'app', tag, await image(`trash ${tag}`))
  t.equal((await cli(['rm', 'app:v1', 'app:v2', '--yes', ...url])).code, 0)
  const waiting = await allJobs(gate.url)
  const early = await run('--yes')
  t.same([early.code, early.stdout], [0, '0 B freed; 0 jobs cannot be undone any more\n2 jobs in the trash still: what is kept of a job that has not ended goes when it has\n'])
  for (const { id } of waiting) await cliJson(['cancel', id, ...url])
  await until('they go, as it says', async () => (await trashAt(gate.url)).jobs === 0)

  t.equal((await cli(['rm', 'app:v3', '--yes', ...url])).code, 0)
  const [{ id }] = (await allJobs(gate.url)).filter(job => job.state === 'queued') as [Job]
  await cliJson(['cancel', id, ...url])
  const kept = await trashAt(gate.url)
  t.equal(kept.jobs, 1)
  t.ok(kept.bytes > 0)
  const dry = await run('--dry-run')
  t.same([dry.code, dry.stderr], [0, ''])
  t.match(dry.stdout, /^Nothing was deleted \(dry run\)\. It would free [\d.]+ k?B, and 1 job could not be undone any more\.\n$/)
  t.same(await cliJson(['empty-trash', '--dry-run', ...url]), { dryRun: true, jobs: 1, bytesFreed: kept.bytes })
  const piped = await run()
  t.same([piped.code, piped.stdout], [2, ''])
  t.match(piped.stderr, /^delgate: nothing was deleted: .*--yes\n$/)
  const declined = atTerminal(['empty-trash', ...url])
  await declined.shows(/Empty the trash, which frees [\d.]+ k?B\? \[y\/N\] /)
  t.match(declined.output(), /The trash keeps [\d.]+ k?B of 1 job\. What is emptied cannot be undone any more\./)
  declined.type('\r')
  t.equal(await declined.ended(), 1)
  t.same(await trashAt(gate.url), kept, 'nothing went')
  const agreed = atTerminal(['empty-trash', ...url])
  await agreed.shows(/\[y\/N\] /)
  agreed.type('y\r')
  t.equal(await agreed.ended(), 0)
  t.match(agreed.output(), /[\d.]+ k?B freed; 1 job cannot be undone any more\r\n$/)
  t.same(await trashAt(gate.url), { jobs: 0, bytes: 0 })
  t.equal((await cli(['undo', id, ...url])).code, 3)
})

await eachRegistry(t, 'cancel and empty-trash are for those who may delete', async (t, tool) => {
  const service = await startTokenService(t)
  const gate = await startGate(t, tool, { registry: { auth: service.auth }, settings: WAITING })
  for (const name of ['team/app', 'other']) await push(gate.url, name, 'v1', await image(name), { headers: { authorization: `Bearer ${service.token(`repository:${name}:pull,push`)}` } })
  const as = (user: keyof typeof USERS) => async (...args: string[]) => await cli([...args, '--url', gate.url, '--user', user], { env: { DELGATE_PASSWORD: USERS[user] } })
  const [alice, bob] = [as('alice'), as('bob')]
  const headers = { authorization: `Bearer ${service.token('repository:team/app:delete')}` }
  t.equal((await alice('rm', 'team/app:v1', '--yes')).code, 0)
  const [{ id }] = await allJobs(gate.url, { headers }) as [Job]
  for (const ended of [await bob('cancel', id), await bob('cancel', id, '--repository', 'team/app'), await alice('cancel', id), await alice('cancel', id, '--repository', 'other')]) {
    t.same([ended.code, ended.stdout, ended.stderr], [4, '', `delgate: there is no job ${id}, or none that this token shows: name its repositories with --repository NAME\n`])
  }
  const cancelled = await alice('cancel', id, '--repository', 'team/app')
  t.equal(cancelled.code, 0, cancelled.stderr)
  t.match(cancelled.stdout, `put it back with: delgate undo ${id} --repository team/app --url ${gate.url} --user alice\n`)

  const refused = await bob('empty-trash', '--yes')
  t.same([refused.code, refused.stdout], [3, ''])
  t.match(refused.stderr, /^delgate: [^\n]* does not let bob do this[^\n]*\n$/)
  t.equal((await trashAt(gate.url, { headers })).jobs, 1)
  const emptied = await alice('empty-trash', '--yes')
  t.equal(emptied.code, 0, emptied.stderr)
  t.equal((await trashAt(gate.url, { headers })).jobs, 0)

  t.equal((await alice('gc')).code, 0)
  const collecting = (await allJobs(gate.url, { headers })).find(job => job.state === 'queued')!
  t.match(await bob('cancel', collecting.id), { code: 3, stdout: '', stderr: /does not let bob do this/ })
  const done = await alice('cancel', collecting.id)
  t.same([done.code, done.stdout], [0, 'what nothing uses: cancelled\n'], done.stderr)
}, ['openssl'])

await eachRegistry(t, 'job in JSON is a line for each change, also over the end; in a pipe plain lines', async (t, tool) => {
  const gate = await startGate(t, tool)
  await push(gate.url, 'app', 'v1', await image('lines'))
  await deleted(gate.url, '/v2/app')
  const { jobs: [job] } = await cliJson<{ jobs: Job[] }>(['jobs', '--url', gate.url])
  const { code, stdout } = await cli(['job', job!.id, '--url', gate.url, '--json'])
  t.equal(code, 0)
  const states = stdout.trim().split('\n').map(line => (JSON.parse(line) as Job).state)
  t.equal(states.at(-1), 'done')
})

await eachRegistry(t, 'many repositories come page by page; colours are for terminals', async (t, tool) => {
  const first = await startGate(t, tool)
  await push(first.url, 'many/0000', 'v1', await image('many'))
  await first.close()
  const names = Array.from({ length: 1203 }, (_, at) => `many/${String(at).padStart(4, '0')}`)
  const directory = (name: string): string => join(first.storage, 'docker/registry/v2/repositories', name)
  for (const name of names.slice(1)) await cp(directory(names[0]!), directory(name), { recursive: true })
  const gate = await startGate(t, tool, { files: first })
  await until('all of it is known', async () => json<{ index: { complete: boolean } }>(await request(gate.url, 'GET', '/delgate/v1/status')).index.complete)
  const url = ['--url', gate.url]
  t.same((await cli(['ls', '-q', ...url])).stdout.trim().split('\n'), names, 'a gate gives a thousand at once')
  t.same((await cliJson<{ repositories: Array<{ name: string }> }>(['ls', ...url])).repositories.map(({ name }) => name), names, 'one document')
  const stopped = await run('sh', ['-c', `'${process.execPath}' dist/main.js ls -q --url ${gate.url} | head -1`])
  t.same([stopped.code, stopped.stdout, stopped.stderr], [0, 'many/0000\n', ''], 'a reader that stops early is no error')
  const terminal = atTerminal(['ls', 'many/000', ...url])
  t.equal(await terminal.ended(), 0)
  t.match(terminal.output(), '\u001b[1mREPOSITORY', 'colours at a terminal')
  const plain = atTerminal(['ls', 'many/000', ...url], { env: { NO_COLOR: '1' } })
  t.equal(await plain.ended(), 0)
  t.notMatch(plain.output(), '\u001b[1m', 'and none with NO_COLOR')
})
