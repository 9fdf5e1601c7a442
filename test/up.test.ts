/** `npm run up`: one command to a registry with Delgate in front, and no process left when it stops. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { pull, push } from './support/client.js'
import { expectStatus, request } from './support/http.js'
import { image } from './support/images.js'
import { run } from './support/processes.js'
import { temporaryDirectory, until } from './support/temporary.js'
import { eachRegistry } from './support/tools.js'
import type { RegistryTool } from './support/tools.js'

interface Up {
  readonly npm: ChildProcess
  readonly data: string
  readonly url: string
  /** Command lines of everything that works with the data, and of the script. */
  processes (): Promise<string[]>
}

async function up (t: Test, tool: RegistryTool): Promise<Up> {
  const data = join(await temporaryDirectory(t), 'data')
  const env = { ...process.env, DELGATE_REGISTRY_BIN: tool.path, DELGATE_DATA: data, DELGATE_PORT: '0', DELGATE_HOST: '127.0.0.1' }
  const npm = spawn('npm', ['run', '--silent', 'up'], { env, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  let said = ''
  for (const stream of [npm.stdout, npm.stderr]) stream.on('data', (chunk: Buffer) => { said += chunk.toString() })
  const processes = async (): Promise<string[]> => {
    const { stdout } = await run('ps', ['-eo', 'pid=,stat=,args=', 'e'])
    return stdout.split('\n').filter((line) => line.includes(data) && !/^\s*\d+\s+Z/.test(line))
  }
  t.teardown(async () => {
    for (const line of await processes()) process.kill(Number.parseInt(line), 'SIGKILL')
  })
  const url = await until('the ready line', () => {
    if (npm.exitCode !== null) throw new Error(`npm run up ended: ${said}`)
    return /ready on (http:\S+)/.exec(said)?.[1]
  }, 120_000)
  return { npm, data, url, processes }
}

await eachRegistry(t, 'npm run up: push, delete, push again, pull; SIGTERM to npm stops everything', async (t, tool) => {
  const { npm, data, url, processes } = await up(t, tool)
  const content = await image('up')
  await push(url, 'team/app', 'v1', content)
  expectStatus(await request(url, 'DELETE', '/v2/team/app/manifests/v1', { headers: { prefer: 'wait=30' } }), 202, 'DELETE')
  await push(url, 'team/app', 'v1', content)
  await pull(url, 'team/app', 'v1', content)
  t.ok(await stat(join(data, 'registry/docker/registry/v2/repositories/team/app')))
  t.ok(await stat(join(data, 'delgate')))

  npm.kill('SIGTERM')
  await until('nothing is left', async () => (await processes()).length === 0)
})

await eachRegistry(t, 'Ctrl-C stops everything, though it arrives twice', async (t, tool) => {
  const { npm, processes } = await up(t, tool)
  process.kill(-npm.pid!, 'SIGINT') // as a terminal does; npm passes it on once more
  await once(npm, 'exit')
  await until('nothing is left', async () => (await processes()).length === 0)
})

await eachRegistry(t, 'when the script itself is killed, Delgate and the registry stop too', async (t, tool) => {
  const { processes } = await up(t, tool)
  const script = (await processes()).find((line) => / node \S*scripts\/up\.mjs/.test(line) && !line.includes('sh -c'))
  t.ok(script)
  process.kill(Number.parseInt(script!), 'SIGKILL')
  await until('nothing is left', async () => (await processes()).length === 0)
})
