/** The built image and docker-compose.yml, as a user starts them. */
import t from 'tap'
import { buildImage, forget, nodeImage, obtainEngine, registryImage, runContainer } from '../support/docker.js'
import { catalog } from '../support/client.js'
import { json, request } from '../support/http.js'
import { deleted } from '../support/jobs.js'
import { mustRun, run } from '../support/processes.js'
import { freePort, until } from '../support/temporary.js'
import { eachRegistry } from '../support/tools.js'

const BUILD_TIMEOUT = 280_000
t.setTimeout(900_000)
const engine = await obtainEngine(t)
const compose = await composeCommand()
const skip = engine.skip || skipWithoutCompose()
const image = `delgate-test/delgate:${process.pid}`

/** `docker compose` (v2), else `docker-compose`. */
async function composeCommand (): Promise<string[] | undefined> {
  for (const [program = '', ...args] of [['docker', 'compose'], ['docker-compose']]) {
    const ended = await run(program, [...args, 'version']).catch(() => undefined)
    if (ended?.code === 0) return [program, ...args]
  }
  return undefined
}

function skipWithoutCompose (): string | false {
  if (compose !== undefined) return false
  const message = 'docker compose is missing: install the Debian package docker-compose, or the plugin'
  if (process.env.CI === 'true') throw new Error(`nothing may be skipped in CI: ${message}`)
  return message
}

t.test('docker compose up', { skip, timeout: 2 * BUILD_TIMEOUT }, async t => {
  await nodeImage(t, engine, 'node:24-alpine')
  t.teardown(() => engine.tryDocker('rmi', '--force', image))
  await mustRun('docker', ['build', '--network', 'host', '--tag', image, '.'], { env: { DOCKER_HOST: engine.host }, timeout: BUILD_TIMEOUT })

  await eachRegistry(t, 'push, delete, push again, pull; healthy; stops on SIGTERM', async (t, tool) => {
    const project = `delgate-test-${process.pid}-${tool.version.replace('.', '')}`
    const port = await freePort()
    const env = {
      DOCKER_HOST: engine.host,
      COMPOSE_PROJECT_NAME: project,
      REGISTRY_IMAGE: await registryImage(engine, tool),
      DELGATE_IMAGE: image,
      DELGATE_PORT: `127.0.0.1:${port}`
    }
    const [program = '', ...first] = compose ?? []
    const up = (...args: string[]) => mustRun(program, [...first, ...args], { env })
    t.teardown(() => up('down', '--volumes'))
    // A registry of the same service name in another project, which Delgate must leave alone.
    const other = ['service=registry', 'project=another', 'oneoff=False'].flatMap(label => ['--label', `com.docker.compose.${label}`])
    await runContainer(t, engine, env.REGISTRY_IMAGE, { options: other })
    await up('up', '--detach', '--no-build')
    const url = `http://127.0.0.1:${port}`
    const id = (await up('ps', '--quiet', 'delgate')).stdout.trim()
    const state = (field: string) => engine.docker('inspect', '--format', `{{.State.${field}}}`, id)
    await until('Delgate is healthy', async () => await state('Health.Status') === 'healthy', 60_000, 200)
      .catch(async error => { throw new Error(`${error}\n${(await up('logs')).stdout}`) })

    t.match(json(await request(url, 'GET', '/delgate/v1/status')), { registry: { controller: 'none' }, collector: 'online', freshness: 'evict' })
    t.notMatch(await engine.docker('inspect', id), /docker\.sock/, 'it has no socket')
    t.equal((await engine.docker('inspect', '--format', '{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}}', id)).trim(), 'true [ALL]', 'nor any other right')

    const name = await buildImage(t, engine, `127.0.0.1:${port}/team/app:v1`, ['compose one', 'compose two'])
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
})
