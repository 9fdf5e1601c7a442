/** Who the user is: docker login's file, its helpers, a prompt, standard input; and identity tokens. */
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Authorizer, type TokenRequest } from '../../src/cli/authorizer.js'
import { dockerCredentials } from '../../src/cli/docker-config.js'
import { Failure } from '../../src/cli/failure.js'
import { parseChallenges } from '../../src/interface/challenge.js'
import { atTerminal, cli } from '../support/cli.js'
import { startGate } from '../support/delgate.js'
import { USERS } from '../support/registry.js'
import { temporaryDirectory } from '../support/temporary.js'
import { eachRegistry } from '../support/tools.js'

t.setTimeout(900_000)
const ALICE = Buffer.from(`alice:${USERS.alice}`).toString('base64')

async function dockerConfig (t: Test, config: object | string): Promise<string> {
  const directory = await temporaryDirectory(t)
  await writeFile(join(directory, 'config.json'), typeof config === 'string' ? config : JSON.stringify(config))
  return directory
}

/** A directory with a credential helper that knows one host, and answers as docker's do. */
async function helper (t: Test, name: string, host: string, answer: object | string): Promise<string> {
  const directory = join(await temporaryDirectory(t), 'bin')
  await mkdir(directory)
  const file = join(directory, `docker-credential-${name}`)
  const text = typeof answer === 'string' ? answer : JSON.stringify(answer)
  await writeFile(file, `#!/bin/sh\n[ "$1" = get ] || exit 2\nread -r host || true\nif [ "$host" = ${host} ]; then echo '${text}'; else echo 'credentials not found in native keychain'; exit 1; fi\n`)
  await chmod(file, 0o755)
  return directory
}

t.test('docker\'s configuration file, as all of its versions write it', async t => {
  const read = async (config: object | string, host = 'gate:5000') => await dockerCredentials(host, { ...process.env, DOCKER_CONFIG: await dockerConfig(t, config) })
  const alice = { kind: 'password', user: 'alice', password: USERS.alice }
  t.same(await read({ auths: { 'gate:5000': { auth: ALICE } } }), alice)
  t.same(await read({ auths: { 'https://gate:5000/v1/': { auth: ALICE } } }), alice)
  t.same(await read({ auths: { 'gate:5000': { username: 'alice', password: USERS.alice } } }), alice)
  t.same(await read({ auths: { 'gate:5000': { auth: Buffer.from('a:b:c').toString('base64') } } }), { kind: 'password', user: 'a', password: 'b:c' })
  t.same(await read({ auths: { 'gate:5000': { auth: ALICE, identitytoken: 'abc' } } }), { kind: 'identity-token', token: 'abc' })
  for (const config of [{}, { auths: {} }, { auths: { gate: { auth: ALICE }, 'gate:5001': { auth: ALICE } } }, { auths: { 'gate:5000': {} } }]) t.equal(await read(config), undefined)
  t.equal(await dockerCredentials('gate:5000', { DOCKER_CONFIG: '/nonexistent' }), undefined)
  const home = await temporaryDirectory(t)
  await mkdir(join(home, '.docker'))
  await writeFile(join(home, '.docker', 'config.json'), JSON.stringify({ auths: { 'gate:5000': { auth: ALICE } } }))
  t.same(await dockerCredentials('gate:5000', { HOME: home }), alice)
  await t.rejects(read('{'), { message: /config\.json is not JSON: mend it with docker login, or use --user NAME/ })
})

t.test('credential helpers', async t => {
  const PATH = `${await helper(t, 'test', 'gate:5000', { ServerURL: 'gate:5000', Username: 'alice', Secret: USERS.alice })}:${process.env['PATH']}`
  const read = async (config: object, host = 'gate:5000', path = PATH) => await dockerCredentials(host, { PATH: path, DOCKER_CONFIG: await dockerConfig(t, config) })
  const alice = { kind: 'password', user: 'alice', password: USERS.alice }
  t.same(await read({ credsStore: 'test' }), alice)
  t.same(await read({ credHelpers: { 'gate:5000': 'test' }, credsStore: 'missing' }), alice, 'the one for the host comes first')
  t.equal(await read({ credsStore: 'test' }, 'other:5000'), undefined, 'it does not know the host')
  t.same(await read({ credsStore: 'test', auths: { 'other:5000': { auth: ALICE } } }, 'other:5000'), alice, 'then the file does')
  await t.rejects(read({ credsStore: 'missing' }), { message: /docker-credential-missing, which docker's configuration names, cannot be run: ENOENT/ })
  await t.rejects(read({ credsStore: '../../bin/sh' }), { message: /which is not a name/ })
  const token = `${await helper(t, 'token', 'gate:5000', { Username: '<token>', Secret: 'abc' })}:${process.env['PATH']}`
  t.same(await read({ credsStore: 'token' }, 'gate:5000', token), { kind: 'identity-token', token: 'abc' })
  const odd = `${await helper(t, 'odd', 'gate:5000', 'secret stuff')}:${process.env['PATH']}`
  const failure: unknown = await read({ credsStore: 'odd' }, 'gate:5000', odd).catch((error: unknown) => error)
  t.match(failure, Failure)
  t.notMatch((failure as Failure).message, 'secret')
})

t.test('an identity token is a refresh token for the service that the gate names', async t => {
  const asked: TokenRequest[] = []
  const answers = [{ status: 200, text: '{"access_token":"first"}' }, { status: 200, text: '{"access_token":"second"}' }, { status: 200, text: '{"token":"third"}' }]
  const authorizer = new Authorizer({ host: 'gate', credentials: async () => ({ kind: 'identity-token', token: 'abc' }), send: async request => { asked.push(request); return answers[asked.length - 1]! } })
  const scopes = new Set(['repository:app:delete'])
  t.equal(await authorizer.header(scopes), undefined, 'nothing before the gate asks')
  const challenge = parseChallenges('Bearer realm="https://auth.example/token",service="reg",scope="repository:app:delete"')
  t.equal(await authorizer.learn(challenge, scopes, undefined), true)
  t.equal(await authorizer.header(scopes), 'Bearer first')
  t.equal(await authorizer.header(scopes), 'Bearer first', 'kept')
  t.equal(asked.length, 1)
  t.match(asked[0], { method: 'POST', url: 'https://auth.example/token' })
  t.same(Object.fromEntries(new URLSearchParams(asked[0]!.body)), { grant_type: 'refresh_token', client_id: 'delgate', refresh_token: 'abc', scope: 'repository:app:delete', service: 'reg' })
  t.equal(await authorizer.learn(challenge, scopes, 'Bearer first'), true, 'it may have run out')
  t.equal(await authorizer.header(scopes), 'Bearer second')
  t.equal(await authorizer.learn(challenge, scopes, 'Bearer second'), false, 'then it is a refusal')
  t.equal(await authorizer.learn(parseChallenges('Bearer realm="https://auth.example/token",scope="repository:other:delete"'), scopes, 'Bearer second'), true, 'another scope is worth another token')
  t.equal(await authorizer.header(scopes), 'Bearer third')
  t.equal(new URLSearchParams(asked[2]!.body).get('scope'), 'repository:app:delete repository:other:delete')
})

await eachRegistry(t, 'the same from the command line: file, helper, standard input, prompt', async (t, tool) => {
  const gate = await startGate(t, tool, { registry: { auth: 'htpasswd' } })
  const url = ['--url', gate.url]
  const works = async (args: readonly string[], options: { env?: Record<string, string>, input?: string }): Promise<void> => {
    const { code, stderr } = await cli(['ls', ...args], options)
    t.equal(code, 0, stderr)
  }
  await works(url, { env: { DOCKER_CONFIG: await dockerConfig(t, { auths: { [gate.host]: { auth: ALICE } } }) } })
  const PATH = `${await helper(t, 'test', gate.host, { Username: 'alice', Secret: USERS.alice })}:${process.env['PATH']}`
  await works(url, { env: { PATH, DOCKER_CONFIG: await dockerConfig(t, { credsStore: 'test' }) } })
  await works([...url, '--user', 'alice', '--password-stdin'], { input: `${USERS.alice}\n` })
  const asked = atTerminal(['ls', ...url, '--user', 'alice'])
  await asked.shows(new RegExp(`Password of alice at ${gate.host}: `))
  asked.type(`${USERS.alice}\r`)
  t.equal(await asked.ended(), 0)
  t.notMatch(asked.output(), USERS.alice, 'what is typed is not shown')
})

t.test('nobody is told who the user is before they ask', async t => {
  const seen: Array<string | undefined> = []
  const server = createServer((request, response) => { seen.push(request.headers.authorization); response.writeHead(404).end() })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => { server.close(); server.closeAllConnections() })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  t.equal((await cli(['ls', '--url', url, '-u', 'alice'], { env: { DELGATE_PASSWORD: USERS.alice } })).code, 5)
  t.ok(seen.length > 0)
  t.ok(seen.every(authorization => authorization === undefined))
})
