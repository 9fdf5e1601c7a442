/** What goes wrong behind Delgate: a dead registry, one that does not come back, a collector that fails. */
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { expectStatus, header, json, ociError, request, type Answer } from '../support/http.js'
import { digestsOf, image } from '../support/images.js'
import { pull, push } from '../support/client.js'
import { startWrappedGate, type PartialSettings, type WrappedGate } from '../support/delgate.js'
import { assertClean } from '../support/disk.js'
import { del, jobAt, jobEnded, receiptOf } from '../support/jobs.js'
import { REGISTRY_PAIR } from '../support/pairs.js'
import { startSupervisedGate } from '../support/supervised.js'
import { until } from '../support/temporary.js'
import { eachRegistry, type RegistryTool } from '../support/tools.js'
import { FAILURE_OUTPUT } from '../support/wrapper.js'

/** A gate with `app:v1` to keep and `victim:v1` to delete, where the registry itself collects. */
async function prepared (t: Test, tool: RegistryTool, settings: PartialSettings = {}, start = startWrappedGate) {
  const gate = await start(t, tool, { settings: { ...settings, collection: { ...REGISTRY_PAIR.collection, ...settings.collection } } })
  const content = await image('content')
  const victim = await image('victim')
  await push(gate.url, 'app', 'v1', content)
  await push(gate.url, 'victim', 'v1', victim)
  return { gate, content, victim }
}

const deleteVictim = async (gate: WrappedGate): Promise<Answer> => expectStatus(await del(gate.url, '/v2/victim/manifests/v1'), 202, 'DELETE')
const status = async (gate: WrappedGate) => request(gate.url, 'GET', '/delgate/v1/status')

await eachRegistry(t, 'scenario 29: requests wait for a slow registry, and are told to come back when the bound is reached', async (t, tool) => {
  // A registry that is stopped before it is started.
  const { gate, content, victim } = await prepared(t, tool, { hold: { timeoutSeconds: 1 } }, startSupervisedGate)
  await gate.wrapper.on('serve-waits')
  const answer = await deleteVictim(gate)
  await until('the restart has begun', async () => !await stillOldServer(gate))

  const statuses: Record<string, number> = {
    'skopeo/1.9.3': 429,
    'regclient/regctl (v0.7)': 429,
    'oras/1.2.0': 429,
    'docker/20.10.24 go/go1.19.8': 503,
    'crane/0.20.0 go-containerregistry/0.20.0': 503,
    'containers/5.23.1 (github.com/containers/image)': 429,
    'curl/7.88.1': 503
  }
  const begun = Date.now()
  const answers = await Promise.all(Object.keys(statuses).map((agent) => request(gate.url, 'GET', '/v2/app/manifests/v1', { headers: { 'user-agent': agent } })))
  t.ok(Date.now() - begun >= 900, 'they were held as long as the setting says')
  for (const [at, [agent, expected]] of Object.entries(statuses).entries()) {
    t.equal(answers[at]!.status, expected, agent)
    t.match(header(answers[at]!, 'retry-after'), /^[1-9]\d*$/, `${agent} is told when to come back`)
    ociError(answers[at]!)
  }
  t.equal((await request(gate.url, 'GET', '/readyz')).status, 503, 'not ready')
  t.equal((await request(gate.url, 'GET', '/healthz')).status, 200, 'but alive')
  t.match((await status(gate)).body.toString(), /restart|hold|held|start/i, 'status says why')

  const held = request(gate.url, 'GET', '/v2/')
  await gate.wrapper.off('serve-waits')
  t.equal((await held).status, 200, 'what waits when it comes back is answered')
  t.equal((await jobEnded(gate.url, answer)).state, 'done')
  t.equal((await request(gate.url, 'GET', '/readyz')).status, 200)
  await pull(gate.url, 'app', 'v1', content)
  await assertClean(t, gate, { digests: digestsOf(victim), repositories: ['victim'] })
})

/** Whether the server from before the restart still runs. */
async function stillOldServer (gate: WrappedGate): Promise<boolean> {
  return (await gate.wrapper.calls()).serve < 2
}

await eachRegistry(t, 'scenario 29: more requests than may wait are told to come back at once', async (t, tool) => {
  const { gate } = await prepared(t, tool, { hold: { timeoutSeconds: 30, maximumRequests: 3 } }, startSupervisedGate)
  await gate.wrapper.on('serve-waits')
  await deleteVictim(gate)
  await until('the restart has begun', async () => !await stillOldServer(gate))
  const all = Array.from({ length: 6 }, () => request(gate.url, 'GET', '/v2/'))
  const refused: Answer[] = []
  await until('three are refused', async () => {
    refused.length = 0
    for (const one of all) {
      const answer = await Promise.race([one, sleep(5)])
      if (answer !== undefined) refused.push(answer)
    }
    return refused.length === 3
  })
  for (const answer of refused) {
    t.equal(answer.status, 503)
    t.ok(header(answer, 'retry-after'))
  }
  await gate.wrapper.off('serve-waits')
  const statuses = (await Promise.all(all)).map((answer) => answer.status)
  t.equal(statuses.filter((one) => one === 200).length, 3, 'the ones that waited are answered')
})

await eachRegistry(t, 'scenario 29: where the new registry starts before the old one stops, a slow one holds up no pull', async (t, tool) => {
  const { gate, content, victim } = await prepared(t, tool)
  await gate.wrapper.on('serve-waits')
  const answer = await deleteVictim(gate)
  await until('the restart has begun', async () => !await stillOldServer(gate))
  await pull(gate.url, 'app', 'v1', content)
  t.equal((await request(gate.url, 'GET', '/readyz')).status, 200)
  const another = await image('pushed during the restart')
  const pushed = push(gate.url, 'app', 'v2', another)
  t.equal(await Promise.race([pushed, sleep(300, 'waits')]), 'waits', 'the old one remembers what was swept: pushes wait')
  await gate.wrapper.off('serve-waits')
  await pushed
  t.equal((await jobEnded(gate.url, answer)).state, 'done')
  await pull(gate.url, 'app', 'v2', another)
  await assertClean(t, gate, { digests: digestsOf(victim), repositories: ['victim'] })
})

await eachRegistry(t, 'scenario 31: a killed registry is 502 or 503 in OCI JSON, and comes back by itself', async (t, tool) => {
  const { gate, content } = await prepared(t, tool, { hold: { timeoutSeconds: 1 } })
  for (let round = 0; round < 2; round += 1) {
    const before = (await gate.wrapper.calls()).serve
    await gate.wrapper.on('serve-waits')
    await gate.wrapper.kill()
    const answer = await until('the gate notices', async () => {
      const one = await request(gate.url, 'GET', '/v2/app/manifests/v1')
      return one.status !== 200 && one
    })
    t.ok([502, 503].includes(answer.status), `status ${answer.status}`)
    t.notMatch(ociError(answer).message, /ECONNREFUSED|127\.0\.0\.1/, 'the message is for clients')
    await gate.wrapper.off('serve-waits')
    await until('it works again', async () => (await request(gate.url, 'GET', '/v2/')).status === 200)
    t.ok((await gate.wrapper.calls()).serve > before, 'it was started again')
    await pull(gate.url, 'app', 'v1', content)
  }
})

await eachRegistry(t, 'scenario 31: no job is lost when the registry is killed while one waits', async (t, tool) => {
  const { gate, content, victim } = await prepared(t, tool)
  await gate.wrapper.on('collect-waits')
  const answer = await deleteVictim(gate)
  await until('the collection runs', async () => (await gate.wrapper.calls()).collect > 0)
  await gate.wrapper.kill()
  await gate.wrapper.off('collect-waits')
  t.equal((await jobEnded(gate.url, answer)).state, 'done')
  await until('it works again', async () => (await request(gate.url, 'GET', '/v2/')).status === 200)
  await pull(gate.url, 'app', 'v1', content)
  await assertClean(t, gate, { digests: digestsOf(victim), repositories: ['victim'] })
})

for (const fault of ['collect-fails', 'collect-hangs'] as const) {
  const settings = { collection: { timeoutSeconds: fault === 'collect-hangs' ? 1 : 30, attempts: 2, retryMinimumSeconds: 0.2, retryMaximumSeconds: 0.4 } }

  await eachRegistry(t, `scenario 32: ${fault}: the job fails with the reason, and the registry runs and is writable`, async (t, tool) => {
    const { gate, content } = await prepared(t, tool, settings)
    await gate.wrapper.on(fault)
    const job = await jobEnded(gate.url, await deleteVictim(gate))
    t.equal(job.state, 'failed')
    t.equal(job.attempts, 2)
    const said = JSON.stringify(job.error)
    t.match(said, fault === 'collect-fails' ? FAILURE_OUTPUT : /time|second|1 s/i)
    t.equal((await gate.wrapper.calls()).collect, 2, 'it was tried again')
    const another = await image('pushed after the failure')
    await push(gate.url, 'app', 'v2', another)
    await pull(gate.url, 'app', 'v2', another)
    await pull(gate.url, 'app', 'v1', content)
    // What stayed behind is finished by the next collection.
    await gate.wrapper.off(fault)
    const next = expectStatus(await request(gate.url, 'POST', '/delgate/v1/collections'), 202, 'POST collections')
    receiptOf(await jobEnded(gate.url, next))
    await assertClean(t, gate, { digests: digestsOf(await image('victim')), repositories: ['victim'] })
  })

  await eachRegistry(t, `scenario 32: ${fault}, and then works: the job is done by a later attempt`, async (t, tool) => {
    const { gate, content, victim } = await prepared(t, tool, { collection: { ...settings.collection, attempts: 20 } })
    await gate.wrapper.on(fault)
    const answer = await deleteVictim(gate)
    await until('it was tried twice', async () => (await gate.wrapper.calls()).collect >= 2)
    const waiting = await until('the job says so', async () => {
      const job = await jobAt(gate.url, header(answer, 'location')!)
      return job.state === 'failed' && job
    })
    t.ok(waiting.error, 'why it failed')
    t.ok(Date.parse(waiting.nextAttemptAt ?? '') > 0, 'and when it is tried again')
    await pull(gate.url, 'app', 'v1', content)
    await gate.wrapper.off(fault)
    const job = await jobEnded(gate.url, answer)
    t.equal(job.state, 'done')
    t.ok(job.attempts >= 2)
    await assertClean(t, gate, { digests: digestsOf(victim), repositories: ['victim'] })
  })
}

await eachRegistry(t, 'status is JSON and names what runs', async (t, tool) => {
  const { gate } = await prepared(t, tool)
  t.type(json(expectStatus(await status(gate), 200, 'GET status')), 'object')
})
