/** config/delgate.service: what systemd says to it, what it promises to Delgate, and that Delgate runs as it says. */
import { spawn } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { parse } from 'yaml'
import { loadSettings } from '../../src/config/load.js'
import { pull, push } from '../support/client.js'
import { listing } from '../support/disk.js'
import { blocksOf, put } from '../support/docs.js'
import { json, request } from '../support/http.js'
import { image } from '../support/images.js'
import { deleted } from '../support/jobs.js'
import { mustRun, stop } from '../support/processes.js'
import { freePort, temporaryDirectory, until } from '../support/temporary.js'
import { eachRegistry, skipWithout, tool } from '../support/tools.js'

const UNIT = 'config/delgate.service'
/** Longest that Delgate takes to close: src/main.ts. */
const CLOSE_SECONDS = 120
/** As Debian's package docker-registry has it. */
const DEBIAN = 'version: 0.1\nstorage:\n  cache:\n    blobdescriptor: inmemory\n  filesystem:\n    rootdirectory: /var/lib/docker-registry\n  delete:\n    enabled: true\nhttp:\n  addr: :5000\n  headers:\n    X-Content-Type-Options: [nosniff]\n'

const unit = new Map<string, string>()
for (const [, key, value] of (await readFile(UNIT, 'utf8')).matchAll(/^(\w+)=(.*)$/gm)) unit.set(key!, value!)
const [, node, main, configuration] = /^(\S+) (\S+) --config (\S+)$/.exec(unit.get('ExecStart')!)!
const settings = loadSettings({ argv: ['--config', 'config/command.yml'], env: {}, cwd: resolve('.') })

t.test('systemd takes it, and finds little that it exposes', { skip: skipWithout('systemd-analyze') }, async t => {
  // Which node is used is a matter of the machine.
  const file = join(await temporaryDirectory(t), 'delgate.service')
  await writeFile(file, put(await readFile(UNIT, 'utf8'), node!, process.execPath))
  const { path } = tool('systemd-analyze')
  const { stdout, stderr } = await mustRun(path, ['verify', '--man=no', '--recursive-errors=no', file])
  t.same([stdout, stderr], ['', ''])
  const { stdout: said } = await mustRun(path, ['security', '--offline=true', '--no-pager', '--threshold=20', file])
  const [, exposure] = /exposure level for delgate\.service: (\S+)/.exec(said)!
  t.match(await readFile('docs/systemd.md', 'utf8'), `gives it ${exposure} of 10`, 'as the page says')
})

t.test('what it promises to Delgate', async t => {
  t.equal(main, '/opt/delgate/dist/main.js')
  t.match((await blocksOf('systemd.md', 'sh'))[0], `config/command.yml ${configuration}`, 'the page installs the file that it names')
  t.equal(settings.state.directory, `/var/lib/${unit.get('StateDirectory')}`)
  t.ok(Number(unit.get('TimeoutStopSec')) > CLOSE_SECONDS)
  t.ok(Number(unit.get('LimitNOFILE')) >= 2 * settings.limits.connections + 1000, 'as docs/tls.md says')
  t.equal(unit.get('ReadWritePaths'), parse(DEBIAN).storage.filesystem.rootdirectory)
  t.notOk(unit.has('MemoryDenyWriteExecute'))
  t.match(settings.registry, { controller: 'command', url: 'http://127.0.0.1:5001', config: '/etc/docker/registry/config.yml' })
})

t.test('the registry\'s configuration is changed as the page says', async t => {
  const file = join(await temporaryDirectory(t), 'config.yml')
  await writeFile(file, DEBIAN)
  const [, command] = /^(sed .*)$/m.exec((await blocksOf('systemd.md', 'sh'))[0]!)!
  await mustRun('sh', ['-ec', put(command!, settings.registry.config!, file)])
  t.equal(`http://${parse(await readFile(file, 'utf8')).http.addr}`, settings.registry.url)
})

t.test('the rule of polkit lets one user restart one service', async t => {
  const rules: Array<(action: object, subject: object) => string | undefined> = []
  runInNewContext(await readFile('config/delgate.rules', 'utf8'), { polkit: { addRule: (rule: typeof rules[0]) => rules.push(rule!), Result: { YES: 'yes' } } })
  const ask = (id: string, user: string, unit: string, verb: string): unknown => rules[0]!({ id, lookup: (key: string) => ({ unit, verb })[key] }, { user })
  const id = 'org.freedesktop.systemd1.manage-units'
  t.equal(ask(id, 'docker-registry', 'docker-registry.service', 'restart'), 'yes')
  t.equal(ask(id, 'docker-registry', 'docker-registry.service', 'stop'), undefined, 'nothing else')
  t.equal(ask(id, 'docker-registry', 'ssh.service', 'restart'), undefined, 'nor another service')
  t.equal(ask(id, 'nobody', 'docker-registry.service', 'restart'), undefined, 'nor another user')
  t.equal(ask('org.freedesktop.login1.reboot', 'docker-registry', 'docker-registry.service', 'restart'), undefined)
  const written = parse((await blocksOf('systemd.md', 'yaml'))[0]!) as { registry: { command: { restart: string[] } } }
  t.same(written.registry.command.restart, ['systemctl', 'restart', 'docker-registry'])
})

/** As the unit says: no capabilities, and no way to new ones. Only root has some to give up. */
const RIGHTS = ['--no-new-privs', ...(process.getuid?.() === 0 ? ['--bounding-set=-all', '--inh-caps=-all'] : [])]

await eachRegistry(t, 'with config/command.yml as it is, whoever owns the registry\'s files needs no further right', async (t, registry) => {
  const directory = await temporaryDirectory(t)
  const [port, registryPort] = [await freePort(), await freePort()]
  const at = (name: string): string => join(directory, name)
  await mkdir(at('registry'))
  await writeFile(at('config.yml'), put(put(DEBIAN, '/var/lib/docker-registry', at('registry')), ':5000', `127.0.0.1:${registryPort}`))
  const written = ['/etc/docker/registry/config.yml', '/var/lib/delgate', '127.0.0.1:5001', 'port: 5000']
    .reduce((text, from, index) => put(text, from, [at('config.yml'), at('state'), `127.0.0.1:${registryPort}`, `port: ${port}`][index]!), await readFile('config/command.yml', 'utf8'))
  await writeFile(at('delgate.yml'), written)
  const start = (program: string, args: string[]): Buffer[] => {
    const said: Buffer[] = []
    const child = spawn('setpriv', [...RIGHTS, program, ...args], { cwd: '/', env: { PATH: process.env.PATH, OTEL_TRACES_EXPORTER: 'none' }, stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => said.push(chunk))
    t.teardown(() => stop(child, 'SIGTERM', 15_000))
    return said
  }
  start(registry.path, ['serve', at('config.yml')])
  const said = start(process.execPath, [resolve('dist/main.js'), '--config', at('delgate.yml')])
  const url = `http://127.0.0.1:${port}`
  await until('Delgate is ready', () => request(url, 'GET', '/readyz').then(({ status }) => status === 200, () => false), 60_000)
    .catch(error => { throw new Error(`${error}\n${Buffer.concat(said).toString()}`) })
  t.match(json(await request(url, 'GET', '/delgate/v1/status')), { registry: { controller: 'command' }, collector: 'online', freshness: 'evict' })
  const content = await image('systemd')
  await push(url, 'team/app', '1', content)
  await deleted(url, '/v2/team/app/manifests/1')
  t.same((await listing(at('registry'))).filter(({ kind }) => kind === 'file'), [])
  t.same((await push(url, 'team/app', '1', content)).present, [])
  await pull(url, 'team/app', '1', content)
})
