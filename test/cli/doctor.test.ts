/** `delgate doctor`: what is wrong with a set-up is found, said and mended; what is right is not called wrong. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { atTerminal, cli } from '../support/cli.js'
import { push } from '../support/client.js'
import { startGate, writtenSettings } from '../support/delgate.js'
import { listing } from '../support/disk.js'
import { basic } from '../support/http.js'
import { image } from '../support/images.js'
import { USERS, startRegistry, writeRegistryConfig } from '../support/registry.js'
import { temporaryDirectory } from '../support/temporary.js'
import { eachRegistry } from '../support/tools.js'

t.setTimeout(900_000)

interface Report {
  readonly code: number | null
  readonly ok: boolean
  readonly findings: ReadonlyArray<{ readonly level: string, readonly what: string, readonly found: string, readonly mend?: string }>
}

async function doctor (args: readonly string[], env: Record<string, string> = {}): Promise<Report> {
  const { code, stdout, stderr } = await cli(['doctor', ...args, '--json'], { env })
  if (stdout === '') throw new Error(`doctor ended with ${code}: ${stderr}`)
  return { code, ...JSON.parse(stdout) as Omit<Report, 'code'> }
}

const wrong = ({ findings }: Report): string[] => findings.filter(({ level }) => level !== 'ok').map(({ level, what, found }) => `${level} ${what}: ${found}`)

await eachRegistry(t, 'a running gate where all is well', async (t, tool) => {
  const gate = await startGate(t, tool, { registry: { auth: 'htpasswd' } })
  await push(gate.url, 'team/app', 'v1', await image('well'), { headers: basic('alice', USERS.alice) })
  const report = await doctor(['--url', gate.url, '-u', 'alice'], { DELGATE_PASSWORD: USERS.alice })
  t.same(wrong(report).filter(line => !line.includes('index')), [])
  t.equal(report.code, 0)
  t.match(report.findings.find(({ found }) => found.startsWith('Delgate sees'))?.found, '1 repository looked at')
  for (const what of ['gate', 'registry', 'index', 'cache', 'deletes', 'storage', 'clock', 'your rights', 'who may delete', 'jobs', 'audit', 'room']) t.ok(report.findings.some(one => one.what === what), what)
})

await eachRegistry(t, 'a running gate where something is to be mended', async (t, tool) => {
  const gate = await startGate(t, tool, { registry: { delete: false } })
  const report = await doctor(['--url', gate.url])
  t.equal(report.code, 0, 'warnings are no problems')
  t.same(wrong(report).filter(line => !line.includes('index')), [
    'warning deletes: the registry has them disabled: Delgate has to restart it after each collection',
    'warning who may delete: anybody who reaches the gate can delete everything'
  ])
  t.match(report.findings.find(({ what }) => what === 'deletes')?.mend, 'REGISTRY_STORAGE_DELETE_ENABLED=true')
  const shown = atTerminal(['doctor', '--url', gate.url])
  t.equal(await shown.ended(), 0)
  t.match(shown.output(), /\u001b\[33mWARNING\u001b\[0m {2}deletes: .*\r\n {9}→ set storage\.delete\.enabled/) // eslint-disable-line no-control-regex

  const readOnly = await startGate(t, tool, { registry: { readonly: true } })
  const refused = await doctor(['--url', readOnly.url])
  t.equal(refused.code, 1)
  t.equal(refused.ok, false)
  t.ok(wrong(refused).some(line => line === 'problem registry: it is in read-only mode: nothing can be deleted'))
  t.ok(wrong(refused).some(line => line.startsWith('problem your rights: ')))
})

/** A settings file for a gate beside a registry that runs. */
async function settingsFile (t: Test, settings: object): Promise<string> {
  const file = join(await temporaryDirectory(t), 'delgate.yml')
  await writeFile(file, JSON.stringify(settings))
  return file
}

await eachRegistry(t, 'by the settings, where no gate runs: right, and each thing wrong', async (t, tool) => {
  const registry = await startRegistry(t, tool, { auth: 'htpasswd' })
  const own = await temporaryDirectory(t)
  const good = {
    listen: { host: '127.0.0.1', port: 0 },
    registry: { controller: 'none', url: registry.url, config: registry.config, username: 'alice', password: USERS.alice },
    storage: { root: registry.storage },
    state: { directory: join(own, 'state') }
  }
  await push(registry.url, 'app', 'v1', await image('settings'), { headers: basic('alice', USERS.alice) })
  const look = async (settings: object): Promise<Report> => await doctor(['--config', await settingsFile(t, settings)])
  const before = [await listing(registry.storage), await listing(own)]
  const fine = await look(good)
  t.same(wrong(fine), [])
  t.equal(fine.code, 0)
  t.ok(fine.findings.some(({ found }) => found.startsWith('the registry has what these files hold')))

  const [empty, elsewhere, strange] = [await temporaryDirectory(t), await startRegistry(t, tool), await temporaryDirectory(t)]
  await push(elsewhere.url, 'elsewhere', 'v1', await image('elsewhere'))
  await mkdir(join(strange, 'holiday'))
  const finds = async (settings: object, expected: RegExp): Promise<void> => {
    const report = await look(settings)
    t.equal(report.code, 1, String(expected))
    t.ok(wrong(report).some(line => line.startsWith('problem') && expected.test(line)), `${String(expected)} in ${wrong(report).join('\n')}`)
  }
  await finds({ ...good, storage: { root: elsewhere.storage } }, /these files hold a layer of elsewhere, but the registry does not have it/)
  await finds({ ...good, storage: { root: join(empty, 'missing') } }, /does not exist\. Set storage\.root/)
  await finds({ ...good, storage: { root: strange } }, /is not the storage of a registry: it holds holiday/)
  await finds({ ...good, registry: { ...good.registry, url: 'http://127.0.0.1:1' } }, /it does not answer at http:\/\/127\.0\.0\.1:1\/v2\//)
  await finds({ ...good, registry: { ...good.registry, config: join(empty, 'missing.yml') } }, /missing\.yml cannot be read/)
  await finds({ ...good, registry: { ...good.registry, controller: 'command', command: { collect: ['/nonexistent/collect'], restart: ['true'] } } }, /registry\.command\.collect names \/nonexistent\/collect, which is not a program/)
  await finds({ ...good, registry: { controller: 'process', process: { binary: '/nonexistent/registry' } } }, /\/nonexistent\/registry is not a program that can be run/)
  await finds({ ...good, listen: { port: 0, tls: { certificate: '/nonexistent.pem', key: '/nonexistent.pem' } } }, /listen\.tls\.certificate.*cannot be read/)
  await finds({ ...good, storrage: {} }, /storrage.*did you mean.*storage/)
  const noDeletes = await writeRegistryConfig(empty, { delete: false })
  await finds({ ...good, registry: { ...good.registry, config: noDeletes.config } }, /registry\.controller is none, so Delgate can neither/)
  t.same([await listing(registry.storage), await listing(own)], before, 'it has changed nothing, and made nothing')
})

await eachRegistry(t, 'a registry that Delgate would run', async (t, tool) => {
  const files = await writeRegistryConfig(await temporaryDirectory(t))
  const file = await settingsFile(t, writtenSettings(tool, files))
  const report = await doctor(['--config', file])
  t.same(wrong(report), ['warning who may delete: anybody who reaches the gate can delete everything'])
  t.ok(report.findings.some(({ found }) => found === `Delgate will run ${tool.path}`))
})
