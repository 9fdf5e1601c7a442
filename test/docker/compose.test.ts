/** The built image and docker-compose.yml, as a user starts them. */
import t, { type Test } from 'tap'
import { buildImage, composeCommand, forget, nodeImage, obtainEngine, registryImage, runContainer } from '../support/docker.js'
import { catalog } from '../support/client.js'
import { json, request } from '../support/http.js'
import { deleted } from '../support/jobs.js'
import { mustRun, type Ended } from '../support/processes.js'
import { freePort, until } from '../support/temporary.js'
import { eachRegistry, type RegistryTool } from '../support/tools.js'

const BUILD_TIMEOUT = 450_000
t.setTimeout(900_000)
const engine = await obtainEngine(t)
const compose = await composeCommand()
const skip = engine.skip || compose.skip
const image = `delgate-test/delgate:${process.pid}`

interface Project {
  readonly host: string
  readonly url: string
  /** Of Delgate's container. */
  readonly id: string
  /** Runs a command of Compose. */
  readonly up: (...args: string[]) => Promise<Ended>
  /** A field of the state of Delgate's container. */
  readonly state: (field: string) => Promise<string>
}

/** Starts these files, and waits until Delgate is healthy; everything goes when the test ends. */
async function startProject (t: Test, tool: RegistryTool, name: string, files: readonly string[]): Promise<Project> {
  const host = `127.0.0.1:${await freePort()}`
  const env = {
    DOCKER_HOST: engine.host,
    COMPOSE_PROJECT_NAME: `delgate-${name}-${process.pid}-${tool.version.replace('.', '')}`,
    REGISTRY_IMAGE: await registryImage(engine, tool),
    DELGATE_IMAGE: image,
    DELGATE_PORT: host,
    ENGINE_SOCKET: engine.host.replace('unix://', '')
  }
  const [program = '', ...first] = compose.command
  const up = (...args: string[]): Promise<Ended> => mustRun(program, [...first, ...files.flatMap(file => ['-f', file]), ...args], { env })
  t.teardown(() => up('down', '--volumes'))
  await up('up', '--detach', '--no-build')
  const id = (await up('ps', '--quiet', 'delgate')).stdout.trim()
  const state = (field: string): Promise<string> => engine.docker('inspect', '--format', `{{.State.${field}}}`, id)
  await until('Delgate is healthy', async () => await state('Health.Status') === 'healthy', 60_000, 200)
    .catch(async error => { throw new Error(`${error}\n${(await up('logs')).stdout}`) })
  return { host, url: `http://${host}`, id, up, state }
}

t.test('docker compose up', { skip, timeout: 2 * BUILD_TIMEOUT }, async t => {
  await nodeImage(t, engine, 'node:24-alpine')
  t.teardown(() => engine.tryDocker('rmi', '--force', image))
  await mustRun('docker', ['build', '--network', 'host', '--tag', image, '.'], { env: { DOCKER_HOST: engine.host }, timeout: BUILD_TIMEOUT })

  await eachRegistry(t, 'push, delete, push again, pull; healthy; stops on SIGTERM', async (t, tool) => {
    // A registry of the same service name in another project, which Delgate must leave alone.
    const other = ['service=registry', 'project=another', 'oneoff=False'].flatMap(label => ['--label', `com.docker.compose.${label}`])
    await runContainer(t, engine, await registryImage(engine, tool), { options: other })
    const { host, url, id, up, state } = await startProject(t, tool, 'test', ['docker-compose.yml'])

    t.match(json(await request(url, 'GET', '/delgate/v1/status')), { registry: { controller: 'none' }, collector: 'online', freshness: 'evict' })
    t.notMatch(await engine.docker('inspect', id), /docker\.sock/, 'it has no socket')
    t.equal((await engine.docker('inspect', '--format', '{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}}', id)).trim(), 'true [ALL]', 'nor any other right')

    const name = await buildImage(t, engine, `${host}/team/app:v1`, ['compose one', 'compose two'])
    await engine.docker('push', name)
    await deleted(url, '/v2/team/app/manifests/v1')
    t.same(await catalog(url), [])
    t.notMatch(await engine.docker('push', name), /Layer already exists/)
    await forget(engine, name)
    await engine.docker('pull', name)
    t.same(await catalog(url), ['team/app'])

    const lost = await runContainer(t, engine, image, { options: ['--volume', `${engine.host.replace('unix://', '')}:/var/run/docker.sock`, '--env', `DELGATE_REGISTRY_DOCKER_CONTAINER=${(await up('ps', '--quiet', 'registry')).stdout.trim()}`] })
    t.not(await engine.docker('wait', lost), '0', 'without the registry\'s volume it does not start')
    const said = await engine.tryDocker('logs', lost)
    t.match(said.stdout + said.stderr, /nothing is mounted at \/var\/lib\/registry/)

    await up('stop')
    t.equal(await state('ExitCode'), '0', 'ends by itself on SIGTERM')
  })

  await eachRegistry(t, 'with a filter before the engine: collected by the registry\'s own collector, restarted, and nothing else', async (t, tool) => {
    const { host, url, id, up } = await startProject(t, tool, 'filter', ['docker-compose.yml', 'docker-compose.docker.yml'])
    t.match(json(await request(url, 'GET', '/delgate/v1/status')), { registry: { controller: 'docker' }, collector: 'registry', freshness: 'restart' })
    t.notMatch(await engine.docker('inspect', '--format', '{{json .Mounts}}', id), /\/docker\.sock"/, 'it has not the engine\'s socket')
    const registry = (await up('ps', '--quiet', 'registry')).stdout.trim()
    const started = async (): Promise<string> => await engine.docker('inspect', '--format', '{{.State.StartedAt}}', registry)
    const before = await started()
    const name = await buildImage(t, engine, `${host}/team/app:v1`, ['filter one', 'filter two'])
    await engine.docker('push', name)
    const receipt = await deleted(url, '/v2/team/app/manifests/v1')
    t.ok(receipt.counts.blobs > 0, 'the blobs are gone')
    t.not(await started(), before, 'the registry was restarted')
    t.notMatch(await engine.docker('push', name), /Layer already exists/)
    t.notMatch((await up('logs', 'engine')).stdout, /"refused":"POST"/, 'nothing that Delgate needs was refused')
  })
})
