/** What goes wrong is one line that says what to do, with its exit code, and never a stack trace. */
import { createServer, type RequestListener } from 'node:http'
import { createServer as createTcpServer, type AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { cli } from '../support/cli.js'
import { push, tagsOf } from '../support/client.js'
import { startGate } from '../support/delgate.js'
import { image } from '../support/images.js'
import { USERS, startRegistry } from '../support/registry.js'
import { freePort } from '../support/temporary.js'
import { eachRegistry, type RegistryTool } from '../support/tools.js'

t.setTimeout(900_000)

interface Wanted {
  readonly code: number
  readonly says: RegExp
  readonly env?: Readonly<Record<string, string>>
}

/** One line on standard error, nothing on standard output. */
async function fails (t: Test, args: readonly string[], { code, says, env }: Wanted): Promise<void> {
  const ended = await cli(args, { env, timeout: 60_000 })
  t.equal(ended.code, code, args.join(' '))
  t.match(ended.stderr, /^delgate: [^\n]+\n$/, 'one line')
  t.match(ended.stderr, says)
  t.notMatch(ended.stderr, /\bat .*:\d+:\d+|node:internal|Error:/, 'no stack trace')
  t.equal(ended.stdout, '')
}

async function listen (t: Test, listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => new Promise(resolve => { server.close(resolve); server.closeAllConnections() }))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

t.test('a command line that is wrong', async t => {
  for (const [args, says] of [
    [['lss'], /there is no command lss; did you mean delgate ls\?/],
    [['frobnicate'], /there is no command frobnicate; delgate help lists them/],
    [['help', 'dokter'], /did you mean delgate doctor\?/],
    [['rm', 'app:1', '--dryrun'], /--dryrun.*did you mean --dry-run\?/],
    [['rm', 'app:1', '--frobnicate'], /see: delgate help rm/],
    [['ls', '--sort', 'size'], /Allowed choices are name, bytes; see: delgate help ls/],
    [['tags'], /missing required argument/],
    [['job', 'a', 'b'], /too many arguments/],
    [['cancel'], /missing required argument/],
    [['empty-trash', 'team/app'], /too many arguments/],
    [['ls', '--url', 'ftp://gate'], /not an address of a gate/],
    [['ls', '--url', 'http://127.0.0.1:5000/registry'], /has no path/],
    [['ls', '--url', 'http://127.0.0.1:5000', '127.0.0.1:5001/'], /one gate at a time/],
    [['ls', '--password-stdin'], /needs --user/],
    [['ls', '--user', 'alice:secret'], /--user takes the name alone/],
    [['ls', '--ca-file', '/nonexistent'], /--ca-file \/nonexistent cannot be read: ENOENT/],
    [['completion', 'csh'], /Allowed choices are bash, zsh, fish/]
  ] as const) await fails(t, args, { code: 2, says })
})

t.test('no gate there', async t => {
  const port = await freePort()
  await fails(t, ['ls', '--url', `http://127.0.0.1:${port}`], { code: 5, says: /cannot be reached: nobody listens there; is Delgate running\? --url or DELGATE_URL/ })
  await fails(t, ['ls'], { code: 5, says: new RegExp(`127.0.0.1:${port}`), env: { DELGATE_URL: `http://127.0.0.1:${port}` } })
  await fails(t, ['rm', `127.0.0.1:${port}/app:1`, '--yes'], { code: 5, says: /nobody listens there/ })
  await fails(t, ['ls', '--url', 'http://gate.invalid'], { code: 5, says: /no host of that name|cannot be looked up/ })
  const web = await listen(t, (_request, response) => { response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>hello</h1>') })
  await fails(t, ['ls', '--url', web], { code: 5, says: /is not a Delgate gate \(something else answers there\)/ })
  await fails(t, ['ls', '--url', web.replace('http:', 'https:')], { code: 5, says: /does not speak TLS; try --url http:/ })
  const moved = await listen(t, (_request, response) => { response.writeHead(308, { location: 'https://gate.example/delgate/v1/status' }).end() })
  await fails(t, ['ls', '--url', moved], { code: 2, says: /sends clients on to https:\/\/gate\.example/ })
  const down = await listen(t, (_request, response) => { response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>502</h1>') })
  await fails(t, ['ls', '--url', down], { code: 5, says: /answers with status 502/ })
  const raw = createTcpServer(socket => { socket.end('SSH-2.0-OpenSSH_9.9\r\n') })
  await new Promise<void>(resolve => { raw.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => { raw.close() })
  await fails(t, ['ls', '--url', `http://127.0.0.1:${(raw.address() as AddressInfo).port}`], { code: 5, says: /does not speak HTTP|closed the connection/ })
})

await eachRegistry(t, 'a registry without a gate is told apart before anything is deleted', async (t, tool) => {
  const registry = await startRegistry(t, tool)
  const content = await image('alone')
  await push(registry.url, 'app', 'v1', content)
  for (const args of [['rm', 'app:v1', '--yes'], ['rm', 'app:v1', '--dry-run'], ['rm', `app@${content.digest}`, '--yes'], ['ls'], ['doctor']]) {
    await fails(t, [...args, '--url', registry.url], { code: 5, says: /is not a Delgate gate \(a registry without Delgate answers there\)/ })
  }
  t.same(await tagsOf(registry.url, 'app'), ['v1'])
})

await eachRegistry(t, 'names that there are not', async (t, tool) => {
  const gate = await startGate(t, tool)
  await push(gate.url, 'team/app', 'v1.0', await image('names'))
  const url = ['--url', gate.url]
  for (const [args, says] of [
    [['tags', 'team/ap'], /there is no repository team\/ap.*; did you mean team\/app\?/],
    [['rm', 'team/ap', '--yes'], /there is no repository team\/ap.*; did you mean team\/app\?/],
    [['rm', 'team/app:v1.1', '--dry-run'], /there is no tag v1\.1 in team\/app; did you mean v1\.0\?/],
    [['rm', 'team/app:v1.1', '--yes'], /there is no tag v1\.1 in team\/app; did you mean v1\.0\?/],
    [['rm', 'nothing/like/it:1', '--yes'], /there is no repository nothing\/like\/it/],
    [['rm', 'team/app:x*', '--yes'], /nothing matches team\/app:x\*/],
    [['rm', 'x/**', '--yes'], /nothing matches x\/\*\*/],
    [['rm', `team/app@sha256:${'1'.repeat(64)}`, '--yes'], /manifest unknown/],
    [['job', '0-0'], /there is no job 0-0; delgate jobs lists them/],
    [['cancel', '0-0'], /there is no job 0-0; delgate jobs lists them/],
    [['undo', '0-0'], /there is no job 0-0/]
  ] as const) await fails(t, [...args, ...url], { code: 4, says })
  for (const [args, says] of [
    [['job', '../status'], /is not the id of a job/],
    [['cancel', '../collections'], /is not the id of a job/],
    [['empty-trash'], /nobody is there to confirm it .*--yes/],
    [['empty-trash', '--json'], /nobody is there to confirm it .*--yes/],
    [['rm', 'Team/App', '--yes'], /is not the name of a repository/],
    [['rm', 'team/app:v1.0', '--recursive', '--yes'], /--recursive goes with the name of a repository/],
    [['rm', '--yes'], /what is to be deleted\?/],
    [['jobs', '--limit', '0'], /limit must be a number/]
  ] as const) await fails(t, [...args, ...url], { code: 2, says })
  const several = await cli(['rm', 'team/app:v1.1', 'team/app:v1.0', '--yes', '--wait', ...url])
  t.equal(several.code, 4, 'one refusal does not stop the others, and is not forgotten')
  t.match(several.stdout, /^team\/app:v1\.0: done/m)
})

async function guarded (t: Test, tool: RegistryTool): Promise<string[]> {
  const gate = await startGate(t, tool, { registry: { auth: 'htpasswd' }, settings: { protection: { rules: [{ name: 'golden', repositories: ['golden/**'], users: [], overwrite: false }] } } })
  await push(gate.url, 'golden/app', 'v1', await image('golden'), { headers: { authorization: `Basic ${Buffer.from(`alice:${USERS.alice}`).toString('base64')}` } })
  return ['--url', gate.url]
}

await eachRegistry(t, 'no rights', async (t, tool) => {
  const url = await guarded(t, tool)
  for (const args of [['ls'], ['rm', 'golden/app:v1', '--yes'], ['gc'], ['jobs'], ['cancel', '0-0'], ['empty-trash', '--yes'], ['doctor']]) {
    await fails(t, [...args, ...url], { code: 3, says: /asks who you are: docker login 127\.0\.0\.1:\d+, or --user NAME/ })
  }
  await fails(t, ['ls', '-u', 'alice', ...url], { code: 3, says: /does not let alice do this: wrong password/, env: { DELGATE_PASSWORD: 'wrong' } })
  await fails(t, ['ls', '-u', 'alice', ...url], { code: 2, says: /no password for alice: there is no terminal to ask at; use --password-stdin or DELGATE_PASSWORD/ })
  for (const args of [['rm', 'golden/app:v1', '--yes'], ['rm', 'golden/app', '--dry-run'], ['rm', '--all', '--yes']]) {
    await fails(t, [...args, '-u', 'alice', ...url], { code: 3, says: /is protected by the rule "golden"/, env: { DELGATE_PASSWORD: USERS.alice } })
  }
})
