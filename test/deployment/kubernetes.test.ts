/** The manifests in config/kubernetes: what Kubernetes would say to them, and what their parts say to each other. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { loadSettings } from '../../src/config/load.js'
import { readRegistryConfig } from '../../src/config/registry-config.js'
import { manifestOf, only, problemsOf, readManifests } from '../support/kubernetes.js'
import { temporaryDirectory } from '../support/temporary.js'

const manifests = await readManifests('config/kubernetes')
const pod = only(manifests, 'StatefulSet').spec!.template.spec!
const [registry, delgate] = [pod.initContainers![0]!, pod.containers[0]!]
const settings = only(manifests, 'ConfigMap')
const service = only(manifests, 'Service')

t.test('Kubernetes takes all of it', async t => {
  for (const manifest of manifests) t.same(problemsOf(manifest), [], `${manifest.kind} ${manifest.metadata?.name}`)
  t.match(problemsOf(manifestOf({ apiVersion: 'v1', kind: 'Service', spec: { ports: [{ port: 5000, targtPort: 1 }], selectr: {} } })).sort(), ['spec.ports[0].targtPort is not known', 'spec.selectr is not known'], 'a mistyped key is found')
  t.match(problemsOf(manifestOf({ apiVersion: 'v1', kind: 'Service', spec: { ports: [{ port: 'x' }] } })), [/must be integer/], 'and a wrong type')
})

t.test('Delgate reads its settings, and the registry\'s configuration says the same', async t => {
  const directory = await temporaryDirectory(t)
  const data = settings.data!
  for (const [name, text] of Object.entries(data)) await writeFile(join(directory, name), text)
  t.same(delgate.args, ['--config', '/etc/delgate/delgate.yml'])
  const loaded = loadSettings({ argv: ['--config', join(directory, 'delgate.yml')], env: {}, cwd: '/' })
  const facts = readRegistryConfig(data['registry.yml'], {})
  t.same(registry.args, [loaded.registry.config])
  t.match(facts, { storageDriver: 'filesystem', rootDirectory: loaded.storage.root, deletesEnabled: true })
  t.equal(`http://${facts.address}`, loaded.registry.url)
  t.match(facts.address, /^127\.0\.0\.1:/, 'nobody outside of the pod reaches the registry')
  t.same(loaded.listen.host, '0.0.0.0')
  t.same(delgate.ports, [{ name: 'http', containerPort: loaded.listen.port }])
  t.same(service.spec!.ports, [{ name: 'http', port: loaded.listen.port, targetPort: 'http' }])
  t.equal(mountOf(delgate, 'state'), loaded.state.directory)
  for (const container of [registry, delgate]) t.equal(mountOf(container, 'registry'), loaded.storage.root, container.name)
  for (const container of [registry, delgate]) t.match(container.volumeMounts!.find(({ name }) => name === 'settings'), { mountPath: '/etc/delgate', readOnly: true })
  for (const command of [registry.startupProbe, registry.livenessProbe].map(probe => probe!.exec!.command!)) t.equal(command.at(-1), `${loaded.registry.url}/`)
})

t.test('a Service\'s own variables would be taken for settings; they are switched off', async t => {
  t.equal(pod.enableServiceLinks, false)
  t.throws(() => loadSettings({ argv: [], env: { DELGATE_PORT: 'tcp://10.0.0.1:5000' }, cwd: '/' }), /listen\.port/)
})

t.test('what the parts name is there', async t => {
  t.same(new Set(pod.volumes!.map(({ name, configMap, persistentVolumeClaim }) => {
    if (configMap !== undefined) only(manifests, 'ConfigMap', configMap.name)
    else only(manifests, 'PersistentVolumeClaim', persistentVolumeClaim!.claimName)
    return name
  })), new Set([registry, delgate].flatMap(({ volumeMounts }) => volumeMounts!.map(({ name }) => name))))
  const { selector, serviceName, template, replicas } = only(manifests, 'StatefulSet').spec!
  t.equal(serviceName, service.metadata!.name)
  t.same(selector.matchLabels, template.metadata!.labels)
  t.same(service.spec!.selector, template.metadata!.labels)
  t.equal(replicas, 1, 'one storage has one gate')
  const probes = [delgate.startupProbe, delgate.livenessProbe, delgate.readinessProbe].map(probe => probe!.httpGet)
  t.same(probes, ['/healthz', '/healthz', '/readyz'].map(path => ({ path, port: 'http' })))
  t.equal(registry.restartPolicy, 'Always', 'a sidecar')
})

t.test('no rights that are not needed', async t => {
  t.match(pod, { automountServiceAccountToken: false, securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } } })
  t.not(pod.securityContext!.runAsUser, 0)
  for (const { name, securityContext } of [registry, delgate]) t.same(securityContext, { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } }, name)
})

function mountOf ({ volumeMounts }: typeof delgate, name: string): string | undefined {
  return volumeMounts!.find(mount => mount.name === name)?.mountPath
}
