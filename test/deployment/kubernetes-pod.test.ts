/** The pod of config/kubernetes, run by a Docker Engine as its manifests say. */
import { chmod, chown, mkdir, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { catalog, pull, push } from '../support/client.js'
import { delgateImage } from '../support/delgate-image.js'
import { obtainEngine, registryImage, runContainer } from '../support/docker.js'
import { json, request } from '../support/http.js'
import { image } from '../support/images.js'
import { deleted } from '../support/jobs.js'
import { only, readManifests } from '../support/kubernetes.js'
import { freePort, temporaryDirectory, until } from '../support/temporary.js'
import { eachRegistry } from '../support/tools.js'

t.setTimeout(600_000)
const engine = await obtainEngine(t)
const manifests = await readManifests('config/kubernetes')
const pod = only(manifests, 'StatefulSet').spec!.template.spec!
const [registry, delgate] = [pod.initContainers![0]!, pod.containers[0]!]
type Container = typeof delgate
const { runAsUser, runAsGroup, fsGroup } = pod.securityContext!
const imageName = `delgate-test/pod:${process.pid}`

/** The pod's volumes as directories; the group is given them, as the kubelet does. */
async function volumes (t: Test): Promise<Map<string, string>> {
  const directory = await temporaryDirectory(t)
  const found = new Map<string, string>()
  for (const { name, configMap } of pod.volumes!) {
    const path = join(directory, name)
    await mkdir(path)
    if (configMap === undefined) {
      await mkdir(join(path, 'lost+found'))
      await chown(path, 0, fsGroup!)
      await chmod(path, 0o2775)
    } else for (const [file, text] of Object.entries(only(manifests, 'ConfigMap', configMap.name).data!)) await writeFile(join(path, file), text)
    found.set(name, path)
  }
  return found
}

/** What of a container's definition `docker run` has words for. */
function options ({ securityContext, volumeMounts, env = [] }: Container, paths: ReadonlyMap<string, string>): string[] {
  const { readOnlyRootFilesystem, allowPrivilegeEscalation, capabilities } = securityContext!
  return [
    '--user', `${runAsUser}:${runAsGroup}`,
    ...(readOnlyRootFilesystem === true ? ['--read-only'] : []),
    ...(allowPrivilegeEscalation === false ? ['--security-opt', 'no-new-privileges'] : []),
    ...(capabilities?.drop ?? []).flatMap(name => ['--cap-drop', name]),
    ...volumeMounts!.flatMap(({ name, mountPath, readOnly }) => ['--volume', `${paths.get(name)}:${mountPath}${readOnly === true ? ':ro' : ''}`]),
    ...env.flatMap(({ name, value, valueFrom }) => ['--env', `${name}=${valueFrom?.secretKeyRef === undefined ? value : 'from the secret'}`])
  ]
}

t.test('the pod', { skip: engine.skip }, async t => {
  await delgateImage(t, engine, imageName)
  await eachRegistry(t, 'starts in order, probes succeed, pushes and deletions work, and it stops', async (t, tool) => {
    const [paths, port] = [await volumes(t), await freePort()]
    // The first container has the network that both share, as the pod's own has.
    const first = await runContainer(t, engine, await registryImage(engine, tool), { options: [...options(registry, paths), '--publish', `127.0.0.1:${port}:5000`], command: registry.args! })
    for (const { exec } of [registry.startupProbe!, registry.livenessProbe!]) {
      await until('the registry is started', async () => (await engine.tryDocker('exec', first, ...exec!.command!)).code === 0, 60_000, 200)
    }
    const second = await runContainer(t, engine, imageName, { options: [...options(delgate, paths), '--network', `container:${first}`], command: delgate.args! })
    const url = `http://127.0.0.1:${port}`
    for (const { httpGet } of [delgate.startupProbe!, delgate.livenessProbe!, delgate.readinessProbe!]) {
      await until(httpGet!.path!, async () => await request(url, 'GET', httpGet!.path!, { timeout: 2_000 }).then(({ status }) => status === 200, () => false), 60_000, 200)
        .catch(async error => { throw new Error(`${error}\n${(await engine.tryDocker('logs', second)).stdout}`) })
    }
    t.match(json(await request(url, 'GET', '/delgate/v1/status')), { registry: { controller: 'none', assumed: false }, collector: 'online', freshness: 'evict' })

    const content = await image('pod')
    await push(url, 'team/app', '1', content)
    await deleted(url, '/v2/team/app/manifests/1')
    t.same(await catalog(url), [])
    t.same((await push(url, 'team/app', '1', content)).present, [])
    await pull(url, 'team/app', '1', content)
    const tree = join(paths.get('registry')!, 'docker/registry/v2')
    t.same(await Promise.all((await readdir(tree)).map(async name => (await stat(join(tree, name))).uid)), [runAsUser, runAsUser])

    await engine.docker('stop', '--time', '60', second)
    t.equal(await engine.docker('inspect', '--format', '{{.State.ExitCode}}', second), '0', 'Delgate ends by itself')
  })
})
