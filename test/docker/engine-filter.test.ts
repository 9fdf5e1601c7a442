/** What the filter lets through to a real Docker Engine, and what not. */
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { request as httpRequest, type RequestOptions } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createFilter } from '../../src/engine-filter/filter.js'
import { push } from '../support/client.js'
import { CONFIG_PATHS, obtainEngine, runRegistry } from '../support/docker.js'
import { image } from '../support/images.js'
import { until } from '../support/temporary.js'
import { eachRegistry } from '../support/tools.js'

t.setTimeout(300_000)
const engine = await obtainEngine(t)
const skip = engine.skip

interface Said { readonly status: number, readonly text: string }

async function startFilter (t: Test, container: string, mayCollect = true): Promise<{ ask: (method: string, path: string, body?: unknown, more?: RequestOptions) => Promise<Said>, refused: string[] }> {
  const directory = await mkdtemp(join(tmpdir(), 'delgate-filter-'))
  await chmod(directory, 0o700)
  const refused: string[] = []
  const server = createFilter({ container, engine: engine.host.replace('unix://', ''), configs: Object.values(CONFIG_PATHS), mayCollect, onRefused: (method, target) => { refused.push(`${method} ${target}`) } })
  const socketPath = join(directory, 'docker.sock')
  await new Promise<void>(resolve => { server.listen(socketPath, resolve) })
  t.teardown(async () => {
    server.close()
    server.closeAllConnections()
    await rm(directory, { recursive: true })
  })
  const ask = async (method: string, path: string, body?: unknown, more: RequestOptions = {}): Promise<Said> => await new Promise((resolve, reject) => {
    const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body)
    httpRequest({ socketPath, method, path, agent: false, ...more, headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text), ...more.headers as object } }, answer => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => { resolve({ status: answer.statusCode!, text: Buffer.concat(chunks).toString() }) }).on('error', reject)
    }).on('error', reject).end(text)
  })
  return { ask, refused }
}

await t.test('with an engine', { skip }, async t => {
  await eachRegistry(t, 'what Delgate needs is let through', async (t, tool) => {
    const { name, url } = await runRegistry(t, engine, tool)
    await push(url, 'app', 'v1', await image('collected'))
    const { ask, refused } = await startFilter(t, name)
    const config = CONFIG_PATHS[tool.version]
    const { Id: id } = JSON.parse((await ask('GET', `/containers/${name}/json`)).text) as { Id: string }
    t.match(id, /^[0-9a-f]{64}$/)
    t.equal((await ask('GET', `/v1.41/containers/${id}/json?size=1`)).status, 200)
    t.equal((await ask('GET', '/_ping')).text, 'OK')
    t.match((await ask('GET', `/containers/${id}/archive?path=${encodeURIComponent(config)}`)).text, /storage/)
    const made = await ask('POST', `/containers/${id}/exec`, { Cmd: ['registry', 'garbage-collect', config], AttachStdout: true, AttachStderr: true, Privileged: true, User: 'root', Env: ['X=1'] })
    t.equal(made.status, 201)
    const { Id: exec } = JSON.parse(made.text) as { Id: string }
    const described = JSON.parse(await engine.docker('inspect', '--format', '{{json .ExecIDs}}', name)) as string[]
    t.same(described, [exec])
    t.equal((await ask('POST', `/exec/${exec}/start`, { Detach: true, Tty: true })).status, 200)
    const ended = await until('the engine has noticed its end', async () => {
      const state = JSON.parse((await ask('GET', `/exec/${exec}/json`)).text) as { Running: boolean }
      return !state.Running && state
    })
    t.match(ended, { Running: false, ExitCode: 0, ProcessConfig: { privileged: false, tty: false, arguments: ['garbage-collect', config] } }, 'and nothing else with it')
    const started = await engine.docker('inspect', '--format', '{{.State.StartedAt}}', name)
    t.equal((await ask('POST', `/containers/${id}/restart?t=5&signal=SIGKILL`)).status, 204)
    t.not(await engine.docker('inspect', '--format', '{{.State.StartedAt}}', name), started)
    t.same(refused, [])
  })

  await eachRegistry(t, 'everything else is refused', async (t, tool) => {
    const { name } = await runRegistry(t, engine, tool)
    const { name: other } = await runRegistry(t, engine, tool)
    const { ask, refused } = await startFilter(t, name)
    const config = CONFIG_PATHS[tool.version]
    const foreign = await engine.docker('inspect', '--format', '{{.Id}}', other)
    const inspect = async (): Promise<unknown> => JSON.parse(await engine.docker('inspect', name, other))
    const before = await inspect()
    const exec = (Cmd: unknown): object => ({ Cmd, AttachStdout: true, AttachStderr: true })
    const calls: ReadonlyArray<readonly [method: string, path: string, body?: unknown]> = [
      ['GET', '/containers/json'], ['GET', '/info'], ['GET', '/version'], ['GET', '/events'], ['GET', '/images/json'], ['GET', '/volumes'], ['GET', '/secrets'],
      ['POST', '/containers/create', { Image: 'scratch', HostConfig: { Binds: ['/:/host'], Privileged: true } }], ['POST', '/build'], ['POST', '/images/create?fromImage=x'], ['POST', '/volumes/prune'],
      ['DELETE', `/containers/${name}`], ['POST', `/containers/${name}/stop`], ['POST', `/containers/${name}/kill`], ['POST', `/containers/${name}/start`], ['POST', `/containers/${name}/update`, { Memory: 1 }],
      ['PUT', `/containers/${name}/archive?path=/`], ['HEAD', `/containers/${name}/archive?path=/`], ['GET', `/containers/${name}/logs?stdout=1`], ['POST', `/containers/${name}/attach?stream=1`], ['GET', `/containers/${name}/export`],
      ['GET', `/containers/${name}/archive?path=/etc/passwd`], ['GET', `/containers/${name}/archive?path=${config}/../../passwd`], ['GET', `/containers/${name}/archive`], ['GET', `/containers/${name}/archive?path=/&path=${config}`],
      ['POST', `/containers/${name}/restart?t=x`], ['GET', `/containers/${name}/restart`],
      ['POST', `/containers/${name}/exec`, exec(['sh', '-c', 'id'])], ['POST', `/containers/${name}/exec`, exec(['registry', 'garbage-collect', '-m', config])], ['POST', `/containers/${name}/exec`, exec(['registry', 'serve', config])],
      ['POST', `/containers/${name}/exec`, exec(['registry', 'garbage-collect', config, '--delete-untagged'])], ['POST', `/containers/${name}/exec`, exec(['registry', 'garbage-collect', '/tmp/x.yml'])], ['POST', `/containers/${name}/exec`, exec(['/bin/sh;registry', 'garbage-collect', config])],
      ['POST', `/containers/${name}/exec`, exec('registry garbage-collect')], ['POST', `/containers/${name}/exec`, exec(undefined)], ['POST', `/containers/${name}/exec`, '{'], ['POST', `/containers/${name}/exec`, 'null'], ['POST', `/containers/${name}/exec`, ' '.repeat(100_000)],
      ['POST', `/exec/${'0'.repeat(64)}/start`, {}], ['GET', `/exec/${'0'.repeat(64)}/json`],
      ['GET', `/containers/${other}/json`], ['GET', `/containers/${foreign}/json`], ['GET', `/containers/${foreign.slice(0, 12)}/json`], ['POST', `/containers/${other}/restart`], ['POST', `/containers/${other}/exec`, exec(['registry', 'garbage-collect', config])],
      ['GET', `/containers/${name}/../${other}/json`], ['GET', `/containers/${name}%2f..%2f${other}/json`], ['GET', `//containers/${name}/json`], ['GET', `http://docker/containers/${other}/json`], ['GET', '/v1.41/../containers/json'], ['GET', `/containers/${name}/json/`]
    ]
    for (const [method, path, body] of calls) t.match((await ask(method, path, body)).status, /^(403|404)$/, `${method} ${path} ${JSON.stringify(body)?.slice(0, 80)}`)
    t.equal(refused.length, calls.length, 'each was refused here')
    t.same(await inspect(), before, 'nothing has changed')
  })

  await eachRegistry(t, 'without the right to collect; a container that does not exist', async (t, tool) => {
    const { name } = await runRegistry(t, engine, tool)
    const { ask } = await startFilter(t, name, false)
    t.equal((await ask('POST', `/containers/${name}/exec`, { Cmd: ['registry', 'garbage-collect', CONFIG_PATHS[tool.version]] })).status, 403)
    t.equal((await ask('GET', `/containers/${name}/json`)).status, 200)
    const { ask: askNone } = await startFilter(t, `${name}-none`)
    t.equal((await askNone('GET', `/containers/${name}-none/json`)).status, 404)
    t.equal((await askNone('GET', `/containers/${name}/json`)).status, 404)
  })
})
