/** The docker controller with real containers: what it finds, what it says when it cannot work, collect and restart. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { DockerController, type DockerOptions } from '../../src/registry/docker.js'
import { push } from '../support/client.js'
import { CONFIG_PATHS, obtainEngine, registryImage, runContainer, runRegistry, untilAnswers } from '../support/docker.js'
import { blobsOnDisk } from '../support/disk.js'
import { expectStatus, request } from '../support/http.js'
import { image } from '../support/images.js'
import { temporaryDirectory, until } from '../support/temporary.js'
import { eachRegistry } from '../support/tools.js'

const quiet = { info () {}, warn () {}, error () {} }
const never = new AbortController().signal
t.setTimeout(600_000)
const engine = await obtainEngine(t)

function controller (docker: DockerOptions['docker'], url = 'http://127.0.0.1:1'): DockerController {
  return new DockerController({ url, docker: { socket: engine.host, ...docker }, stopTimeoutSeconds: 2 }, quiet)
}

async function refuses (t: Test, docker: DockerOptions['docker'], message: RegExp): Promise<void> {
  await t.rejects(controller(docker).start(), { name: 'SetupError', message })
}

t.test('no engine: says so', async t => {
  const directory = await temporaryDirectory(t)
  await refuses(t, { socket: join(directory, 'none.sock'), container: 'r' }, /no Docker Engine at .*none\.sock/)
  await writeFile(join(directory, 'file'), '')
  await refuses(t, { socket: join(directory, 'file'), container: 'r' }, /nothing answers at/)
  await refuses(t, { socket: 'tcp://127.0.0.1:1', container: 'r' }, /nothing answers at .*tcp:\/\/127\.0\.0\.1:1/)
  await refuses(t, {}, /which container is the registry/)
})

t.test('start errors', { skip: engine.skip }, async t => {
  await eachRegistry(t, 'scenario 34: no such container, stopped, paused, no registry, several', async (t, tool) => {
    const registry = await registryImage(engine, tool)
    const label = `delgate.test=${process.pid}-${tool.version}`
    const first = await runContainer(t, engine, registry, { options: ['--label', label] })

    await refuses(t, { container: 'no-such-container' }, new RegExp(`no container named "no-such-container".*${first}`))
    await refuses(t, { service: 'no-such-service', project: 'shop' }, /no container of the compose service "no-such-service" in project "shop"/)
    await refuses(t, { label: 'no.such.label' }, /no container with label "no\.such\.label"/)

    const sleeper = await runContainer(t, engine, registry, { options: ['--entrypoint', '/bin/sleep'], command: ['1000'] })
    // The image holds a configuration at a default path: what tells is that the command does not name it.
    await engine.docker('exec', sleeper, 'rm', CONFIG_PATHS[tool.version])
    await refuses(t, { container: sleeper }, new RegExp(`${sleeper} .*is not a registry: its command is "/bin/sleep 1000"`))

    const second = await runContainer(t, engine, registry, { options: ['--label', label] })
    await refuses(t, { label }, new RegExp(`several containers with label(?=.*${first})(?=.*${second}).*registry\\.docker\\.container`))

    await engine.docker('pause', second)
    await refuses(t, { container: second }, new RegExp(`docker unpause ${second}`))
    await engine.docker('unpause', second)
    await engine.docker('kill', second)
    await refuses(t, { container: second }, new RegExp(`exited\\) is not running.*docker start ${second}`))
    t.equal((await controller({ label }).start()).configFrom, `${CONFIG_PATHS[tool.version]} in container ${first}`, 'the one that runs is chosen')
  })
})

t.test('what start finds', { skip: engine.skip }, async t => {
  await eachRegistry(t, 'configuration and environment of the image as it is', async (t, tool) => {
    const { name } = await runRegistry(t, engine, tool, { options: ['--env', 'REGISTRY_STORAGE_DELETE_ENABLED=true'] })
    const source = await controller({ container: name }).start()
    t.equal(source.configFrom, `${CONFIG_PATHS[tool.version]} in container ${name}`)
    t.match(source.configText, /rootdirectory: \/var\/lib\/registry/)
    t.equal(source.environment['REGISTRY_STORAGE_DELETE_ENABLED'], 'true')
  })

  await eachRegistry(t, 'a mounted configuration, a link to it, the environment, a shell', async (t, tool) => {
    const image = await registryImage(engine, tool)
    const file = join(await temporaryDirectory(t), 'mine.yml')
    await writeFile(file, 'version: 0.1\nstorage: {inmemory: {}}\nhttp: {addr: ":5000"}\n# mine\n')
    const mount = ['--volume', `${file}:/srv/mine.yml:ro`]
    const cases: Array<{ options: string[], command: string[] }> = [
      { options: mount, command: ['/srv/mine.yml'] },
      { options: [...mount, '--workdir', '/srv', '--entrypoint', '/bin/registry'], command: ['serve', 'mine.yml'] },
      { options: [...mount, '--env', 'REGISTRY_CONFIGURATION_PATH=/srv/mine.yml', '--entrypoint', '/bin/registry'], command: ['serve'] },
      { options: [...mount, '--entrypoint', '/bin/sh'], command: ['-c', 'ln -s ../srv/mine.yml /etc/linked.yml && exec registry serve /etc/linked.yml'] }
    ]
    for (const options of cases) {
      const name = await runContainer(t, engine, image, options)
      await until('configuration found', async () => (await controller({ container: name }).start().catch(() => undefined))?.configText?.includes('# mine'))
    }
  })
})

t.test('collect and restart', { skip: engine.skip }, async t => {
  await eachRegistry(t, 'collects what was deleted, restarts, answers again', async (t, tool) => {
    const registry = await runRegistry(t, engine, tool, { options: ['--env', 'REGISTRY_STORAGE_DELETE_ENABLED=true'] })
    const subject = controller({ container: registry.name }, `${registry.url}/`)
    await subject.start()
    t.equal(subject.url(), registry.url)
    t.match(await subject.collect(never), { outcome: 'collected' }, 'scenario 13: an empty registry')
    const [kept, gone] = [await image('kept'), await image('gone')]
    await push(registry.url, 'team/app', 'kept', kept)
    await push(registry.url, 'team/app', 'gone', gone)
    expectStatus(await request(registry.url, 'DELETE', `/v2/team/app/manifests/${gone.digest}`), 202, 'DELETE')

    const collected = await subject.collect(never)
    t.equal(collected.outcome, 'collected', collected.output)
    t.match(collected.output, /blob eligible for deletion: |blobs marked/)
    const expected = [kept.digest, kept.config.digest, ...kept.layers.map(({ digest }) => digest)].sort()
    t.same((await blobsOnDisk(registry.storage)).sort(), expected)

    const startedAt = () => engine.docker('inspect', '--format', '{{.State.StartedAt}}', registry.name)
    const before = await startedAt()
    await subject.restart(never)
    await untilAnswers(registry.url)
    t.not(await startedAt(), before)
    t.same((await push(registry.url, 'team/app', 'gone', gone)).uploaded.length, 3, 'what was swept is uploaded again')

    await engine.docker('stop', '--time', '1', registry.name)
    t.match(await subject.collect(never), { outcome: 'failed', output: /not running.*docker start/ })
    await subject.restart(never)
    await untilAnswers(registry.url)
    t.pass('a stopped container is started')
    await subject.stop()
    await subject.stop()
    expectStatus(await request(registry.url, 'GET', '/v2/'), 200, 'the container goes on without Delgate')
  })

  await eachRegistry(t, 'a recreated container is found again', async (t, tool) => {
    const labels = ['--label', 'com.docker.compose.service=registry', '--label', 'com.docker.compose.oneoff=False', '--label', `com.docker.compose.project=p${process.pid}`]
    const first = await runRegistry(t, engine, tool, { options: labels })
    const subject = controller({ service: 'registry', project: `p${process.pid}` }, first.url)
    await subject.start()
    await push(first.url, 'team/app', 'v1', await image('one'))
    await engine.docker('rm', '--force', first.name)
    await t.rejects(subject.restart(never), { name: 'SetupError', message: /no container of the compose service "registry"/ })
    t.match(await subject.collect(never), { outcome: 'failed', exitCode: undefined, output: /no container/ })

    const second = await runRegistry(t, engine, tool, { options: labels })
    await push(second.url, 'team/app', 'v1', await image('one'))
    t.match(await subject.collect(never), { outcome: 'collected' })
    await subject.restart(never)
    await untilAnswers(second.url)
  })

  await eachRegistry(t, 'scenario 32: a collection that fails or hangs', async (t, tool) => {
    const registry = await runRegistry(t, engine, tool)
    const subject = controller({ container: registry.name }, registry.url)
    await subject.start()
    await engine.docker('exec', registry.name, 'sh', '-c', 'rm /bin/registry && printf "#!/bin/sh\\nseq 1 20000; echo the end >&2; exit 3\\n" > /bin/registry && chmod +x /bin/registry')
    const failed = await subject.collect(never)
    t.match(failed, { outcome: 'failed', exitCode: 3 })
    t.match(failed.output.slice(-20), /20000\nthe end\n$/, 'what it said last is kept, errors at the end')
    t.ok(failed.output.length <= 4096, 'only the tail is kept')

    await engine.docker('exec', registry.name, 'sh', '-c', 'printf "#!/bin/sh\\necho hanging; exec sleep 1000\\n" > /bin/registry')
    const abort = new AbortController()
    const hanging = subject.collect(abort.signal)
    await until('the collection runs', async () => (await engine.docker('exec', registry.name, 'ps')).includes('sleep 1000'))
    abort.abort()
    t.match(await hanging, { outcome: 'failed', exitCode: undefined, output: /stopped before it ended/ })
    t.match(await subject.collect(abort.signal), { outcome: 'failed', output: /stopped/ })
    await t.rejects(subject.restart(abort.signal), 'an aborted restart is not begun')

    await engine.docker('exec', registry.name, 'rm', '/bin/registry')
    t.match(await subject.collect(never), { outcome: 'failed', output: /registry/ }, 'no program')
  })
})
