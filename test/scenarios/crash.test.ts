/** Scenario 30: Delgate is killed while another program works for it; its next start ends the job. The other phases: crash-moments-*.test.ts. */
import t from 'tap'
import { expectStatus, header, request } from '../support/http.js'
import { digestsOf, image } from '../support/images.js'
import { pull, push } from '../support/client.js'
import { startGateProcess } from '../support/delgate-process.js'
import { assertClean } from '../support/disk.js'
import { del, deleted, jobEnded } from '../support/jobs.js'
import { REGISTRY_PAIR } from '../support/pairs.js'
import { writeRegistryConfig } from '../support/registry.js'
import { assertRepush } from '../support/repush.js'
import { temporaryDirectory, until } from '../support/temporary.js'
import { eachRegistry } from '../support/tools.js'
import { wrapRegistry, type Fault, type WrappedRegistry } from '../support/wrapper.js'

interface Moment {
  readonly title: string
  /** Switched on before the DELETE, off after the kill. */
  readonly fault: Fault
  /** Waits for the moment to come. */
  readonly reached: (wrapper: WrappedRegistry) => Promise<boolean>
}

const moments: readonly Moment[] = [
  { title: 'during the collection', fault: 'collect-waits', reached: async (wrapper) => (await wrapper.calls()).collect > 0 },
  { title: 'during the restart', fault: 'serve-waits', reached: async (wrapper) => (await wrapper.calls()).serve > 1 }
]

for (const { title, fault, reached } of moments) {
  // With online+evict no other program is run.
  const settings = { collection: REGISTRY_PAIR.collection }
  await eachRegistry(t, `scenario 30: killed ${title}, the next start ends the job (registry+restart)`, async (t, tool) => {
    const files = await writeRegistryConfig(await temporaryDirectory(t))
    const wrapper = await wrapRegistry(files.directory, tool)
    // A killed gate's registry outlives it; nothing may outlive the test.
    t.teardown(() => wrapper.kill())
    const gate = await startGateProcess(t, tool, { files, binary: wrapper.binary, settings })
    const content = await image('killed')
    const kept = await image('kept')
    await push(gate.url, 'kept', 'v1', kept)
    await push(gate.url, 'app', 'v1', content)
    await wrapper.on(fault)
    const answer = expectStatus(await del(gate.url, '/v2/app/manifests/v1'), 202, 'DELETE')
    await until('the moment', () => reached(wrapper))
    await gate.stop('SIGKILL')
    await wrapper.off(fault)

    const next = await startGateProcess(t, tool, { files, binary: wrapper.binary, settings })
    const job = await jobEnded(next.url, { ...answer, headers: { location: new URL(header(answer, 'location')!, next.url).pathname } })
    t.equal(job.state, 'done')
    await assertClean(t, next, { digests: digestsOf(content), repositories: ['app'] })
    await pull(next.url, 'kept', 'v1', kept)
    await assertRepush(t, next.url, 'app', 'v1', content)
    await deleted(next.url, '/v2/app')
  })
}

await eachRegistry(t, 'SIGTERM ends Delgate and its registry', async (t, tool) => {
  const files = await writeRegistryConfig(await temporaryDirectory(t))
  const wrapper = await wrapRegistry(files.directory, tool)
  t.teardown(() => wrapper.kill())
  const gate = await startGateProcess(t, tool, { files, binary: wrapper.binary })
  t.equal((await request(gate.url, 'GET', '/v2/')).status, 200)
  await gate.stop('SIGTERM')
  t.equal(gate.child.exitCode, 0)
  const pid = await wrapper.pid()
  t.throws(() => process.kill(pid, 0), { code: 'ESRCH' }, 'the registry is gone too')
})
