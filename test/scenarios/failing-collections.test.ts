/** Scenario 32: a collection that fails: the registry's own collector exits with an error or hangs, or Delgate's own sweep cannot remove. */
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { expectStatus, header, request } from '../support/http.js'
import { digestsOf, image } from '../support/images.js'
import { pull, push } from '../support/client.js'
import { startWrappedGate, type PartialSettings, type WrappedGate } from '../support/delgate.js'
import { assertClean } from '../support/disk.js'
import { jobAt, jobEnded, receiptOf } from '../support/jobs.js'
import { ONLINE_PAIR, REGISTRY_PAIR, type Pair } from '../support/pairs.js'
import { until } from '../support/temporary.js'
import { eachRegistry, type RegistryTool } from '../support/tools.js'
import { deleteVictim, withVictim } from '../support/victim.js'
import { FAILURE_OUTPUT } from '../support/wrapper.js'

interface Failure {
  readonly title: string
  readonly pair: Pair
  readonly timeoutSeconds?: number
  readonly on: (gate: WrappedGate) => Promise<void>
  readonly off: (gate: WrappedGate) => Promise<void>
  /** What the job says. */
  readonly says: RegExp
}

/** Where the sweep needs a directory. */
const obstacle = ({ storage }: WrappedGate): string => join(storage, 'docker/registry/v2/delgate-swept')

const failures: readonly Failure[] = [
  { title: 'garbage-collect exits 1 (registry+restart)', pair: REGISTRY_PAIR, on: gate => gate.wrapper.on('collect-fails'), off: gate => gate.wrapper.off('collect-fails'), says: new RegExp(FAILURE_OUTPUT) },
  { title: 'garbage-collect hangs (registry+restart)', pair: REGISTRY_PAIR, timeoutSeconds: 1, on: gate => gate.wrapper.on('collect-hangs'), off: gate => gate.wrapper.off('collect-hangs'), says: /did not end within 1 s/ },
  { title: 'the sweep cannot take anything away (online+evict)', pair: ONLINE_PAIR, on: async gate => { await writeFile(obstacle(gate), 'in the way') }, off: async gate => { await rm(obstacle(gate)) }, says: /delgate-swept could not be made: something else stands in its place/ }
]

const prepared = async (t: Test, tool: RegistryTool, collection: PartialSettings['collection']) => await withVictim(startWrappedGate(t, tool, { settings: { collection } }))

for (const { title, pair, timeoutSeconds, on, off, says } of failures) {
  const settings = { ...pair.collection, timeoutSeconds: timeoutSeconds ?? 30, retryMinimumSeconds: 0.2, retryMaximumSeconds: 0.4 }

  await eachRegistry(t, `scenario 32: ${title}: the job fails with the reason, and the registry runs and is writable`, async (t, tool) => {
    const { gate, content, victim } = await prepared(t, tool, { ...settings, attempts: 2 })
    await on(gate)
    const job = await jobEnded(gate.url, await deleteVictim(gate))
    t.equal(job.state, 'failed')
    t.equal(job.attempts, 2, 'it was tried again')
    t.match(JSON.stringify(job.error), says)
    t.equal((await gate.wrapper.calls()).collect, pair === REGISTRY_PAIR ? 2 : 0)
    const another = await image('pushed after the failure')
    await push(gate.url, 'app', 'v2', another)
    await pull(gate.url, 'app', 'v2', another)
    await pull(gate.url, 'app', 'v1', content)
    // What stayed behind is finished by the next collection.
    await off(gate)
    const next = expectStatus(await request(gate.url, 'POST', '/delgate/v1/collections'), 202, 'POST collections')
    receiptOf(await jobEnded(gate.url, next))
    await assertClean(t, gate, { digests: digestsOf(victim), repositories: ['victim'] })
  })

  await eachRegistry(t, `scenario 32: ${title}, and then works: the job is done by a later attempt`, async (t, tool) => {
    const { gate, content, victim } = await prepared(t, tool, { ...settings, attempts: 100 })
    await on(gate)
    const answer = await deleteVictim(gate)
    const waiting = await until('it was tried twice, and waits', async () => {
      const job = await jobAt(gate.url, header(answer, 'location')!)
      return job.state === 'failed' && job.attempts >= 2 && job
    })
    t.match(JSON.stringify(waiting.error), says, 'why it failed')
    t.ok(Date.parse(waiting.nextAttemptAt ?? '') > Date.parse(waiting.endedAt ?? ''), 'and when it is tried again')
    await pull(gate.url, 'app', 'v1', content)
    await off(gate)
    const job = await jobEnded(gate.url, answer)
    t.equal(job.state, 'done')
    t.ok(job.attempts >= 3)
    await assertClean(t, gate, { digests: digestsOf(victim), repositories: ['victim'] })
  })
}
