/** docs/docker.md: its commands and its Compose file, as they stand there. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { catalog, pull, push } from '../support/client.js'
import { delgateImage } from '../support/delgate-image.js'
import { composeCommand, obtainEngine, registryImage, runContainer, untilAnswers } from '../support/docker.js'
import { blocksOf, put } from '../support/docs.js'
import { json, request } from '../support/http.js'
import { image } from '../support/images.js'
import { deleted } from '../support/jobs.js'
import { mustRun } from '../support/processes.js'
import { freePort, temporaryDirectory, until } from '../support/temporary.js'
import { eachRegistry, type RegistryTool } from '../support/tools.js'

t.setTimeout(600_000)
const engine = await obtainEngine(t)
const compose = await composeCommand()
const mine = `delgate-docs-${process.pid}`
const content = await image('there before')

t.test('docs/docker.md', { skip: engine.skip || compose.skip }, async t => {
  await delgateImage(t, engine, mine)
  await eachRegistry(t, 'docker run', dockerRun)
  await eachRegistry(t, 'a Compose file of one\'s own', composeFile)
})

/** Commands of the page with names that nobody else has on this engine. */
async function sh (commands: string): Promise<string> {
  return (await mustRun('sh', ['-ec', commands], { env: { DOCKER_HOST: engine.host } })).stdout
}

async function dockerRun (t: Test, tool: RegistryTool): Promise<void> {
  const [moveIn, look] = await blocksOf('docker.md', 'sh') as [string, string]
  const unique = `${mine}-${tool.version.replace('.', '')}`
  const [port, image] = [await freePort(), await registryImage(engine, tool)]
  const renamed = (text: string): string => put(text, /(?<![\w/-])delgate(?![\w/-])/, unique)
  const build = 'docker build --tag delgate .'
  const before = await runContainer(t, engine, image, { name: `my-registry-${unique}`, options: ['--publish', `127.0.0.1:${port}:5000`, '--volume', `my-registry-data-${unique}:/var/lib/registry`] })
  const url = `http://127.0.0.1:${port}`
  await untilAnswers(url)
  await push(url, 'team/app', '1', content)

  t.teardown(async () => {
    await engine.tryDocker('rm', '--force', unique, before)
    await engine.tryDocker('network', 'rm', `my-registry-net-${unique}`)
    await engine.tryDocker('volume', 'rm', `my-registry-data-${unique}`, `delgate-state-${unique}`)
    await engine.tryDocker('rmi', unique)
  })
  await engine.docker('tag', mine, unique)
  const names = [[/my-registry-net\b/, `my-registry-net-${unique}`], [/my-registry-data\b/, `my-registry-data-${unique}`], [/delgate-state\b/, `delgate-state-${unique}`], [/my-registry(?!-)/, `my-registry-${unique}`]] as const
  const moving = names.reduce((text, [from, to]) => put(text, from, to), put(moveIn, build, ''))
  await sh(renamed(put(put(moving, '127.0.0.1:5000:5000', `127.0.0.1:${port}:5000`), 'registry:3', image)))
  await until('Delgate is ready', () => request(url, 'GET', '/readyz').then(({ status }) => status === 200, () => false), 60_000, 200)
  const [logs, health, status] = renamed(put(put(look, 'curl ', 'curl --silent --show-error --fail '), 'http://127.0.0.1:5000', url)).trim().split('\n') as [string, string, string]
  t.match(await sh(logs), /Delgate is ready/)
  await until('Delgate is healthy', async () => (await sh(health)).trim() === 'healthy', 60_000, 200)
  t.match(JSON.parse(await sh(status)), { registry: { controller: 'none' }, collector: 'online', freshness: 'evict' })
  await deletesAndPushes(t, url)
}

async function composeFile (t: Test, tool: RegistryTool): Promise<void> {
  const [before, after] = await blocksOf('docker.md', 'yaml') as [string, string]
  const directory = await temporaryDirectory(t)
  const port = await freePort()
  await mkdir(join(directory, 'registry'))
  const image = await registryImage(engine, tool)
  const [program = '', ...first] = compose.command
  const up = async (...args: string[]): Promise<unknown> => await mustRun(program, [...first, ...args], { cwd: directory, env: { DOCKER_HOST: engine.host, COMPOSE_PROJECT_NAME: `${mine}-${tool.version.replace('.', '')}` } })
  const write = async (text: string): Promise<void> => { await writeFile(join(directory, 'docker-compose.yml'), put(put(text, '"5000:5000"', `"127.0.0.1:${port}:5000"`), 'image: registry:3', `image: ${image}`)) }
  t.teardown(() => up('down', '--volumes'))
  const url = `http://127.0.0.1:${port}`
  await write(before)
  await up('up', '--detach')
  await untilAnswers(url)
  await push(url, 'team/app', '1', content)
  await write(put(after, 'image: delgate', `image: ${mine}`))
  await up('up', '--detach')
  await until('Delgate is ready', () => request(url, 'GET', '/readyz').then(({ status }) => status === 200, () => false), 60_000, 200)
  t.match(json(await request(url, 'GET', '/delgate/v1/status')), { registry: { controller: 'none' }, collector: 'online', freshness: 'evict' })
  await deletesAndPushes(t, url)
}

/** What was there before is pulled, deleted, and pushed anew. */
async function deletesAndPushes (t: Test, url: string): Promise<void> {
  await pull(url, 'team/app', '1', content)
  await deleted(url, '/v2/team/app/manifests/1')
  t.same(await catalog(url), [])
  t.same((await push(url, 'team/app', '1', content)).present, [])
  await pull(url, 'team/app', '1', content)
}
