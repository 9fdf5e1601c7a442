/** docker push and pull through Delgate in this process, with the registry in a container as its image has it. */
import t, { type Test } from 'tap'
import { buildImage, forget, obtainEngine, runRegistry, type RegistryContainer } from '../support/docker.js'
import { assertClean, blobsOnDisk } from '../support/disk.js'
import { startGate, type Gate } from '../support/delgate.js'
import { catalog, tagsOf } from '../support/client.js'
import { deleted } from '../support/jobs.js'
import { basic, json, request } from '../support/http.js'
import { USERS } from '../support/registry.js'
import { temporaryDirectory } from '../support/temporary.js'
import { eachRegistry, type RegistryTool } from '../support/tools.js'

t.setTimeout(600_000)
const engine = await obtainEngine(t)

/** Delgate with the docker controller, otherwise with the settings of the other tests. */
function gateInFrontOf (t: Test, registry: RegistryContainer, tool: RegistryTool): Promise<Gate> {
  return startGate(t, tool, {
    files: registry,
    settings: {
      registry: { controller: 'docker', url: registry.url, config: undefined, docker: { socket: engine.host, container: registry.name, stopTimeoutSeconds: 5 } }
    }
  })
}

t.test('docker push and pull', { skip: engine.skip }, async t => {
  await eachRegistry(t, 'scenario 1 and 37: push, delete, gone, push again, pull', async (t, tool) => {
    const registry = await runRegistry(t, engine, tool)
    const gate = await gateInFrontOf(t, registry, tool)
    const name = await buildImage(t, engine, `${gate.host}/team/some-project/app:v1`, ['one', 'two'])
    const id = await engine.docker('image', 'inspect', '--format', '{{.Id}}', name)
    await engine.docker('push', name)
    const digests = await blobsOnDisk(registry.storage)
    t.equal(digests.length, 4, 'manifest, configuration and two layers')
    const { traffic } = json<{ traffic: { pushes: number } }>(await request(gate.url, 'GET', '/delgate/v1/status'))
    // Docker looks at each blob once more after committing it: two claims, and one manifest that uses them.
    t.equal(traffic.pushes, 0, 'a push that has ended keeps no collection waiting')

    await deleted(gate.url, '/v2/team/some-project/app/manifests/v1')
    await assertClean(t, registry, { digests, repositories: ['team/some-project/app'] })
    t.same(await catalog(gate.url), [])

    t.notMatch(await engine.docker('push', name), /Layer already exists/, 'every layer is uploaded again')
    t.same((await blobsOnDisk(registry.storage)).length, 4)
    await forget(engine, name)
    await engine.docker('pull', name)
    t.equal(await engine.docker('image', 'inspect', '--format', '{{.Id}}', name), id)
  })

  await eachRegistry(t, 'scenario 5 and 26: pushes that run beside deletions, collections and restarts', async (t, tool) => {
    const registry = await runRegistry(t, engine, tool)
    const gate = await gateInFrontOf(t, registry, tool)
    const numbers = [0, 1, 2, 3, 4]
    const kept = await Promise.all(numbers.map(n => buildImage(t, engine, `${gate.host}/kept:v${n}`, ['shared', `kept ${n}`])))
    const gone = await Promise.all(numbers.map(n => buildImage(t, engine, `${gate.host}/gone:v${n}`, ['shared', `gone ${n}`])))
    for (const name of gone) await engine.docker('push', name)

    await Promise.all([
      ...kept.map(name => engine.docker('push', name)),
      ...numbers.map(n => deleted(gate.url, `/v2/gone/manifests/v${n}`))
    ])
    t.same(await tagsOf(gate.url, 'gone'), undefined)
    for (const name of kept) {
      await forget(engine, name)
      await engine.docker('pull', name)
    }
    await deleted(gate.url, '/v2/kept')
    await assertClean(t, registry, { digests: [], repositories: ['kept', 'gone'] })
    t.same(await blobsOnDisk(registry.storage), [])
  })

  await eachRegistry(t, 'scenario 6 and 37: a manifest list of two platforms', async (t, tool) => {
    const registry = await runRegistry(t, engine, tool)
    const gate = await gateInFrontOf(t, registry, tool)
    const docker = engine.withConfig(await temporaryDirectory(t))
    const list = `${gate.host}/team/multi:v1`
    const children = [`${gate.host}/team/multi:amd64`, `${gate.host}/team/multi:arm64`]
    const pushList = async (): Promise<void> => {
      for (const [at, name] of children.entries()) {
        await buildImage(t, engine, name, ['multi shared', `multi ${at}`])
        await docker.docker('push', name)
      }
      await docker.docker('manifest', 'create', '--insecure', list, ...children)
      await docker.docker('manifest', 'annotate', '--os', 'linux', '--arch', 'arm64', list, children[1] ?? '')
      await docker.docker('manifest', 'push', '--insecure', '--purge', list)
    }
    await pushList()
    const digests = await blobsOnDisk(registry.storage)
    await deleted(gate.url, '/v2/team/multi/manifests/v1')
    t.same(await tagsOf(gate.url, 'team/multi'), ['amd64', 'arm64'], 'children with a tag of their own stay')
    await deleted(gate.url, '/v2/team/multi/tags/list')
    await assertClean(t, registry, { digests, repositories: ['team/multi'] })

    await pushList()
    await forget(engine, children[0] ?? '')
    await docker.docker('pull', list)
    t.teardown(() => engine.tryDocker('rmi', '--force', list))
  })

  await eachRegistry(t, 'scenario 37 and 38: with htpasswd', async (t, tool) => {
    const registry = await runRegistry(t, engine, tool, { htpasswd: true })
    const gate = await gateInFrontOf(t, registry, tool)
    const docker = engine.withConfig(await temporaryDirectory(t))
    const name = await buildImage(t, engine, `${gate.host}/private/app:v1`, ['private', 'layers'])
    t.not((await docker.tryDocker('push', name)).code, 0, 'not without logging in')
    await docker.docker('login', '--username', 'alice', '--password', USERS.alice, gate.host)
    await docker.docker('push', name)

    t.equal((await request(gate.url, 'DELETE', '/v2/private/app/manifests/v1')).status, 401)
    await docker.docker('pull', name)
    await deleted(gate.url, '/v2/private/app/manifests/v1', { headers: basic('alice', USERS.alice) })
    t.same(await blobsOnDisk(registry.storage), [])
    t.notMatch(await docker.docker('push', name), /Layer already exists/)
    await forget(engine, name)
    await docker.docker('pull', name)
  })
})
