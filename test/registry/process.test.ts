/** The controller that runs the registry as its child, with both release lines. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t, { test } from 'tap'
import type { Test } from 'tap'
import { ProcessController } from '../../src/registry/process.js'
import type { ProcessOptions } from '../../src/registry/process.js'
import { image } from '../support/images.js'
import { pull, push } from '../support/client.js'
import { request } from '../support/http.js'
import { run } from '../support/processes.js'
import { writeRegistryConfig } from '../support/registry.js'
import { freePort, temporaryDirectory, until } from '../support/temporary.js'
import { eachRegistry } from '../support/tools.js'

interface Entry { readonly level: string, readonly fields: Record<string, unknown>, readonly message: string }

interface Started {
  readonly controller: ProcessController
  readonly options: ProcessOptions
  readonly logged: readonly Entry[]
}

/** A controller that is stopped when the test ends. */
async function controllerFor (t: Test, binary: string, given: Partial<ProcessOptions> = {}): Promise<Started> {
  const directory = await temporaryDirectory(t)
  const options: ProcessOptions = {
    binary,
    config: undefined,
    storageRoot: join(directory, 'registry'),
    stateDirectory: join(directory, 'delgate'),
    stopTimeoutSeconds: 5,
    readyTimeoutSeconds: 20,
    environment: process.env,
    backoffSeconds: { minimum: 0.05, maximum: 1 },
    ...given
  }
  const logged: Entry[] = []
  const at = (level: string) => (fields: object, message: string) => { logged.push({ level, fields: fields as Record<string, unknown>, message }) }
  const controller = new ProcessController(options, { info: at('info'), warn: at('warn'), error: at('error') })
  t.teardown(() => controller.stop())
  return { controller, options, logged }
}

async function start (t: Test, binary: string, given: Partial<ProcessOptions> = {}): Promise<Started> {
  const started = await controllerFor(t, binary, given)
  await started.controller.start()
  return started
}

const never = (): AbortSignal => new AbortController().signal

async function answers (controller: ProcessController): Promise<boolean> {
  try {
    return (await request(controller.url(), 'GET', '/v2/', { timeout: 2_000 })).status === 200
  } catch {
    return false
  }
}

/** Process ids of registries that work with this state directory, as the operating system sees them. */
async function registriesOf (stateDirectory: string): Promise<string[]> {
  const { stdout } = await run('ps', ['-eo', 'pid=,stat=,args='])
  return stdout.split('\n').filter((line) => line.includes(stateDirectory) && /(serve|garbage-collect) /.test(line) && !/^\s*\d+\s+Z/.test(line))
}

await eachRegistry(t, 'starts with a generated configuration, serves, and leaves nothing when it stops', async (t, tool) => {
  const { controller, options } = await controllerFor(t, tool.path)
  const source = await controller.start()
  t.match(controller.url(), /^http:\/\/127\.0\.0\.1:\d+$/)
  t.ok(await answers(controller))
  t.match(source.configText, options.storageRoot)
  t.equal(source.configFrom, join(options.stateDirectory, 'registry.yml'))
  t.ok(source.environment['REGISTRY_HTTP_SECRET'])

  const content = await image('process')
  await push(controller.url(), 'team/app', 'v1', content)
  await pull(controller.url(), 'team/app', 'v1', content)

  await controller.stop()
  await controller.stop()
  t.same(await registriesOf(options.stateDirectory), [])
  t.notOk(await answers(controller))
})

await eachRegistry(t, 'a registry that is killed comes back, and its last words are logged', async (t, tool) => {
  const { controller, options, logged } = await start(t, tool.path)
  const url = controller.url()
  const { pid } = controller
  process.kill(pid!, 'SIGKILL')
  await until('another registry answers', async () => controller.pid !== undefined && controller.pid !== pid && await answers(controller))
  t.equal(controller.url(), url, 'on the same port, since it is free')
  t.match(logged.find(({ level }) => level === 'error'), { message: 'registry ended unexpectedly', fields: { pid, signal: 'SIGKILL', output: String } })
  t.equal((await registriesOf(options.stateDirectory)).length, 1)
})

await eachRegistry(t, 'restart: another process, the same data, and crashes meanwhile start no second one', async (t, tool) => {
  const { controller, options } = await start(t, tool.path)
  const content = await image('restart')
  await push(controller.url(), 'team/app', 'v1', content)
  for (let round = 0; round < 5; round++) {
    const pid = controller.pid!
    const restarted = controller.restart(never())
    process.kill(pid, 'SIGKILL') // while the new one starts
    await restarted
    t.not(controller.pid, pid)
    t.ok(await answers(controller), 'at once')
  }
  const pid = controller.pid!
  process.kill(pid, 'SIGKILL')
  await Promise.all([controller.restart(never()), controller.restart(never())])
  t.ok(await answers(controller))
  await pull(controller.url(), 'team/app', 'v1', content)
  await delay(300) // longer than a planned start after a crash would wait
  await until('the old one is gone, and there is no second one', async () => (await registriesOf(options.stateDirectory)).length === 1)
  process.kill(controller.pid!, 'SIGKILL')
  await until('a crash after restarts is noticed, too', () => answers(controller))
  t.equal((await registriesOf(options.stateDirectory)).length, 1)
})

await eachRegistry(t, 'restart: there is always a registry that answers', async (t, tool) => {
  const { controller } = await start(t, tool.path)
  const stop = new AbortController()
  const asked = new Map<Promise<number>, number | undefined>()
  const asking = Promise.all(Array.from({ length: 4 }, async () => {
    while (!stop.signal.aborted) {
      const answer = request(controller.url(), 'GET', '/v2/').then(({ status }) => status, () => 0)
      asked.set(answer, undefined)
      asked.set(answer, await answer)
    }
  }))
  for (let round = 0; round < 5; round++) {
    const url = controller.url()
    // What is on its way to the old registry when the other takes over is waited for, as the gate does.
    await controller.restart(never(), () => Promise.all(asked.keys()))
    t.not(controller.url(), url)
  }
  stop.abort()
  await asking
  t.same([...asked.values()].filter(status => status !== 200), [])
  t.ok(asked.size > 20, `${asked.size} answers`)
})

await eachRegistry(t, 'restart: the old registry is told to end when nothing needs it any more', async (t, tool) => {
  const { controller, options } = await start(t, tool.path)
  const old = controller.url()
  let release = (): void => {}
  const released = new Promise<void>(resolve => { release = resolve })
  let seen = ''
  await controller.restart(never(), () => {
    seen = controller.url()
    return released
  })
  t.equal(seen, controller.url(), 'the new one already has the requests')
  t.equal((await request(old, 'GET', '/v2/')).status, 200, 'the old one still serves')
  t.equal((await registriesOf(options.stateDirectory)).length, 2)
  release()
  await until('it ends', async () => (await registriesOf(options.stateDirectory)).length === 1)
  t.ok(await answers(controller))
})

await eachRegistry(t, 'restart: of several in a row, one old registry at most is left', async (t, tool) => {
  const { controller, options } = await start(t, tool.path, { stopTimeoutSeconds: 60 })
  for (let round = 0; round < 3; round++) {
    let release = (): void => {}
    const released = new Promise<void>(resolve => { release = resolve })
    await controller.restart(never(), () => released)
    t.equal((await registriesOf(options.stateDirectory)).length, 2)
    if (round < 2) release()
  }
  await controller.stop()
  t.same(await registriesOf(options.stateDirectory), [], 'both are stopped')
})

await eachRegistry(t, 'restart: a new registry that does not start leaves the old one as it is', async (t, tool) => {
  const directory = await temporaryDirectory(t)
  const broken = join(directory, 'broken')
  const binary = await script(t, `if [ -e '${broken}' ]; then echo 'panic: not today' >&2; exit 1; fi\nexec '${tool.path}' "$@"`)
  const { controller, options } = await start(t, binary)
  const content = await image('kept')
  await push(controller.url(), 'team/app', 'v1', content)
  const { pid } = controller
  const url = controller.url()
  await writeFile(broken, '')
  await t.rejects(controller.restart(never()), { message: /did not start: panic: not today/ })
  t.equal(controller.pid, pid)
  t.equal(controller.url(), url)
  await pull(controller.url(), 'team/app', 'v1', content)
  t.equal((await registriesOf(options.stateDirectory)).length, 1)

  // The old one crashes while no new one can be started: Delgate goes on trying.
  const restarted = controller.restart(never())
  process.kill(pid!, 'SIGKILL')
  await t.rejects(restarted)
  t.notOk(await answers(controller))
  await rm(broken)
  await until('it is back', () => answers(controller))
  await pull(controller.url(), 'team/app', 'v1', content)
  t.equal((await registriesOf(options.stateDirectory)).length, 1)
})

await eachRegistry(t, 'restart: an abort, or a stop, ends the wait for a new registry that does not come', async (t, tool) => {
  const directory = await temporaryDirectory(t)
  const hanging = join(directory, 'hanging')
  const binary = await script(t, `if [ -e '${hanging}' ]; then exec sleep 60 # $@\nfi\nexec '${tool.path}' "$@"`)
  const { controller, options } = await start(t, binary, { readyTimeoutSeconds: 60 })
  await writeFile(hanging, '')
  const { pid } = controller
  await t.rejects(controller.restart(AbortSignal.timeout(300)), { message: /stopped while the registry was starting/ })
  t.equal(controller.pid, pid)
  t.ok(await answers(controller), 'the old one serves')
  const restarted = t.rejects(controller.restart(never()))
  await delay(200)
  const begun = Date.now()
  await controller.stop()
  await restarted
  t.ok(Date.now() - begun < 5000)
  t.same(await registriesOf(options.stateDirectory), [])
})

await eachRegistry(t, 'a port of its own that the registry takes: two cannot run at once, so the old one stops first', async (t, tool) => {
  const port = await freePort()
  const { controller, options } = await controllerFor(t, tool.path, { environment: { ...process.env, REGISTRY_HTTP_DEBUG_ADDR: `127.0.0.1:${port}` } })
  await controller.start()
  t.equal(controller.restartsSeamlessly, false)
  const { pid } = controller
  await controller.restart(never())
  await until('it answers', () => answers(controller))
  t.not(controller.pid, pid)
  t.equal((await registriesOf(options.stateDirectory)).length, 1)
  t.equal((await start(t, tool.path)).controller.restartsSeamlessly, true)
})

await eachRegistry(t, 'restart lets a running transfer finish', async (t, tool) => {
  const { controller, options } = await start(t, tool.path)
  const url = controller.url()
  const begun = await request(url, 'POST', '/v2/slow/blobs/uploads/')
  const location = new URL(begun.headers.location!, url)
  // The first half of a chunk is under way while the registry is told to end.
  const upload = spawn('curl', ['-sS', '-o', '/dev/null', '-w', '%{http_code}', '-X', 'PATCH', '-H', 'Content-Type: application/octet-stream', '-H', 'Transfer-Encoding: chunked', '-H', 'Expect:', '-T', '-', location.href], { stdio: ['pipe', 'pipe', 'inherit'] })
  let status = ''
  upload.stdout.on('data', (chunk: Buffer) => { status += chunk.toString() })
  upload.stdin.write('x'.repeat(1024 * 1024))
  const data = join(options.storageRoot, 'docker/registry/v2/repositories/slow/_uploads', location.pathname.split('/').at(-1)!, 'data')
  await until('the registry has begun to read', () => stat(data).then(({ size }) => size > 0, () => false))
  const restarted = controller.restart(never())
  await delay(200)
  upload.stdin.end('y'.repeat(1024))
  await once(upload, 'close')
  t.equal(status, '202')
  await restarted
  t.ok(await answers(controller))
})

await eachRegistry(t, 'an upload that was begun before a restart goes on after it: the secret stays', async (t, tool) => {
  const { controller, options } = await start(t, tool.path)
  const begun = await request(controller.url(), 'POST', '/v2/team/app/blobs/uploads/')
  const secret = await readFile(join(options.stateDirectory, 'registry-secret'), 'utf8')
  t.equal((await stat(join(options.stateDirectory, 'registry-secret'))).mode & 0o777, 0o600)
  await controller.restart(never())
  await until('it answers', () => answers(controller))
  const { pathname, search } = new URL(begun.headers.location!, controller.url())
  const patched = await request(controller.url(), 'PATCH', pathname + search, { body: 'abc', headers: { 'content-type': 'application/octet-stream' } })
  t.equal(patched.status, 202)

  await controller.stop()
  const again = await start(t, tool.path, { stateDirectory: options.stateDirectory, storageRoot: options.storageRoot })
  t.equal(await readFile(join(again.options.stateDirectory, 'registry-secret'), 'utf8'), secret)
})

await eachRegistry(t, 'collects: an unused blob goes; an empty registry is no failure; never with -m', async (t, tool) => {
  const { controller, options } = await start(t, tool.path)
  t.match(await controller.collect(never()), { outcome: 'collected' }, 'nothing was ever pushed')
  const content = await image('collected')
  await push(controller.url(), 'team/app', 'v1', content)
  t.match(await controller.collect(never()), { outcome: 'collected', output: /0 blobs and 0 manifests eligible for deletion/ })
  t.equal((await request(controller.url(), 'DELETE', `/v2/team/app/manifests/${content.digest}`)).status, 202)
  t.match(await controller.collect(never()), { outcome: 'collected', output: /[1-9]\d* blobs and 0 manifests eligible for deletion/ })
  t.same(await registriesOf(options.stateDirectory).then((lines) => lines.filter((line) => line.includes('garbage-collect'))), [])
})

await eachRegistry(t, 'the user\'s configuration: its storage and secret count; address and TLS are Delgate\'s', async (t, tool) => {
  const files = await writeRegistryConfig(await temporaryDirectory(t), {}, 1)
  const text = JSON.parse(await readFile(files.config, 'utf8')) as { http: object }
  await writeFile(files.config, JSON.stringify({ ...text, http: { ...text.http, tls: { certificate: '/nowhere', key: '/nowhere' } } }))
  const environment = { ...process.env, REGISTRY_HTTP_TLS_CERTIFICATE: '/nowhere' }
  const { controller } = await controllerFor(t, tool.path, { config: files.config, environment })
  const source = await controller.start()
  t.ok(await answers(controller))
  t.equal(source.environment['REGISTRY_HTTP_SECRET'], undefined, 'the file has one')
  await push(controller.url(), 'team/app', 'v1', await image('own configuration'))
  t.ok(await stat(join(files.storage, 'docker/registry/v2/repositories/team/app')))
})

await eachRegistry(t, 'a registry that cannot start is an error that says why, and leaves nothing', async (t, tool) => {
  const directory = await temporaryDirectory(t)
  const config = join(directory, 'config.yml')
  await writeFile(config, 'version: 0.1\nstorage: { nosuchdriver: {} }\n')
  const { controller, options } = await controllerFor(t, tool.path, { config })
  await t.rejects(controller.start(), { name: 'SetupError', message: /did not start: .*nosuchdriver/ })
  t.same(await registriesOf(directory), [])
  t.same(await registriesOf(options.stateDirectory), [])
})

await eachRegistry(t, 'a port that was taken meanwhile: another one', async (t, tool) => {
  const { controller } = await start(t, tool.path)
  const port = Number(new URL(controller.url()).port)
  const thief = createServer()
  t.teardown(() => thief.close())
  process.kill(controller.pid!, 'SIGKILL')
  await until('the port is free and taken', () => new Promise<boolean>((resolve) => {
    thief.once('error', () => resolve(false))
    thief.listen(port, '127.0.0.1', () => resolve(true))
  }), 30_000, 1)
  await until('it answers', () => answers(controller))
  t.not(Number(new URL(controller.url()).port), port)
  t.equal((thief.address() as AddressInfo).port, port)
})

await eachRegistry(t, 'after a kill -9 of Delgate the next one ends the registry that was left, and only that', async (t, tool) => {
  const { controller, options } = await controllerFor(t, tool.path)
  const first = spawn(process.execPath, [...process.execArgv, fileURLToPath(new URL('../support/run-controller.ts', import.meta.url)), JSON.stringify(options)], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => first.kill('SIGKILL'))
  let said = ''
  first.stdout.on('data', (chunk: Buffer) => { said += chunk.toString() })
  const left = await until('the first controller runs a registry', () => /registry (\d+)/.exec(said)?.[1])

  await t.rejects(controller.start(), { name: 'SetupError', message: /another Delgate \(process \d+\) runs the registry/ }, 'not while the first one runs')
  first.kill('SIGKILL')
  await once(first, 'close')
  t.equal((await registriesOf(options.stateDirectory)).length, 1, 'an orphan')

  const { controller: second, logged } = await start(t, tool.path, { stateDirectory: options.stateDirectory, storageRoot: options.storageRoot })
  t.match(logged, [{ level: 'warn', message: 'ended a process that an earlier run left behind', fields: { pid: Number(left) } }])
  t.equal((await registriesOf(options.stateDirectory)).length, 1)
  t.ok(await answers(second))
})

await eachRegistry(t, 'after a kill -9 during a restart the next Delgate ends both registries', async (t, tool) => {
  const { options } = await controllerFor(t, tool.path)
  const first = spawn(process.execPath, [...process.execArgv, fileURLToPath(new URL('../support/run-controller.ts', import.meta.url)), JSON.stringify(options), 'restart'], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => first.kill('SIGKILL'))
  let said = ''
  first.stdout.on('data', (chunk: Buffer) => { said += chunk.toString() })
  await until('the other registry serves', () => said.includes('restarted'))
  t.equal((await registriesOf(options.stateDirectory)).length, 2, 'the old one is still needed')
  first.kill('SIGKILL')
  await once(first, 'close')

  const { logged } = await start(t, tool.path, { stateDirectory: options.stateDirectory, storageRoot: options.storageRoot })
  t.equal(logged.filter(({ message }) => message === 'ended a process that an earlier run left behind').length, 2)
  t.equal((await registriesOf(options.stateDirectory)).length, 1)
})

await eachRegistry(t, 'a collection that an earlier Delgate left running is ended before the registry starts', async (t, tool) => {
  // It must never run beside a registry that takes pushes: it would sweep what they bring.
  const binary = await script(t, `if [ "$1" = garbage-collect ]; then exec sleep 61; fi\nexec "${tool.path}" "$@"`)
  const { options } = await controllerFor(t, binary)
  const first = spawn(process.execPath, [...process.execArgv, fileURLToPath(new URL('../support/run-controller.ts', import.meta.url)), JSON.stringify(options), 'collect'], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => first.kill('SIGKILL'))
  const noted = join(options.stateDirectory, 'collect.pid')
  const left = await until('a collection runs', () => readFile(noted, 'utf8').then((text) => (JSON.parse(text) as { pid: number }).pid, () => undefined))
  first.kill('SIGKILL')
  await once(first, 'close')
  t.doesNotThrow(() => process.kill(left, 0), 'it runs on')

  const { logged } = await start(t, binary, { stateDirectory: options.stateDirectory, storageRoot: options.storageRoot })
  t.match(logged.filter(({ level }) => level === 'warn').map(({ fields }) => fields['pid']), [left, Number])
  t.notMatch((await run('ps', ['-o', 'stat=', '-p', String(left)])).stdout, /^[^Z]/, 'ended')
  await t.rejects(stat(noted), { code: 'ENOENT' })
})

await eachRegistry(t, 'what an earlier Delgate had no time to note is ended all the same', async (t, tool) => {
  const { options } = await controllerFor(t, tool.path)
  const first = spawn(process.execPath, [...process.execArgv, fileURLToPath(new URL('../support/run-controller.ts', import.meta.url)), JSON.stringify(options)], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => first.kill('SIGKILL'))
  let said = ''
  first.stdout.on('data', (chunk: Buffer) => { said += chunk.toString() })
  const left = await until('the first controller runs a registry', () => /registry (\d+)/.exec(said)?.[1])
  await rm(join(options.stateDirectory, 'registry.pid'))
  const other = await controllerFor(t, tool.path, { stateDirectory: options.stateDirectory })
  await t.rejects(other.controller.start(), { name: 'SetupError', message: /another Delgate \(process \d+\) runs process \d+/ }, 'not while the first one runs')
  first.kill('SIGKILL')
  await once(first, 'close')
  const { logged } = await start(t, tool.path, { stateDirectory: options.stateDirectory, storageRoot: options.storageRoot })
  t.match(logged, [{ message: 'ended a process that an earlier run left behind', fields: { pid: Number(left) } }])
  t.equal((await registriesOf(options.stateDirectory)).length, 1)
})

test('a process that got the number of an earlier registry is left alone', async (t) => {
  const bystander = spawn('sleep', ['60'], { detached: true })
  t.teardown(() => bystander.kill('SIGKILL'))
  await once(bystander, 'spawn')
  const { PidFile } = await import('../../src/registry/pid-file.js')
  const path = join(await temporaryDirectory(t), 'registry.pid')
  const file = new PidFile(path, 'registry')
  for (const text of [
    JSON.stringify({ pid: bystander.pid, started: 'some boot 1', owner: { pid: 1, started: 'x' } }),
    JSON.stringify({ pid: -1, started: 'x', owner: { pid: 1, started: 'x' } }),
    JSON.stringify({ pid: bystander.pid }),
    '{"pid":', ''
  ]) {
    await writeFile(path, text)
    t.equal(await file.endOrphan(0.1), undefined)
  }
  t.equal(bystander.exitCode, null)
  t.equal(bystander.signalCode, null)
})

/** A script in the registry's place. */
async function script (t: Test, text: string): Promise<string> {
  const path = join(await temporaryDirectory(t), 'registry')
  await writeFile(path, `#!/bin/sh\n${text}\n`, { mode: 0o755 })
  return path
}

await eachRegistry(t, 'a registry that ignores SIGTERM is killed; another restart kills it sooner', async (t, tool) => {
  // The shell ignores the signal and stays the parent; the registry below it is in the same group.
  const binary = await script(t, `trap '' TERM\n"${tool.path}" "$@" &\nwhile :; do wait; sleep 0.1; done`)
  const { controller, options, logged } = await start(t, binary, { stopTimeoutSeconds: 0.3 })
  await controller.restart(never())
  t.ok(await answers(controller))
  await until('the old one is killed', () => logged.some(({ message }) => message === 'registry did not stop in time and was killed'))
  await controller.stop()
  t.same(await registriesOf(options.stateDirectory), [])

  const { controller: patient, options: others } = await start(t, binary, { stopTimeoutSeconds: 120 })
  await patient.restart(never())
  await patient.restart(never()) // does not wait for the first one either
  t.ok(await answers(patient))
  // So that the test need not wait for the stop.
  for (const line of await registriesOf(others.stateDirectory)) {
    try {
      process.kill(Number(/^\s*(\d+)/.exec(line)![1]), 'SIGKILL')
    } catch {
      // It has ended meanwhile.
    }
  }
})

await eachRegistry(t, 'a wrapper script that ends at once: the registry below it is waited for', async (t, tool) => {
  const binary = await script(t, `"${tool.path}" "$@" &\nwait`)
  const { controller, options } = await start(t, binary)
  for (let round = 0; round < 3; round++) await controller.restart(never())
  t.ok(await answers(controller))
  await until('the old ones are gone', async () => (await registriesOf(options.stateDirectory)).filter((line) => line.includes(tool.path) && !line.includes('/bin/sh')).length === 1)
  await controller.stop()
  t.same(await registriesOf(options.stateDirectory), [])
})

await eachRegistry(t, 'a collection ends when it is aborted, or when the controller stops; its output is kept', async (t, tool) => {
  const binary = await script(t, `if [ "$1" = garbage-collect ]; then echo "marking"; shift; exec sleep 60; fi\nexec "${tool.path}" "$@"`)
  const { controller, options } = await start(t, binary)
  const isRunning = () => stat(join(options.stateDirectory, 'collect.pid')).then(() => true, () => false)
  const abort = new AbortController()
  const aborted = controller.collect(abort.signal)
  await until('it runs', isRunning)
  abort.abort()
  t.match(await aborted, { outcome: 'failed', exitCode: undefined, output: /aborted$/ })
  t.notOk(await isRunning())

  const stopped = controller.collect(never())
  await until('it runs', isRunning)
  await controller.stop()
  t.match(await stopped, { outcome: 'failed', exitCode: undefined })
  t.match(await controller.collect(never()), { outcome: 'failed', output: 'not started: aborted' })
})

await eachRegistry(t, 'a collection that fails tells the end of what it said', async (t, tool) => {
  const binary = await script(t, `if [ "$1" = garbage-collect ]; then seq 1 100000; echo "it hurts" >&2; exit 3; fi\nexec "${tool.path}" "$@"`)
  const { controller } = await start(t, binary)
  const outcome = await controller.collect(never())
  t.match(outcome, { outcome: 'failed', exitCode: 3, output: /it hurts/ })
  t.ok(outcome.output.length < 5000)
})

test('a registry that never listens', async (t) => {
  const { controller, options } = await controllerFor(t, await script(t, 'exec sleep 60 # $@'), { readyTimeoutSeconds: 0.3 })
  await t.rejects(controller.start(), { name: 'SetupError', message: /did not start: it said nothing/ })
  t.same(await registriesOf(options.stateDirectory), [])
})

test('no registry to be found', async (t) => {
  const { controller } = await controllerFor(t, '/nowhere/registry')
  await t.rejects(controller.start(), { name: 'SetupError', message: /"registry\.process\.binary": \/nowhere\/registry is not a program/ })
  const { controller: other } = await controllerFor(t, 'no-such-registry')
  await t.rejects(other.start(), { name: 'SetupError', message: /no registry found: no-such-registry is not on the PATH/ })
})

test('a directory that cannot be made', async (t) => {
  const file = join(await temporaryDirectory(t), 'file')
  await writeFile(file, '')
  const { controller } = await controllerFor(t, '/bin/true', { stateDirectory: join(file, 'state') })
  await t.rejects(controller.start(), { name: 'SetupError', message: /^setting "state\.directory": the directory .*file\/state cannot be made or written to: ENOTDIR$/ })
  const { controller: other } = await controllerFor(t, '/bin/true', { storageRoot: join(file, 'data') })
  await t.rejects(other.start(), { name: 'SetupError', message: /^setting "storage\.root": / })
})

await eachRegistry(t, 'process ids that cannot be written do not stop the registry: the disk may be full', async (t, tool) => {
  const directory = await temporaryDirectory(t)
  await mkdir(join(directory, 'registry.pid.new'))
  await mkdir(join(directory, 'registry-2.pid.new'))
  await mkdir(join(directory, 'collect.pid.new'))
  const { controller, logged } = await start(t, tool.path, { stateDirectory: directory })
  t.ok(await answers(controller))
  t.match(await controller.collect(never()), { outcome: 'collected' })
  await controller.restart(never())
  t.ok(await answers(controller))
  t.equal(logged.filter(({ message }) => message.startsWith('process id could not be written')).length, 3)
})
