/** What is read out of a container's inspection, and which container is chosen. No engine needed. */
import t from 'tap'
import { configPaths, isRegistryConfig, namedBinary, parseContainer, type Container } from '../../src/registry/container.js'
import { explainEngineError, parseEndpoint } from '../../src/registry/engine.js'
import { compareMounts, registryRoot } from '../../src/registry/mounts.js'
import { choose, selectionText, toFilters } from '../../src/registry/selection.js'

function container (command: readonly string[], more: { environment?: readonly string[], workingDirectory?: string, id?: string, state?: string } = {}): Container {
  const [path = '', ...args] = command
  return parseContainer({
    Id: more.id ?? 'c1',
    Name: '/registry',
    Path: path,
    Args: args,
    State: { Status: more.state ?? 'running' },
    Config: { Image: 'registry:3', Env: more.environment ?? [], WorkingDir: more.workingDirectory ?? '', Labels: null }
  })
}

t.test('parses names, environment and missing parts', async t => {
  const parsed = container(['/entrypoint.sh', '/etc/x.yml'], { environment: ['A=1', 'REGISTRY_HTTP_SECRET=x=y', 'EMPTY'] })
  t.equal(parsed.name, 'registry')
  t.same(parsed.environment, { A: '1', REGISTRY_HTTP_SECRET: 'x=y', EMPTY: '' })
  t.equal(parsed.workingDirectory, '/')
  t.same(parsed.labels, {})
})

t.test('finds the path of the configuration', async t => {
  const cases: Array<[string, Container, string[]]> = [
    ['registry:2', container(['/entrypoint.sh', '/etc/docker/registry/config.yml']), ['/etc/docker/registry/config.yml']],
    ['registry:3', container(['/entrypoint.sh', '/etc/distribution/config.yml']), ['/etc/distribution/config.yml']],
    ['serve with a path', container(['registry', 'serve', '/srv/r.yaml']), ['/srv/r.yaml']],
    ['serve with another ending', container(['registry', 'serve', '/srv/registry.conf']), ['/srv/registry.conf']],
    ['a shell', container(['/bin/sh', '-c', 'exec registry serve "/srv/r.yml"']), ['/srv/r.yml']],
    ['relative', container(['registry', 'serve', 'r.yml'], { workingDirectory: '/srv' }), ['/srv/r.yml']],
    ['environment', container(['registry', 'serve'], { environment: ['REGISTRY_CONFIGURATION_PATH=/run/r.yml'] }), ['/run/r.yml']],
    ['an argument wins', container(['registry', 'serve', '/srv/r.yml'], { environment: ['REGISTRY_CONFIGURATION_PATH=/run/r.yml'] }), ['/srv/r.yml']],
    ['nothing', container(['registry', 'serve']), ['/etc/distribution/config.yml', '/etc/docker/registry/config.yml']]
  ]
  for (const [title, subject, expected] of cases) t.same(configPaths(subject), expected, title)
})

t.test('finds the registry\'s program', async t => {
  const cases: Array<[string[], string | undefined]> = [
    [['registry', 'serve', '/c.yml'], 'registry'],
    [['/bin/registry', 'serve', '/c.yml'], '/bin/registry'],
    [['/usr/bin/docker-registry', 'serve', '/c.yml'], '/usr/bin/docker-registry'],
    [['/sbin/tini', '--', '/opt/registry', 'serve', '/c.yml'], '/opt/registry'],
    [['sh', '-c', 'sleep 1; /opt/registry serve /c.yml'], '/opt/registry'],
    [['/entrypoint.sh', '/etc/distribution/config.yml'], undefined],
    [['backup', '/data/registry'], undefined]
  ]
  for (const [command, expected] of cases) t.equal(namedBinary(container(command)), expected, command.join(' '))
})

t.test('tells a registry\'s configuration from other files', async t => {
  t.ok(isRegistryConfig('version: 0.1\nstorage:\n  filesystem: {}\n'))
  t.ok(isRegistryConfig('version: 0.1\nhttp:\n  addr: :5000\n'), 'the storage may come from the environment')
  t.notOk(isRegistryConfig('version: "3"\nservices: {}\n'))
  t.notOk(isRegistryConfig('scrape_configs: []\n'))
  t.notOk(isRegistryConfig('a: [\n'))
  t.notOk(isRegistryConfig(''))
})

t.test('makes filters and words of the selection', async t => {
  t.same(toFilters({ label: 'role=registry' }), { label: ['role=registry'] })
  t.same(toFilters({ service: 'registry', project: 'shop' }).label.slice(1), ['com.docker.compose.service=registry', 'com.docker.compose.project=shop'])
  t.equal(selectionText({ container: 'r' }), 'named "r"')
  t.equal(selectionText({ service: 'registry', project: 'shop' }), 'of the compose service "registry" in project "shop"')
})

t.test('chooses among what matches', async t => {
  const old = container(['registry'], { id: 'old', state: 'exited' })
  const running = container(['registry'], { id: 'new' })
  const other = container(['registry'], { id: 'other' })
  t.same(choose([]), { kind: 'none' })
  t.same(choose([old]), { kind: 'one', container: old }, 'a stopped one, so that its state can be told')
  t.same(choose([old, running]), { kind: 'one', container: running }, 'the one that runs')
  t.same(choose([old, running], 'old'), { kind: 'one', container: old }, 'the one used before, while it is there')
  t.same(choose([running], 'gone'), { kind: 'one', container: running }, 'its successor')
  t.equal(choose([running, other]).kind, 'several')
  t.equal(choose([old, { ...old, id: 'older' }]).kind, 'several')
})

t.test('parses the engine\'s address', async t => {
  const none = {}
  t.equal(parseEndpoint(undefined, none).name, 'unix:///var/run/docker.sock')
  t.match(parseEndpoint(undefined, { DOCKER_HOST: 'unix:///run/user/1/docker.sock' }).connect, { socketPath: '/run/user/1/docker.sock' })
  t.match(parseEndpoint('/x.sock', { DOCKER_HOST: 'tcp://127.0.0.1:1' }).connect, { socketPath: '/x.sock' }, 'the setting wins')
  t.match(parseEndpoint('tcp://127.0.0.1:2375', none).connect, { host: '127.0.0.1', port: '2375', protocol: 'http' })
  t.match(parseEndpoint('tcp://127.0.0.1', { DOCKER_TLS_VERIFY: '1' }).connect, { port: '2376', protocol: 'https' })
  for (const wrong of ['docker.sock', 'ssh://host', 'ftp://x']) t.throws(() => parseEndpoint(wrong, none), { name: 'SetupError', message: /registry\.docker\.socket/ }, wrong)
})

t.test('explains what keeps it from the engine', async t => {
  const endpoint = parseEndpoint('/x.sock', {})
  const failure = (code: string) => Object.assign(new Error(code), { code })
  t.match(explainEngineError(failure('ENOENT'), endpoint)?.message, /no such socket.*mount the socket/s)
  t.match(explainEngineError(failure('EACCES'), endpoint)?.message, /permission.*group/s)
  t.match(explainEngineError(failure('ECONNREFUSED'), endpoint)?.message, /Start Docker/)
  t.match(explainEngineError(failure('ETIMEDOUT'), endpoint)?.message, /cannot be reached \(ETIMEDOUT\)/)
  t.equal(explainEngineError(Object.assign(new Error('no such container'), { statusCode: 404 }), endpoint), undefined, 'the engine answered')
})

t.test('finds where the registry keeps its files', async t => {
  t.equal(registryRoot('storage: {filesystem: {rootdirectory: /srv}}', {}), '/srv')
  t.equal(registryRoot('storage: {filesystem: {rootdirectory: /srv}}', { REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: '/data' }), '/data')
  t.equal(registryRoot('storage: filesystem', {}), '/var/lib/registry')
  t.equal(registryRoot('storage: {filesystem: }', {}), '/var/lib/registry')
  t.equal(registryRoot('storage: {s3: {bucket: b}}', {}), undefined)
})

t.test('compares what is mounted in the two containers', async t => {
  const mounting = (...mounts: object[]): Container => ({ ...container(['x']), mounts: mounts as Container['mounts'] })
  const volume = (name: string, destination: string) => ({ destination, source: `/volumes/${name}/_data`, volume: name })
  const bind = (source: string, destination: string) => ({ destination, source, volume: undefined })
  const check = (own: Container, registry: Container, path = '/var/lib/registry') => compareMounts(own, path, registry, '/var/lib/registry')

  t.equal(check(mounting(volume('a', '/var/lib/registry')), mounting(volume('a', '/var/lib/registry'))).kind, 'same')
  t.equal(check(mounting(volume('a', '/mnt')), mounting(volume('a', '/var/lib/registry')), '/mnt').kind, 'same')
  t.equal(check(mounting(volume('b', '/'), bind('/srv/reg', '/mnt')), mounting(bind('/srv', '/var'), bind('/srv/reg/', '/var/lib/registry')), '/mnt').kind, 'doubtful')
  t.equal(check(mounting(bind('/srv', '/mnt')), mounting(bind('/srv/reg', '/var/lib/registry')), '/mnt/reg').kind, 'same')
  t.match(check(mounting(volume('b', '/var/lib/registry')), mounting(volume('a', '/var/lib/registry'))), { kind: 'different', message: /the volume b at .*in the volume a/ })
  t.match(check(mounting(volume('b', '/var/lib/registry-old')), mounting(volume('a', '/var/lib/registry'))), { kind: 'different', message: /nothing is mounted at/ })
  t.match(check(mounting(volume('a', '/var/lib/registry')), mounting()), { kind: 'different', message: /inside its container/ })
})
