/** Scenarios 29 and 31: a registry that is slow to come back, and one that dies. */
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { expectStatus, header, json, ociError, request, type Answer } from '../support/http.js'
import { digestsOf, image } from '../support/images.js'
import { as, leavesSomething } from '../support/interleaving.js'
import { pull, push } from '../support/client.js'
import { startWrappedGate, type PartialSettings, type WrappedGate } from '../support/delgate.js'
import { assertClean } from '../support/disk.js'
import { jobAt, jobEnded } from '../support/jobs.js'
import { eachPair, ONLINE_PAIR, REGISTRY_PAIR, type Pair } from '../support/pairs.js'
import { startSupervisedGate } from '../support/supervised.js'
import { until } from '../support/temporary.js'
import { eachRegistry, type RegistryTool } from '../support/tools.js'
import { deleteVictim, withVictim } from '../support/victim.js'

async function prepared (t: Test, tool: RegistryTool, pair: Pair, settings: PartialSettings = {}, start = startWrappedGate) {
  return await withVictim(start(t, tool, { settings: { ...settings, collection: { ...pair.collection, ...settings.collection } } }))
}

const status = async (gate: WrappedGate) => json<{ hold: { now: string, problem?: string } }>(expectStatus(await request(gate.url, 'GET', '/delgate/v1/status'), 200, 'GET status'))

/** Whether the server from before the restart still runs. */
async function stillOldServer (gate: WrappedGate): Promise<boolean> {
  return (await gate.wrapper.calls()).serve < 2
}

/** A registry that is stopped before it is started, where it is restarted. */
const starterFor = (pair: Pair) => pair === REGISTRY_PAIR ? startSupervisedGate : startWrappedGate

/**
 * The registry goes, and does not come back before `serve-waits` is switched off: by the restart after a deletion, or, where
 * nothing is restarted, by dying.
 * @returns what the deletion was answered, where there was one
 */
async function takeAway (gate: WrappedGate, pair: Pair): Promise<Answer | undefined> {
  await gate.wrapper.on('serve-waits')
  const answer = pair === REGISTRY_PAIR ? await deleteVictim(gate) : undefined
  if (answer === undefined) await gate.wrapper.kill()
  await until('the registry is being started', async () => !await stillOldServer(gate))
  await until('everything is held', async () => (await status(gate)).hold.now === 'all')
  return answer
}

/** How long requests wait, seconds: also for a registry that is started when the tests say so, which takes its time. */
const HOLD_SECONDS = 8

await eachPair(t, 'scenario 29: requests wait for a slow registry, and are told to come back when the bound is reached', async (t, tool, pair) => {
  const { gate, content, victim } = await prepared(t, tool, pair, { hold: { timeoutSeconds: HOLD_SECONDS } }, starterFor(pair))
  const deletion = await takeAway(gate, pair)

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
  t.ok(Date.now() - begun >= HOLD_SECONDS * 1000 - 100, 'they were held as long as the setting says')
  for (const [at, [agent, expected]] of Object.entries(statuses).entries()) {
    t.equal(answers[at]!.status, expected, agent)
    t.match(header(answers[at]!, 'retry-after'), /^[1-9]\d*$/, `${agent} is told when to come back`)
    ociError(answers[at]!)
  }
  t.equal((await request(gate.url, 'GET', '/readyz')).status, 503, 'not ready')
  t.equal((await request(gate.url, 'GET', '/healthz')).status, 200, 'but alive')
  if (deletion === undefined) t.match((await status(gate)).hold.problem, /ended by itself/, 'status says why')
  else t.equal((await jobAt(gate.url, header(deletion, 'location')!)).phase, 'restart', 'the job says why')

  const held = [request(gate.url, 'GET', '/v2/'), deletion ?? deleteVictim(gate)] as const
  await gate.wrapper.off('serve-waits')
  t.equal((await held[0]).status, 200, 'what waits when it comes back is answered')
  t.equal((await jobEnded(gate.url, await held[1])).state, 'done')
  t.equal((await request(gate.url, 'GET', '/readyz')).status, 200)
  t.match((await status(gate)).hold, { now: 'none', problem: undefined })
  await pull(gate.url, 'app', 'v1', content)
  await assertClean(t, gate, { digests: digestsOf(victim), repositories: ['victim'] })
})

await eachPair(t, 'scenario 29: more requests than may wait are told to come back at once', async (t, tool, pair) => {
  const { gate } = await prepared(t, tool, pair, { hold: { timeoutSeconds: 30, maximumRequests: 3 } }, starterFor(pair))
  await takeAway(gate, pair)
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

await eachRegistry(t, 'scenario 29: where the new registry starts before the old one stops, a slow one holds up no pull (registry+restart)', async (t, tool) => {
  const { gate, content, victim } = await prepared(t, tool, REGISTRY_PAIR)
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

await eachRegistry(t, 'scenario 29: where nothing is restarted, a registry that would be slow to start holds up nothing (online+evict)', async (t, tool) => {
  const { gate, content, victim } = await prepared(t, tool, ONLINE_PAIR)
  await gate.wrapper.on('serve-waits')
  t.equal((await jobEnded(gate.url, await deleteVictim(gate))).state, 'done')
  await pull(gate.url, 'app', 'v1', content)
  await push(gate.url, 'victim', 'v1', victim)
  t.equal((await gate.wrapper.calls()).serve, 1, 'it is the same registry')
})

await eachPair(t, 'scenario 31: a killed registry is 502 or 503 in OCI JSON, and comes back by itself', async (t, tool, pair) => {
  const { gate, content } = await prepared(t, tool, pair, { hold: { timeoutSeconds: 1 } })
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

/** Deletes; the registry's collector runs. */
async function waitingCollector (gate: WrappedGate): Promise<Answer> {
  await gate.wrapper.on('collect-waits')
  const answer = await deleteVictim(gate)
  await until('the collection runs', async () => (await gate.wrapper.calls()).collect > 0)
  return answer
}

/** Deletes; the registry is being told to forget what is gone, and does not answer. */
async function frozenEviction (gate: WrappedGate, digest: string): Promise<Answer> {
  // The job comes back for what somebody relies on, when the registry has said who may delete.
  expectStatus(await request(gate.url, 'HEAD', `/v2/victim/blobs/${digest}`, as('somebody else')), 200, 'HEAD')
  const answer = await deleteVictim(gate)
  await leavesSomething(gate.url, answer)
  process.kill(await gate.wrapper.pid(), 'SIGSTOP')
  await until('the collection runs', async () => (await jobAt(gate.url, header(answer, 'location')!)).phase === 'collect')
  return answer
}

await eachPair(t, 'scenario 31: no job is lost when the registry is killed in the middle of a collection', async (t, tool, pair) => {
  const { gate, content, victim } = await prepared(t, tool, pair, { collection: { attempts: 100 } })
  const answer = await (pair === ONLINE_PAIR ? frozenEviction(gate, victim.config.digest) : waitingCollector(gate))
  // The next one comes up once it was noticed that this one is gone.
  if (pair === ONLINE_PAIR) await gate.wrapper.on('serve-waits')
  await gate.wrapper.kill()
  if (pair === ONLINE_PAIR) {
    await until('the first attempt has failed', async () => {
      const { state, attempts } = await jobAt(gate.url, header(answer, 'location')!)
      return state === 'failed' || attempts > 1
    })
  }
  await gate.wrapper.off('serve-waits')
  await gate.wrapper.off('collect-waits')
  const job = await jobEnded(gate.url, answer)
  t.equal(job.state, 'done')
  if (pair === ONLINE_PAIR) t.ok(job.attempts > 1, 'the registry did not forget at the first time')
  await until('it works again', async () => (await request(gate.url, 'GET', '/v2/')).status === 200)
  await pull(gate.url, 'app', 'v1', content)
  await assertClean(t, gate, { digests: digestsOf(victim), repositories: ['victim'] })
})
