/** The commands that look: ls, tags, df, jobs, job; and gc and undo. Without credentials, and as a user. */
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { atTerminal, cli, cliJson } from '../support/cli.js'
import { push, tagsOf } from '../support/client.js'
import { startGate, type Gate, type PartialSettings } from '../support/delgate.js'
import { basic, json, request, expectStatus } from '../support/http.js'
import { image, multiArchitecture } from '../support/images.js'
import { deleted, type Job } from '../support/jobs.js'
import { run } from '../support/processes.js'
import { USERS } from '../support/registry.js'
import { until } from '../support/temporary.js'
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

    const df = await must('df')
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
