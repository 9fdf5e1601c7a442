/** Scenario 34: what cannot work is said at the start, with what to do; in the words of the message, not in a stack. */
import { createServer, type AddressInfo } from 'node:net'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { runDelgate } from '../support/delgate-process.js'
import { writtenSettings, type PartialSettings } from '../support/delgate.js'
import { writeRegistryConfig, type RegistryFiles } from '../support/registry.js'
import { temporaryDirectory } from '../support/temporary.js'
import { PAIRS } from '../support/pairs.js'
import { eachRegistry, type RegistryTool } from '../support/tools.js'

interface Refusal {
  readonly title: string
  /** Settings that cannot work; they may spoil files first. */
  readonly settings: (files: RegistryFiles, t: Test, tool: RegistryTool) => PartialSettings | Promise<PartialSettings>
  /** What the message must say. */
  readonly says: RegExp
}

const refusals: readonly Refusal[] = [
  { title: 'an unknown key', settings: () => ({ storag: { root: '/x' } }) as PartialSettings, says: /storag/ },
  { title: 'an unknown key inside a section', settings: () => ({ hold: { timeoutSecond: 3 } }) as PartialSettings, says: /hold\.timeoutSecond\b/ },
  { title: 'a wrong type', settings: () => ({ drain: { timeoutSeconds: 'soon' } }) as unknown as PartialSettings, says: /drain\.timeoutSeconds.*number/ },
  { title: 'a value out of range', settings: () => ({ listen: { port: 70_000 } }), says: /listen\.port/ },
  {
    title: 'a storage directory that is no registry\'s',
    settings: async ({ directory }) => {
      const root = join(directory, 'photographs')
      await mkdir(root)
      await writeFile(join(root, 'holiday.jpg'), 'not a blob')
      return { storage: { root } }
    },
    says: /photographs/
  },
  { title: 'a storage directory other than the one that the registry uses', settings: ({ directory }) => ({ storage: { root: join(directory, 'nowhere') } }), says: /nowhere/ },
  {
    title: 'a registry program that is not there',
    settings: ({ config }) => ({ registry: { controller: 'process', config, process: { binary: '/nonexistent/registry' } } } as PartialSettings),
    says: /\/nonexistent\/registry/
  },
  {
    title: 'a registry configuration that is not there',
    settings: ({ directory }, _t, { path }) => ({ registry: { config: join(directory, 'none.yml'), process: { binary: path } } } as PartialSettings),
    says: /none\.yml/
  },
  {
    title: 'a registry configuration that is no YAML',
    settings: async ({ directory }, _t, { path }) => {
      const config = join(directory, 'bad.yml')
      await writeFile(config, 'version: 0.1\n  storage: [')
      return { registry: { config, process: { binary: path } } } as PartialSettings
    },
    says: /bad\.yml/
  },
  {
    title: 'a port that is taken',
    settings: async (_files, t) => {
      const server = createServer()
      await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
      t.teardown(() => new Promise((resolve) => { server.close(resolve) }))
      return { listen: { port: (server.address() as AddressInfo).port } }
    },
    says: /port|in use/i
  }
]

// None of it depends on who collects, so each case meets one pair with each registry, in turns: a start takes a while.
for (const [at, { title, settings, says }] of refusals.entries()) {
  await eachRegistry(t, `scenario 34: ${title}`, async (t, tool) => {
    const { name, collection } = PAIRS[(at + Number(tool.version === '3.1')) % PAIRS.length]!
    t.comment(name)
    const files = await writeRegistryConfig(await temporaryDirectory(t))
    const spoiled = await settings(files, t, tool)
    const { code, stdout, stderr } = await runDelgate(files.directory, writtenSettings(tool, files, { settings: { ...spoiled, collection: { ...collection, ...spoiled.collection } } }))
    t.ok(code !== null && code !== 0, `it ends by itself with an error (${code})`)
    t.match(stdout + stderr, says)
    t.notMatch(stdout + stderr, /^\s+at .+:\d+:\d+\)?$/m, 'no stack trace')
  })
}

t.test('scenario 34: a configuration file that is no YAML, or not there', async (t) => {
  const directory = await temporaryDirectory(t)
  const { code, stdout, stderr } = await runDelgate(directory, 'listen: [\n')
  t.ok(code)
  t.match(stdout + stderr, /refused\.yml/)
})
