/** Where settings come from, which one wins, and what is filled in. */
import { readFile, readdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { test } from 'tap'
import type { Test } from 'tap'
import { parseDocument } from 'yaml'
import { helpText, requestedText } from '../../src/config/help.js'
import { loadSettings } from '../../src/config/load.js'
import { leaves } from '../../src/config/paths.js'
import { temporaryDirectory } from '../support/temporary.js'

async function fileWith (t: Test, text: string, name = 'delgate.yml'): Promise<string> {
  const path = join(await temporaryDirectory(t), name)
  await writeFile(path, text)
  return path
}

const load = (argv: readonly string[] = [], env: Record<string, string> = {}, cwd = '/base') => loadSettings({ argv, env, cwd })

test('without anything, every default of the schema counts', async (t) => {
  const settings = load()
  t.match(settings, {
    listen: { host: '127.0.0.1', port: 5000 },
    log: { level: 'info' },
    registry: { controller: 'process', readyTimeoutSeconds: 60, process: { stopTimeoutSeconds: 30 }, docker: { stopTimeoutSeconds: 10 } },
    storage: { root: '/base/data/registry' },
    state: { directory: '/base/data/delgate' },
    referrers: 'purge',
    collection: { quietSeconds: 1, maximumDelaySeconds: 30, timeoutSeconds: 3600, retryMinimumSeconds: 5, retryMaximumSeconds: 300, attempts: 10 },
    hold: { maximumRequests: 1000, timeoutSeconds: 300 },
    drain: { timeoutSeconds: 120, sessionIdleSeconds: 60, transferTimeoutSeconds: 120 },
    upstream: { timeoutSeconds: 900 },
    limits: { bodyBytes: 65536, headerBytes: 16384, connections: 10000, headSeconds: 60, bodyIdleSeconds: 300 },
    jobs: { keepDays: 30, keepMaximum: 10000 },
    audit: { file: '/base/data/delgate/audit.jsonl', maximumBytes: 16777216, keepFiles: 10 },
    notifications: { endpoints: [], queueMaximum: 10000, retryMaximumSeconds: 300 },
    metrics: { enabled: true, access: 'open' },
    trustProxy: false,
    cors: { origins: [] }
  })
})

test('the settings are frozen, at every depth', async (t) => {
  const settings = load() as unknown as { registry: { process: { stopTimeoutSeconds: number } }, cors: { origins: string[] } }
  t.throws(() => { settings.registry.process.stopTimeoutSeconds = 1 }, TypeError)
  t.throws(() => { settings.cors.origins.push('*') }, TypeError)
})

test('file < environment < flags, key by key', async (t) => {
  const config = await fileWith(t, 'hold: { timeoutSeconds: 1, maximumRequests: 1 }\nlimits: { bodyBytes: 1 }\n')
  const env = { DELGATE_HOLD_TIMEOUT_SECONDS: '2', DELGATE_LIMITS_BODY_BYTES: '2' }
  const settings = load(['--config', config, '--limits.bodyBytes=3'], env)
  t.match(settings, { hold: { maximumRequests: 1, timeoutSeconds: 2 }, limits: { bodyBytes: 3, headerBytes: 16384 } })
})

test('a later list replaces an earlier one', async (t) => {
  const config = await fileWith(t, 'cors: { origins: [https://a.example] }')
  t.same(load(['--config', config], { DELGATE_CORS_ORIGINS: 'https://b.example, https://c.example' }).cors.origins, ['https://b.example', 'https://c.example'])
})

test('a file may be JSON, comes from DELGATE_CONFIG, and --config wins over that', async (t) => {
  const json = await fileWith(t, '{ "listen": { "port": 1 } }', 'delgate.json')
  const yaml = await fileWith(t, 'listen:\n  port: 2\n')
  t.equal(load([], { DELGATE_CONFIG: json }).listen.port, 1)
  t.equal(load([`--config=${yaml}`], { DELGATE_CONFIG: json }).listen.port, 2)
})

test('an empty file, and sections or keys without a value, are not set', async (t) => {
  const empty = await fileWith(t, '# nothing\n')
  t.equal(load(['--config', empty]).listen.port, 5000)
  const hollow = await fileWith(t, 'listen:\nregistry:\n  url:\n  docker:\n    # socket: x\n')
  t.equal(load(['--config', hollow]).registry.url, undefined)
})

test('short names of variables; the long one wins', async (t) => {
  const env = { DELGATE_HOST: '::1', DELGATE_PORT: '0', DELGATE_REGISTRY_BIN: 'registry' }
  t.match(load([], env), { listen: { host: '::1', port: 0 }, registry: { process: { binary: 'registry' } } })
  t.equal(load([], { ...env, DELGATE_LISTEN_PORT: '7' }).listen.port, 7)
})

test('an empty variable is not set, and variables of others are left alone', async (t) => {
  t.equal(load([], { DELGATE_PORT: '', PORT: '99', REGISTRY_HTTP_ADDR: ':1' }).listen.port, 5000)
})

test('lists, booleans and fractions are read from text', async (t) => {
  t.same(load([], { DELGATE_TRUST_PROXY: 'true' }).trustProxy, true)
  t.same(load(['--trustProxy', '10.0.0.0/8,loopback']).trustProxy, ['10.0.0.0/8', 'loopback'])
  t.same(load(['--trustProxy=["::1"]']).trustProxy, ['::1'])
  t.equal(load(['--collection.quietSeconds', '0.05']).collection.quietSeconds, 0.05)
  t.equal(load(['--collection.quietSeconds', '.5']).collection.quietSeconds, 0.5)
  t.equal(load(['--registry.docker.container', '123'], {}).registry.docker.container, '123', 'a text of digits stays a text')
})

test('a list of sections: from a file, a variable and a flag, with the defaults of each section', async (t) => {
  const config = await fileWith(t, 'notifications:\n  endpoints:\n    - name: file\n      url: https://a.example/x?y=1\n      secret:\n    - { name: other, url: http://b, secret: s, header: X-Token, timeoutSeconds: 2.5 }\n')
  t.same(load(['--config', config]).notifications.endpoints, [
    { name: 'file', url: 'https://a.example/x?y=1', header: 'Authorization', timeoutSeconds: 10 },
    { name: 'other', url: 'http://b', secret: 's', header: 'X-Token', timeoutSeconds: 2.5 }
  ], 'a key without a value is not set there either')
  const json = (name: string) => JSON.stringify([{ name, url: 'http://c' }])
  const env = { DELGATE_NOTIFICATIONS_ENDPOINTS: json('variable') }
  const names = (argv: string[]) => load(['--config', config, ...argv], env).notifications.endpoints.map(({ name, header }) => `${name} ${header}`)
  t.same(names([]), ['variable Authorization'])
  t.same(names(['--notifications.endpoints', json('flag')]), ['flag Authorization'])
})

test('the log of decisions is in the state directory, wherever that is, unless it has a place of its own', async (t) => {
  t.equal(load([], { DELGATE_DATA: '/d' }).audit.file, '/d/delgate/audit.jsonl')
  t.equal(load(['--state.directory=s']).audit.file, '/base/s/audit.jsonl')
  t.equal(load(['--audit.file=x/a.jsonl']).audit.file, '/base/x/a.jsonl')
})

test('a flag given twice: the last one counts', async (t) => {
  t.equal(load(['--listen.port=1', '--listen.port', '2']).listen.port, 2)
})

test('relative paths start from the working directory; a program\'s name stays a name', async (t) => {
  const tls = load(['--registry.controller=command', '--registry.url=https://r', '--registry.command.collect=x', '--registry.command.restart=x', '--registry.tls.ca=ca.pem', '--listen.tls.certificate=c.pem', '--listen.tls.key=/k.pem'], {}, '/somewhere')
  t.match(tls, { listen: { port: 5000, tls: { certificate: '/somewhere/c.pem', key: '/k.pem' } }, registry: { tls: { ca: '/somewhere/ca.pem' } } })
  const settings = load(['--registry.config', 'c.yml', '--state.directory', 's', '--storage.root', '/abs', '--registry.process.binary', 'bin/registry'], {}, '/somewhere')
  t.match(settings, {
    state: { directory: '/somewhere/s' },
    storage: { root: '/abs' },
    registry: { config: '/somewhere/c.yml', process: { binary: '/somewhere/bin/registry' } }
  })
})

test('DELGATE_DATA moves the embedded registry\'s data and Delgate\'s own, also against the file', async (t) => {
  const config = await fileWith(t, 'storage: { root: ./a }\nstate: { directory: ./b }\n')
  t.match(load(['--config', config], { DELGATE_DATA: '/d' }), { storage: { root: '/d/registry' }, state: { directory: '/d/delgate' } })
  t.equal(load([], { DELGATE_DATA: '/d', DELGATE_STORAGE_ROOT: '/e' }).storage.root, '/e')
})

test('storage.root has no default when the registry\'s own configuration says where it is', async (t) => {
  t.equal(load(['--registry.config', 'c.yml'], { DELGATE_DATA: '/d' }).storage.root, undefined)
  t.equal(load(['--registry.controller=docker', '--registry.url=http://r:1', '--registry.docker.container=r'], { DELGATE_DATA: '/d' }).storage.root, undefined)
})

test('the commented files in config/ load', async (t) => {
  const directory = resolve('config')
  const names = (await readdir(directory)).filter((name) => name.endsWith('.yml') && !/^(?:registry|prometheus)/.test(name))
  t.ok(names.includes('embedded.yml') && names.includes('command.yml'))
  // docker.yml leaves it to the user, or to docker-compose.yml, which container it is.
  const env = (name: string): Record<string, string> => name === 'docker.yml' ? { DELGATE_REGISTRY_DOCKER_SERVICE: 'registry' } : {}
  for (const name of names) t.doesNotThrow(() => load(['--config', join(directory, name)], env(name)), name)
})

test('embedded.yml and command.yml show the defaults, and mention every key that they may have', async (t) => {
  t.same(load(['--config', resolve('config/embedded.yml')]), load())
  for (const [name, others] of [['embedded', ['docker', 'command', 'url', 'tls']], ['command', ['docker', 'process']]] as const) {
    const text = await readFile(resolve(`config/${name}.yml`), 'utf8')
    t.same(parseDocument(text).errors, [])
    const wanted = leaves.filter(({ path }) => path[0] !== 'registry' || !(others as readonly string[]).includes(path[1]!))
    for (const { key, path } of wanted) t.match(text, new RegExp(`^ *(# )?${path.at(-1)}:`, 'm'), `${name}: ${key}`)
  }
})

test('--help lists every key with its variable; --version says which', async (t) => {
  t.equal(requestedText(['--listen.port=1'], '1.2.3'), undefined)
  t.equal(requestedText(['--version'], '1.2.3'), 'delgate 1.2.3\n')
  t.equal(requestedText(['-h'], '1.2.3'), helpText())
  for (const { key, variable, schema } of leaves) {
    t.ok(helpText().includes(`--${key}  (${variable})`), key)
    t.match(schema.description, /Default: .+\.$|No default\.$/, `${key} says its default`)
  }
})

test('every described default is the one that counts', async (t) => {
  for (const { key, schema } of leaves) {
    if (schema.default === undefined || typeof schema.default === 'object') continue
    t.ok(schema.description?.includes(`Default: ${String(schema.default)}.`), key)
    if (key.endsWith('Seconds')) t.match(schema.description, /Seconds\./, key)
  }
})
