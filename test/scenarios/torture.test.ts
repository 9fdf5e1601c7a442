/**
 * Many clients at once, for a bounded time: a push that got its 201 can be pulled, with the right bytes, until somebody
 * deletes it, and nobody sees an error or a hang, while deletions and collections go on all the time.
 * A long run: `npm run torture`.
 */
import t, { type Test } from 'tap'
import { startGate, type Gate } from '../support/delgate.js'
import { dryRunGarbage, startRegistry } from '../support/registry.js'
import { layer } from '../support/images.js'
import { allJobs, hasEnded } from '../support/jobs.js'
import { eachPair } from '../support/pairs.js'
import { Chance } from '../support/random.js'
import { until } from '../support/temporary.js'
import { collect, collector, deleter, puller, pull, pusher, randomContent, type Arena } from '../support/torture-clients.js'
import { TortureModel } from '../support/torture-model.js'

const PUSHERS = 3
const PULLERS = 2
const DELETERS = 2
const SHARED_LAYERS = 5
const STOCK = 8
/** How long it goes on with each pair and registry. */
const DURATION_SECONDS = Number(process.env.DURATION_SECONDS ?? 12)
const SEED = Number(process.env.SEED ?? 1)

async function arenaFor (gate: Gate): Promise<Arena> {
  const chance = new Chance(SEED)
  const shared = await Promise.all(Array.from({ length: SHARED_LAYERS }, async (_, at) => await layer(`shared ${at}`)))
  const stock = []
  for (let at = 0; at < STOCK; at++) stock.push(await randomContent(`stock ${at}`, shared, chance))
  const end = Date.now() + DURATION_SECONDS * 1000
  return {
    url: gate.url,
    tool: gate.tool,
    model: new TortureModel(['team/app0', 'team/app1', 'app2'], ['v1', 'v2', 'v3', 'latest']),
    shared,
    stock,
    isOver: () => Date.now() > end,
    done: { pushes: 0, pulls: 0, missed: 0, deletions: 0, collections: 0 }
  }
}

/** All clients until the time is over, or the first of them sees what nobody may see. */
async function torment (arena: Arena): Promise<void> {
  let failed = false
  const stopping: Arena = { ...arena, isOver: () => failed || arena.isOver() }
  let number = 0
  const start = (kind: typeof pusher, count: number): Array<Promise<void>> => Array.from({ length: count }, async () => {
    const client = ++number
    await kind(stopping, `client-${client}`, new Chance(SEED * 1000 + client))
  })
  const clients = [...start(pusher, PUSHERS), ...start(puller, PULLERS), ...start(deleter, DELETERS), collector(stopping)]
  const results = await Promise.allSettled(clients.map(async client => {
    try {
      await client
    } catch (error) {
      failed = true
      throw error
    }
  }))
  const errors = results.flatMap(result => result.status === 'rejected' ? [result.reason as Error] : [])
  if (errors.length > 0) throw new AggregateError(errors, `seed ${SEED}: ${errors.map(({ message }) => message).join('; ')}`)
}

/** Once running leases are over, a collection leaves nothing that the registry's own collector would find. */
async function assertNothingEligible (gate: Gate): Promise<void> {
  await until('every job ends', async () => (await allJobs(gate.url)).every(hasEnded), 60_000)
  await until('nothing is eligible any more', async () => {
    await collect(gate.url)
    const { blobs, manifests, layerLinks } = await dryRunGarbage(gate.tool, gate.config)
    return blobs + manifests + layerLinks === 0
  }, 60_000, 500)
}

async function assertPulls (t: Test, url: string, arena: Arena, where: string): Promise<void> {
  const done = { pushes: 0, pulls: 0, missed: 0, deletions: 0, collections: 0 }
  for (const slot of arena.model.slots) await t.resolves(pull({ ...arena, url, done }, slot), `${slot.name} ${where}`)
}

await eachPair(t, 'scenario 26: pushes, pulls, deletions and collections in loops: no error, no wrong byte', async (t, tool, { collection }) => {
  t.setTimeout(DURATION_SECONDS * 1000 + 240_000)
  // A push that is held through a restart keeps its leases.
  const gate = await startGate(t, tool, { settings: { collection, drain: { pullIdleSeconds: 5, sessionIdleSeconds: 10 } } })
  const arena = await arenaFor(gate)
  await torment(arena)
  const { pushes, pulls, deletions, collections } = arena.done
  t.ok(pushes > 5 && pulls > 5 && deletions > 0 && collections > 0, JSON.stringify(arena.done))
  await assertNothingEligible(gate)
  t.same((await allJobs(gate.url)).filter(job => job.state !== 'done'), [], 'every job is done')
  await assertPulls(t, gate.url, arena, 'is what it must be')
  await gate.close()
  const bare = await startRegistry(t, tool, {}, gate)
  await assertPulls(t, bare.url, arena, 'is so too after a restart of the registry, with an empty cache')
  await bare.stop()
})
