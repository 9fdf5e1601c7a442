/** What Delgate learns from a registry's own configuration, and that the real registries read it in the same way. */
import { spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { test } from 'tap'
import type { Test } from 'tap'
import { readRegistryConfig } from '../../src/config/registry-config.js'
import { stop } from '../support/processes.js'
import { temporaryDirectory, until } from '../support/temporary.js'
import { eachRegistry } from '../support/tools.js'
import type { RegistryTool } from '../support/tools.js'

/** `/etc/docker/registry/config.yml` of `registry:2`. */
const IMAGE_2 = `
version: 0.1
log:
  fields:
    service: registry
storage:
  cache:
    blobdescriptor: inmemory
  filesystem:
    rootdirectory: /var/lib/registry
http:
  addr: :5000
  headers:
    X-Content-Type-Options: [nosniff]
health:
  storagedriver:
    enabled: true
    interval: 10s
    threshold: 3
`

/** `/etc/distribution/config.yml` of `registry:3`. */
const IMAGE_3 = `
version: 0.1
log:
  level: debug
  fields:
    service: registry
    environment: development
storage:
    delete:
      enabled: true
    cache:
        blobdescriptor: inmemory
    filesystem:
        rootdirectory: /var/lib/registry
    tag:
      concurrencylimit: 5
http:
    addr: :5000
    debug:
        addr: :5001
        prometheus:
            enabled: true
            path: /metrics
health:
  storagedriver:
    enabled: true
    interval: 10s
    threshold: 3
`

const DEFAULTS = {
  assumed: false,
  storageDriver: 'filesystem',
  rootDirectory: '/var/lib/registry',
  cache: 'inmemory',
  deletesEnabled: false,
  readOnly: false,
  pullThrough: false,
  address: ':5000',
  prefix: '',
  host: undefined,
  relativeUrls: false,
  secretFixed: false,
  tls: false,
  auth: 'none'
}

test('the official images\' configurations', async (t) => {
  t.same(readRegistryConfig(IMAGE_2, {}), DEFAULTS)
  t.same(readRegistryConfig(IMAGE_3, {}), { ...DEFAULTS, deletesEnabled: true })
})

test('no configuration at hand: the images\' default is assumed, and said to be; variables count', async (t) => {
  t.same(readRegistryConfig(undefined, { REGISTRY_HTTP_ADDR: '127.0.0.1:5000' }), { ...DEFAULTS, assumed: true, address: '127.0.0.1:5000' })
})

test('everything set in the file', async (t) => {
  const text = `
version: 0.1
storage: { filesystem: { rootdirectory: /srv/r }, delete: { enabled: true }, maintenance: { readonly: { enabled: yes } }, cache: { blobdescriptor: redis } }
http: { addr: "127.0.0.1:5001", prefix: /registry/, host: "https://r.example", relativeurls: true, secret: s, tls: { certificate: /c, key: /k } }
proxy: { remoteurl: "https://registry-1.docker.io" }
auth: { htpasswd: { realm: r, path: /p } }
`
  t.same(readRegistryConfig(text, {}), {
    assumed: false,
    storageDriver: 'filesystem',
    rootDirectory: '/srv/r',
    cache: 'redis',
    deletesEnabled: true,
    readOnly: true,
    pullThrough: true,
    address: '127.0.0.1:5001',
    prefix: '/registry',
    host: 'https://r.example',
    relativeUrls: true,
    secretFixed: true,
    tls: true,
    auth: 'htpasswd'
  })
})

test('the cache: absent, unknown, null, and the old key', async (t) => {
  const cacheOf = (cache: string, env = {}) => readRegistryConfig(`version: 0.1\nstorage: { filesystem: {}${cache} }`, env).cache
  t.equal(cacheOf(''), 'none')
  t.equal(cacheOf(', cache: { blobdescriptor: memcached }'), 'none')
  t.equal(cacheOf(', cache: { blobdescriptor: }'), 'none')
  t.equal(cacheOf(', cache:'), 'none')
  t.equal(cacheOf(', cache: { layerinfo: inmemory }'), 'inmemory')
  t.equal(cacheOf(', cache: { layerinfo: inmemory, blobdescriptor: redis }'), 'redis')
  t.equal(cacheOf(', cache: { layerinfo: inmemory, blobdescriptor: "" }'), 'none', 'the new key counts when it is there')
  t.equal(cacheOf('', { REGISTRY_STORAGE_CACHE_BLOBDESCRIPTOR: 'redis' }), 'redis')
  t.equal(cacheOf(', cache: { blobdescriptor: inmemory }', { REGISTRY_STORAGE_CACHE: '' }), 'none')
})

test('variables: YAML values, sections replaced whole, the more specific one last', async (t) => {
  const facts = (env: Record<string, string>) => readRegistryConfig(IMAGE_2, env)
  t.match(facts({ REGISTRY_STORAGE_DELETE_ENABLED: 'true' }), { deletesEnabled: true })
  t.match(facts({ REGISTRY_STORAGE_DELETE_ENABLED: '"true"' }), { deletesEnabled: false }, 'a text is not a boolean')
  t.match(facts({ REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: '/data' }), { rootDirectory: '/data' })
  t.match(facts({ REGISTRY_PROXY_REMOTEURL: 'https://registry-1.docker.io' }), { pullThrough: true })
  t.match(facts({ REGISTRY_HTTP_PREFIX: '/r/', REGISTRY_HTTP_HOST: 'https://h', REGISTRY_HTTP_RELATIVEURLS: 'true' }), { prefix: '/r', host: 'https://h', relativeUrls: true })
  t.match(facts({ REGISTRY_AUTH: 'htpasswd', REGISTRY_AUTH_HTPASSWD_REALM: 'r' }), { auth: 'htpasswd' })
  t.match(facts({ REGISTRY_STORAGE: 'inmemory' }), { storageDriver: 'inmemory', cache: 'none' })
  t.match(facts({ REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: '/late', REGISTRY_STORAGE: '{filesystem: {rootdirectory: /early}}' }), { rootDirectory: '/late', cache: 'none' })
  t.match(facts({ REGISTRY_HTTP_TLS_CERTIFICATE: '/c' }), { tls: true })
  t.match(facts({ REGISTRY_HTTP_TLS_LETSENCRYPT_CACHEFILE: '/c' }), { tls: true })
  t.match(facts({ REGISTRY_HTTP_ADDR: '' }), { address: '' })
})

test('read-only by variable: as YAML, or by its own key where the file has no such section', async (t) => {
  const readOnly = (text: string, env: Record<string, string>) => readRegistryConfig(text, env).readOnly
  t.ok(readOnly(IMAGE_2, { REGISTRY_STORAGE_MAINTENANCE_READONLY: '{"enabled": true}' }))
  t.ok(readOnly(IMAGE_2, { REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED: 'true' }))
  const off = IMAGE_2.replace('storage:\n', 'storage:\n  maintenance: { readonly: { enabled: false } }\n')
  t.notOk(readOnly(off, { REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED: 'true' }), 'ignored by the registry: map with non-string keys')
  t.ok(readOnly(off, { REGISTRY_STORAGE_MAINTENANCE_READONLY: '{enabled: true}' }))
})

test('variables of others, and lower-case ones, are left alone', async (t) => {
  t.same(readRegistryConfig(IMAGE_2, { registry_http_addr: ':1', REGISTRY_http_addr: ':2', HTTP_ADDR: ':3', REGISTRY_HTTP_ADDR: undefined, REGISTRY_LOG_LEVEL_X: 'y' }), DEFAULTS)
})

test('a storage given as a name, and drivers other than the file system', async (t) => {
  t.match(readRegistryConfig('version: 0.1\nstorage: filesystem', {}), { storageDriver: 'filesystem', rootDirectory: '/var/lib/registry', cache: 'none' })
  t.match(readRegistryConfig('version: 0.1\nstorage: { s3: { bucket: b, rootdirectory: /r }, redirect: { disable: true } }', {}), { storageDriver: 's3', rootDirectory: '/r' })
})

test('what is not YAML is an error that says which', async (t) => {
  t.throws(() => readRegistryConfig('storage: [', {}), { name: 'SetupError', message: /^the registry's configuration file is not valid YAML: / })
  t.throws(() => readRegistryConfig(IMAGE_2, { REGISTRY_STORAGE: '{' }), { name: 'SetupError', message: /^the registry's variable REGISTRY_STORAGE is not valid YAML: / })
})

/** What a real registry says about its cache and address in its log, with these variables. */
async function logOf (t: Test, tool: RegistryTool, text: string, env: Record<string, string>): Promise<string> {
  const config = join(await temporaryDirectory(t), 'config.yml')
  await writeFile(config, text)
  const child = spawn(tool.path, ['serve', config], { env: { ...process.env, OTEL_TRACES_EXPORTER: 'none', ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => stop(child))
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => { said += chunk.toString() })
  await until('the registry listens or ends', () => /listening on/.test(said) || child.exitCode !== null)
  await stop(child)
  return said
}

await eachRegistry(t, 'the registry reads file and variables in the same way', async (t, tool) => {
  const root = await temporaryDirectory(t)
  const text = `version: 0.1\nlog: { level: info }\nstorage: { filesystem: { rootdirectory: ${root} }, cache: { layerinfo: inmemory }, maintenance: { readonly: { enabled: false } } }\nhttp: { addr: "127.0.0.1:0", tls: { certificate: /nowhere, key: /nowhere } }`
  const env = { REGISTRY_HTTP_TLS: '', REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED: 'true' }
  t.match(readRegistryConfig(text, env), { cache: 'inmemory', tls: false, readOnly: false })
  const said = await logOf(t, tool, text, env)
  t.match(said, 'using inmemory blob descriptor cache')
  t.match(said, /listening on 127\.0\.0\.1:\d+"/, 'without TLS')
  t.match(said, 'REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED involving map with non-string keys')

  const without = { ...env, REGISTRY_STORAGE_CACHE_BLOBDESCRIPTOR: 'memcached' }
  t.equal(readRegistryConfig(text, without).cache, 'none')
  t.match(await logOf(t, tool, text, without), 'caching disabled')
})
