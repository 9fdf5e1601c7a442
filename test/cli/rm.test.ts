/** `delgate rm`: what would go is shown and confirmed; then it is deleted, and the room is back. */
import t, { type Test } from 'tap'
import { atTerminal, cli, cliJson } from '../support/cli.js'
import { catalog, push, tagsOf } from '../support/client.js'
import { startGate, type Gate } from '../support/delgate.js'
import { basic } from '../support/http.js'
import { image } from '../support/images.js'
import { allJobs } from '../support/jobs.js'
import { startTokenService } from '../support/tokens.js'
import { USERS } from '../support/registry.js'
import { eachRegistry, type RegistryTool } from '../support/tools.js'

t.setTimeout(900_000)

interface Removal {
  readonly dryRun: boolean
  readonly deletions: ReadonlyArray<{ readonly reference: string, readonly receipt?: { readonly bytesFreed: number, readonly counts: { readonly tags: number } }, readonly job?: { readonly state: string }, readonly error?: string }>
  readonly bytesFreed: number
}

/** With and without credentials: the same commands. */
const WAYS = ['nobody asks', 'htpasswd'] as const

interface Setting {
  readonly gate: Gate
  /** Flags that name the gate and the user. */
  readonly flags: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly headers: { authorization?: string }
}

async function startWith (t: Test, tool: RegistryTool, way: typeof WAYS[number]): Promise<Setting> {
  const gate = await startGate(t, tool, way === 'htpasswd' ? { registry: { auth: 'htpasswd' } } : {})
  if (way !== 'htpasswd') return { gate, flags: ['--url', gate.url], env: {}, headers: {} }
  return { gate, flags: ['--url', gate.url, '--user', 'alice'], env: { DELGATE_PASSWORD: USERS.alice }, headers: basic('alice', USERS.alice) }
}

async function fill ({ gate, headers }: Setting): Promise<void> {
  for (const [name, tags] of Object.entries({ 'team/app': ['v1', 'v2', 'latest'], 'team/base': ['v1'], 'team/app/web': ['v1'], other: ['v1'] })) {
    for (const tag of tags) await push(gate.url, name, tag, await image(`${name}:${tag}`), { headers })
  }
}

for (const way of WAYS) {
  await eachRegistry(t, `tags, globs, repositories and everything, by --yes (${way})`, async (t, tool) => {
    const setting = await startWith(t, tool, way)
    const { gate, flags, env, headers } = setting
    await fill(setting)
    const rm = async (...args: string[]): Promise<Removal> => await cliJson<Removal>(['rm', ...args, ...flags], { env })
    const before = await cliJson<{ repositories: ReadonlyArray<{ name: string, ownBytes: number }> }>(['ls', ...flags], { env })
    t.same(before.repositories.map(({ name }) => name), ['other', 'team/app', 'team/app/web', 'team/base'])

    const dry = await rm('team/app:v1', 'team/app:v2', '--dry-run')
    t.equal(dry.dryRun, true)
    t.same(dry.deletions.map(one => [one.reference, one.receipt?.counts.tags]), [['team/app:v1', 1], ['team/app:v2', 1]])
    t.ok(dry.bytesFreed > 10_000)
    t.same(await tagsOf(gate.url, 'team/app', { headers }), ['latest', 'v1', 'v2'], 'nothing was deleted')

    const one = await rm('team/app:v1', '--yes', '--wait')
    t.equal(one.deletions[0]?.job?.state, 'done')
    t.equal(one.bytesFreed, dry.deletions[0]?.receipt?.bytesFreed, 'it frees what the dry run said')
    t.same(await tagsOf(gate.url, 'team/app', { headers }), ['latest', 'v2'])

    await rm('team/app:v*', '--yes', '--wait')
    t.same(await tagsOf(gate.url, 'team/app', { headers }), ['latest'])
    await rm('team/app', '--all-tags', '--yes', '--wait')
    t.equal((await tagsOf(gate.url, 'team/app', { headers }) ?? []).length, 0)
    await push(gate.url, 'team/app', 'v1', await image('again'), { headers })
    await rm('team/app', '--recursive', '--yes', '--wait')
    t.same(await catalog(gate.url, { headers }), ['other', 'team/base'])
    await rm('team/*', '--yes', '--wait')
    t.same(await catalog(gate.url, { headers }), ['other'])
    const all = await rm('--all', '--yes', '--wait')
    t.equal(all.deletions[0]?.job?.state, 'done')
    t.same(await catalog(gate.url, { headers }), [])
  })
}

await eachRegistry(t, 'by digest; and the gate as docker writes it', async (t, tool) => {
  const gate = await startGate(t, tool)
  const content = await image('by digest')
  await push(gate.url, 'app', 'v1', content)
  const { code, stdout } = await cli(['rm', `${gate.host}/app@${content.digest}`, '--yes', '--wait'])
  t.equal(code, 0)
  t.match(stdout, /^app@sha256:[a-f0-9]{64}: done, 1 tag, 1 manifest, 4 blobs removed, 1\d kB freed$/m)
  t.same(await catalog(gate.url), [])
})

await eachRegistry(t, 'without --wait it says how to see the end', async (t, tool) => {
  const gate = await startGate(t, tool, { settings: { drain: { pullIdleSeconds: 1 } } })
  await push(gate.url, 'app', 'v1', await image('no wait'))
  const { code, stdout } = await cli(['rm', 'app:v1', '--yes', '--url', gate.url])
  t.equal(code, 0)
  const [{ id } = { id: '' }] = await allJobs(gate.url)
  if (!stdout.includes('done')) t.match(stdout, `delgate job ${id} --url ${gate.url}`)
  const followed = await cli(['job', id, '--url', gate.url])
  t.equal(followed.code, 0)
  t.match(followed.stdout, /^app:v1: done, 1 tag, 1 manifest, 4 blobs removed, /m)
})

await eachRegistry(t, 'in a pipe nobody is asked: --yes is needed', async (t, tool) => {
  const gate = await startGate(t, tool)
  await push(gate.url, 'app', 'v1', await image('pipe'))
  for (const args of [['app:v1'], ['app'], ['--all'], ['app:v1', '--json']]) {
    const { code, stdout, stderr } = await cli(['rm', ...args, '--url', gate.url], { input: 'y\n' })
    t.equal(code, 2)
    t.equal(stdout, '')
    t.match(stderr, /^delgate: nothing was deleted: .*--yes\n$/)
  }
  t.same(await tagsOf(gate.url, 'app'), ['v1'])
})

await eachRegistry(t, 'at a terminal a tag takes y, a repository its name, everything the host', async (t, tool) => {
  const gate = await startGate(t, tool)
  for (const tag of ['v1', 'v2']) await push(gate.url, 'team/app', tag, await image(`terminal ${tag}`))
  await push(gate.url, 'other', 'v1', await image('terminal'))
  const rm = (...args: string[]) => atTerminal(['rm', ...args, '--url', gate.url])

  const no = rm('team/app:v1')
  await no.shows(/Delete team\/app:v1, which frees 1\d kB\? \[y\/N\] /)
  no.type('\r')
  t.equal(await no.ended(), 1)
  t.match(no.output(), 'nothing was deleted')
  t.match(no.output(), /DELETES +TAGS +MANIFESTS +BLOBS +FREES/)
  t.same(await tagsOf(gate.url, 'team/app'), ['v1', 'v2'])

  const yes = rm('team/app:v1', '--wait')
  await yes.shows(/\[y\/N\] /)
  yes.type('y\r')
  t.equal(await yes.ended(), 0)
  t.match(yes.output(), 'done, 1 tag, 1 manifest, 4 blobs removed')
  t.same(await tagsOf(gate.url, 'team/app'), ['v2'])

  const wrong = rm('team/app')
  await wrong.shows(/To delete repository team\/app and free 1\d kB, type team\/app: /)
  wrong.type('y\r')
  t.equal(await wrong.ended(), 1)
  t.same(await tagsOf(gate.url, 'team/app'), ['v2'])

  const right = rm('team/app', '--wait')
  await right.shows(/type team\/app: /)
  right.type('team/app\r')
  t.equal(await right.ended(), 0)
  t.same(await catalog(gate.url), ['other'])

  const interrupted = rm('--all')
  await interrupted.shows(/type 127/)
  interrupted.type('\x03')
  t.equal(await interrupted.ended(), 130)
  t.same(await catalog(gate.url), ['other'])

  const all = rm('--all', '--wait')
  await all.shows(new RegExp(`To delete everything at ${gate.host} and free .*, type ${gate.host}: `))
  all.type(`${gate.host}\r`)
  t.equal(await all.ended(), 0)
  t.same(await catalog(gate.url), [])
})

await eachRegistry(t, 'with tokens: the scope that the gate asks for', async (t, tool) => {
  const service = await startTokenService(t)
  const gate = await startGate(t, tool, { registry: { auth: service.auth } })
  const names = ['team/app', 'team/base', 'other']
  for (const name of names) await push(gate.url, name, 'v1', await image(name), { headers: { authorization: `Bearer ${service.token(`repository:${name}:pull,push`)}` } })
  const as = (user: keyof typeof USERS) => ({ flags: ['--url', gate.url, '--user', user], env: { DELGATE_PASSWORD: USERS[user] } })
  const alice = as('alice')
  t.same((await cliJson<{ repositories: ReadonlyArray<{ name: string }> }>(['ls', ...alice.flags], alice)).repositories.map(({ name }) => name), ['other', 'team/app', 'team/base'])
  t.same((await cliJson<{ tags: ReadonlyArray<{ tag: string }> }>(['tags', 'team/app', ...alice.flags], alice)).tags.map(({ tag }) => tag), ['v1'])
  const bob = await cli(['rm', 'team/app:v1', '--yes', ...as('bob').flags], as('bob'))
  t.equal(bob.code, 3)
  t.match(bob.stderr, /^delgate: .*does not let bob do this.*\n$/)
  const wrong = await cli(['rm', 'team/app:v1', '--yes', ...alice.flags], { env: { DELGATE_PASSWORD: 'wrong' } })
  t.equal(wrong.code, 3)
  t.match(wrong.stderr, /^delgate: the token service .* does not know alice with that password.*\n$/)
  const one = await cliJson<Removal>(['rm', 'team/app:v1', '--yes', '--wait', ...alice.flags], alice)
  t.equal(one.deletions[0]?.job?.state, 'done')
  const rest = await cliJson<Removal>(['rm', '--all', '--yes', '--wait', ...alice.flags], alice)
  t.equal(rest.deletions[0]?.job?.state, 'done', 'a token for all of them, one scope after the other')
})
