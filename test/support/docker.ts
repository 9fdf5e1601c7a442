/**
 * A real Docker Engine for the tests: the one that TEST_DELGATE_DOCKER_HOST names, else one of our own, for which the
 * tests must run as root with the Debian package docker.io installed.
 */
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { request } from './http.js'
import { noise } from './images.js'
import { mustRun, run, type Ended } from './processes.js'
import { writeRegistryConfig, type RegistryFiles } from './registry.js'
import { freePort, temporaryDirectory, until } from './temporary.js'
import type { RegistryTool } from './tools.js'

const SCRIPT = 'scripts/docker-engine.sh'

/** Where each release line's official image keeps its configuration. */
export const CONFIG_PATHS = { 2.8: '/etc/docker/registry/config.yml', 3.1: '/etc/distribution/config.yml' } as const

/** An engine to test with, or why there is none. */
export interface TestEngine {
  /** The reason, or `false`. In CI there always is an engine: otherwise `obtainEngine` throws. */
  readonly skip: string | false
  /** `unix:///…/docker.sock`. */
  readonly host: string
  /** Runs the docker command, which must succeed; its standard output, trimmed. */
  docker (...args: string[]): Promise<string>
  /** Runs the docker command; its end is the caller's to judge. */
  tryDocker (...args: string[]): Promise<Ended>
  /** The same engine for a docker command with logins and manifest lists of its own, in `directory`. */
  withConfig (directory: string): TestEngine
}

/** Finds or starts an engine; one that was started stops when the test file ends. */
export async function obtainEngine (t: Test): Promise<TestEngine> {
  const given = process.env.TEST_DELGATE_DOCKER_HOST
  if (given) return engineAt(given)
  const missing = await whyNoEngine()
  if (missing !== undefined) {
    const skip = `no Docker Engine to test with: ${missing}; or set TEST_DELGATE_DOCKER_HOST`
    if (process.env.CI === 'true') throw new Error(`nothing may be skipped in CI: ${skip}`)
    return { ...engineAt(''), skip }
  }
  const directory = await mkdtemp(join(tmpdir(), 'delgate-engine-'))
  t.teardown(() => mustRun(SCRIPT, ['stop', directory]))
  await mustRun(SCRIPT, ['start', directory])
  return engineAt(`unix://${directory}/docker.sock`)
}

async function whyNoEngine (): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'starting one needs root'
  const { code } = await run('sh', ['-c', 'command -v dockerd && command -v docker && command -v busybox && command -v ip'])
  return code === 0 ? undefined : 'install the Debian packages docker.io, busybox-static and iproute2'
}

function engineAt (host: string, config?: string): TestEngine {
  const env = { DOCKER_HOST: host, ...(config === undefined ? {} : { DOCKER_CONFIG: config }) }
  return {
    skip: false,
    host,
    docker: async (...args) => (await mustRun('docker', args, { env })).stdout.trim(),
    tryDocker: (...args) => run('docker', args, { env }),
    withConfig: directory => engineAt(host, directory)
  }
}

/** `docker compose` (v2), else `docker-compose`; or why there is neither. In CI there always is one. */
export async function composeCommand (): Promise<{ readonly command: readonly string[], readonly skip: string | false }> {
  for (const command of [['docker', 'compose'], ['docker-compose']]) {
    const [program = '', ...args] = command
    const ended = await run(program, [...args, 'version']).catch(() => undefined)
    if (ended?.code === 0) return { command, skip: false }
  }
  const skip = 'docker compose is missing: install the Debian package docker-compose, or the plugin'
  if (process.env.CI === 'true') throw new Error(`nothing may be skipped in CI: ${skip}`)
  return { command: [], skip }
}

/** The name of an image laid out as the official one of this release line; made when the engine lacks it. */
export async function registryImage (engine: TestEngine, tool: RegistryTool): Promise<string> {
  const name = `delgate-test/registry:${tool.version}`
  if ((await engine.tryDocker('image', 'inspect', name)).code !== 0) {
    await mustRun(SCRIPT, ['registry-image', name, tool.path, CONFIG_PATHS[tool.version]], { env: { DOCKER_HOST: engine.host } })
  }
  return name
}

/** A registry in a container, with its storage on this machine. */
export interface RegistryContainer extends RegistryFiles {
  readonly name: string
  readonly url: string
  readonly tool: RegistryTool
}

export interface ContainerOptions {
  readonly name?: string
  /** Further options of `docker run`. */
  readonly options?: readonly string[]
  /** What to run in the image instead of its command. */
  readonly command?: readonly string[]
  /** The users of `USERS` must log in. For registries only. */
  readonly htpasswd?: boolean
}

let count = 0
const uniqueName = (): string => `delgate-test-${process.pid}-${count++}`

/** Runs a container, removed when the test ends. @returns its name. */
export async function runContainer (t: Test, engine: TestEngine, image: string, { name = uniqueName(), options = [], command = [] }: ContainerOptions = {}): Promise<string> {
  t.teardown(() => engine.tryDocker('rm', '--force', '--volumes', name))
  await engine.docker('run', '--detach', '--name', name, ...options, image, ...command)
  return name
}

/** Runs a registry as its image has it, with its storage in a directory that the test sees, and waits until it answers. */
export async function runRegistry (t: Test, engine: TestEngine, tool: RegistryTool, { options = [], htpasswd = false, ...rest }: ContainerOptions = {}): Promise<RegistryContainer> {
  const files = await writeRegistryConfig(await temporaryDirectory(t))
  const port = await freePort()
  const mine = ['--publish', `127.0.0.1:${port}:5000`, '--volume', `${files.storage}:/var/lib/registry`, '--env', 'REGISTRY_HTTP_SECRET=only for tests']
  const variables = ['REGISTRY_AUTH=htpasswd', 'REGISTRY_AUTH_HTPASSWD_REALM=test', 'REGISTRY_AUTH_HTPASSWD_PATH=/htpasswd']
  const auth = ['--volume', `${files.directory}/htpasswd:/htpasswd:ro`, ...variables.flatMap(variable => ['--env', variable])]
  const name = await runContainer(t, engine, await registryImage(engine, tool), { ...rest, options: [...mine, ...(htpasswd ? auth : []), ...options] })
  const url = `http://127.0.0.1:${port}`
  await untilAnswers(url)
  return { ...files, name, url, tool }
}

/** Waits until the registry answers `/v2/`, be it that it asks who is there. */
export async function untilAnswers (url: string): Promise<void> {
  await until(`${url} answers`, async () => {
    try {
      return [200, 401].includes((await request(url, 'GET', '/v2/', { timeout: 2_000 })).status)
    } catch {
      return false
    }
  })
}

/** Makes a small image of two layers in the engine; layers with the same seed are the same. @returns its name. */
export async function buildImage (t: Test, engine: TestEngine, name: string, seeds: readonly [string, string]): Promise<string> {
  const directory = await temporaryDirectory(t)
  for (const [at, seed] of seeds.entries()) await writeFile(join(directory, `layer${at}`), noise(seed, 20_000))
  await writeFile(join(directory, 'Dockerfile'), 'FROM scratch\nCOPY layer0 /\nCOPY layer1 /\nCMD ["/none"]\n')
  t.teardown(() => engine.tryDocker('rmi', '--force', name))
  // Without the cache: its stages are then of this image alone, and another test cannot forget them.
  await engine.docker('build', '--no-cache', '--tag', name, directory)
  return name
}

/**
 * Takes an image of `buildImage` out of the engine, so that a pull must fetch it: its stages go with it. Nothing is pruned:
 * a build that another test runs at the same time would lose its stages.
 */
export async function forget (engine: TestEngine, name: string): Promise<void> {
  await engine.docker('rmi', '--force', name)
}

/** Makes a stand-in for the Dockerfile's base image when the engine lacks it; it goes when the test ends. */
export async function nodeImage (t: Test, engine: TestEngine, name: string): Promise<void> {
  if ((await engine.tryDocker('image', 'inspect', name)).code === 0) return
  // It holds this machine's npm settings, maybe with a password: neither it nor a stage built on it may stay. Of others, a
  // build may be running.
  t.teardown(async () => {
    await engine.tryDocker('rmi', '--force', name)
    await engine.tryDocker('image', 'prune', '--force', '--filter', `label=delgate.test.node=${name}`)
  })
  await mustRun(SCRIPT, ['node-image', name], { env: { DOCKER_HOST: engine.host } })
}
