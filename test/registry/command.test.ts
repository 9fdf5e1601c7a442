/** The controller that runs configured commands, here around a real registry that a script supervises. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { test } from 'tap'
import type { Test } from 'tap'
import { CommandController } from '../../src/registry/command.js'
import type { CommandOptions } from '../../src/registry/command.js'
import { push } from '../support/client.js'
import { request } from '../support/http.js'
import { image } from '../support/images.js'
import { writeRegistryConfig } from '../support/registry.js'
import { freePort, temporaryDirectory, until } from '../support/temporary.js'
import { eachRegistry } from '../support/tools.js'

const log = { info: () => {}, warn: () => {}, error: () => {} }
const never = (): AbortSignal => new AbortController().signal

async function controllerFor (t: Test, given: Partial<CommandOptions>): Promise<CommandController> {
  const controller = new CommandController({
    url: 'http://127.0.0.1:1/',
    collect: ['true'],
    restart: ['true'],
    config: undefined,
    stateDirectory: join(await temporaryDirectory(t), 'state'),
    environment: process.env,
    ...given
  }, log)
  t.teardown(() => controller.stop())
  await controller.start()
  return controller
}

await eachRegistry(t, 'collects and restarts a registry by commands', async (t, tool) => {
  const directory = await temporaryDirectory(t)
  const port = await freePort()
  const files = await writeRegistryConfig(directory, {}, port)
  const pidFile = join(directory, 'pid')
  // What an init system does, in five lines: one registry, in the background, its output elsewhere.
  const restart = join(directory, 'restart')
  await writeFile(restart, `#!/bin/sh
if [ -f ${pidFile} ]; then kill "$(cat ${pidFile})"; while kill -0 "$(cat ${pidFile})" 2>/dev/null; do sleep 0.02; done; fi
OTEL_TRACES_EXPORTER=none "${tool.path}" serve ${files.config} >/dev/null 2>&1 </dev/null &
echo $! > ${pidFile}
`, { mode: 0o755 })
  const pid = () => readFile(pidFile, 'utf8').then(Number)
  t.teardown(async () => { process.kill(await pid(), 'SIGKILL') })

  const controller = await controllerFor(t, {
    url: `http://127.0.0.1:${port}/`,
    collect: [tool.path, 'garbage-collect', files.config],
    restart: [restart],
    config: files.config
  })
  t.equal(controller.url(), `http://127.0.0.1:${port}`)
  const ready = () => request(controller.url(), 'GET', '/v2/').then(({ status }) => status === 200, () => false)

  await controller.restart(never())
  await until('it answers', ready)
  const before = await pid()
  t.match(await controller.collect(never()), { outcome: 'collected' }, 'nothing was pushed yet')
  const content = await image('command')
  await push(controller.url(), 'team/app', 'v1', content)
  t.equal((await request(controller.url(), 'DELETE', `/v2/team/app/manifests/${content.digest}`)).status, 202)
  t.match(await controller.collect(never()), { outcome: 'collected', output: /[1-9]\d* blobs and 0 manifests eligible for deletion/ })
  await controller.restart(never())
  await until('it answers again', ready)
  t.not(await pid(), before)

  await controller.stop()
  t.ok(await ready(), 'the registry is not Delgate\'s to stop')
})

test('start reads the registry\'s configuration, or says why it cannot', async (t) => {
  const config = join(await temporaryDirectory(t), 'config.yml')
  await writeFile(config, 'version: 0.1\n')
  const options: CommandOptions = { url: 'http://127.0.0.1:1', collect: ['true'], restart: ['true'], config, stateDirectory: await temporaryDirectory(t), environment: { REGISTRY_HTTP_ADDR: ':1' } }
  t.match(await new CommandController(options, log).start(), { configText: 'version: 0.1\n', configFrom: config, environment: { REGISTRY_HTTP_ADDR: ':1' } })
  t.match(await new CommandController({ ...options, config: undefined }, log).start(), { configText: undefined, configFrom: undefined })
  await t.rejects(new CommandController({ ...options, config: '/nowhere.yml' }, log).start(), { name: 'SetupError', message: 'setting "registry.config": /nowhere.yml cannot be read: ENOENT' })
})

test('arguments go to the program as they are: there is no shell', async (t) => {
  const controller = await controllerFor(t, { collect: ['printf', '%s|', '$HOME', 'a b', '; false', '*'] })
  t.same(await controller.collect(never()), { outcome: 'collected', output: '$HOME|a b|; false|*|' })
})

test('a command that fails, is missing, or is killed', async (t) => {
  const controller = await controllerFor(t, { collect: ['sh', '-c', 'seq 1 100000; echo it hurts >&2; exit 7'], restart: ['sh', '-c', 'echo no unit; exit 5'] })
  const failed = await controller.collect(never())
  t.match(failed, { outcome: 'failed', exitCode: 7, output: /it hurts\n$/ })
  t.ok(failed.output.length < 5000, 'the end only')
  await t.rejects(controller.restart(never()), { message: 'the restart command (sh) failed with 5: no unit' })

  const missing = await controllerFor(t, { collect: ['/nowhere/collect'], restart: ['sh', '-c', 'kill -9 $$'] })
  t.match(await missing.collect(never()), { outcome: 'failed', exitCode: undefined, output: /^\/nowhere\/collect cannot be started: .*ENOENT/ })
  await t.rejects(missing.restart(never()), { message: /failed with no exit code: ended by SIGKILL/ })
})

test('an abort ends the command and what it started', async (t) => {
  const stateDirectory = await temporaryDirectory(t)
  const controller = await controllerFor(t, { collect: ['sh', '-c', 'sleep 62 & echo $!; wait'], stateDirectory })
  const abort = new AbortController()
  const collected = controller.collect(abort.signal)
  await until('it runs', () => stat(join(stateDirectory, 'collect.pid')).then(() => true, () => false))
  await until('it has started another', async () => (await children()).includes('sleep 62'))
  abort.abort()
  t.match(await collected, { outcome: 'failed', exitCode: undefined, output: /aborted$/ })
  await until('both are gone', async () => !(await children()).includes('sleep 62'))
})

async function children (): Promise<string> {
  const ps = spawn('ps', ['-eo', 'stat=,args='], { stdio: ['ignore', 'pipe', 'ignore'] })
  let said = ''
  ps.stdout.on('data', (chunk: Buffer) => { said += chunk.toString() })
  await once(ps, 'close')
  return said.split('\n').filter((line) => !line.startsWith('Z')).join('\n')
}

test('a command that leaves a program running with its output open does not hang', async (t) => {
  const controller = await controllerFor(t, { restart: ['sh', '-c', 'sleep 30 & exit 0'] })
  const before = performance.now()
  await controller.restart(never())
  t.ok(performance.now() - before < 15_000)
})

test('stop ends a running command', async (t) => {
  const stateDirectory = await temporaryDirectory(t)
  const controller = await controllerFor(t, { collect: ['sleep', '63'], stateDirectory })
  const collected = controller.collect(never())
  await until('it runs', () => stat(join(stateDirectory, 'collect.pid')).then(() => true, () => false))
  await controller.stop()
  t.match(await collected, { outcome: 'failed', exitCode: undefined })
})
