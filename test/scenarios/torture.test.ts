/**
 * Many clients at once, for a bounded time: whoever got a 201 can pull every byte until that tag is deleted, and nobody
 * sees an error, while deletions, collections and restarts go on all the time.
 */
import t from 'tap'
import { manifestStatus, pull, push } from '../support/client.js'
import { startGate } from '../support/delgate.js'
import { assertClean } from '../support/disk.js'
import { expectStatus, request } from '../support/http.js'
import { image, layer, type Image, type Layer } from '../support/images.js'
import { del, jobEnded } from '../support/jobs.js'
import { eachRegistry } from '../support/tools.js'

const CLIENTS = 4
/** How long it goes on; a long run: `DURATION_SECONDS=600 npx tap test/scenarios/torture.test.ts`. */
const DURATION_SECONDS = Number(process.env.DURATION_SECONDS ?? 12)
const SEED = Number(process.env.SEED ?? 1)

/** A small generator (mulberry32), so that a run can be repeated by its seed. */
function random (seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6D2B79F5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

await eachRegistry(t, 'scenario 26: pushes, pulls, deletions and collections in loops: no error, no wrong byte', async (t, tool) => {
  const gate = await startGate(t, tool)
  const shared = await Promise.all(Array.from({ length: 4 }, async (_, at) => await layer(`shared ${at}`)))
  const end = Date.now() + DURATION_SECONDS * 1000
  const done = { pushes: 0, pulls: 0, deletions: 0 }
  const content = async (name: string, choose: () => number): Promise<Image> => {
    const layers: Layer[] = shared.filter(() => choose() < 0.5)
    if (choose() < 0.7) layers.push(await layer(name))
    return await image(name, { layers: layers.length > 0 ? layers : [shared[0]!] })
  }
  const client = async (number: number): Promise<void> => {
    const choose = random(SEED * 1000 + number)
    const agent = { headers: { 'user-agent': `client-${number}` } }
    const own = new Map<string, Image>()
    for (let round = 0; Date.now() < end; round++) {
      const [repository, tag] = [`team/app${Math.floor(choose() * 3)}`, `c${number}-${Math.floor(choose() * 3)}`]
      const key = `${repository} ${tag}`
      const known = own.get(key)
      if (known === undefined || choose() < 0.4) {
        // Now and then the very same image again, right after it was deleted.
        const next = await content(choose() < 0.4 ? `same ${number}` : `${number}/${round}`, choose)
        await push(gate.url, repository, tag, next, agent)
        own.set(key, next)
        done.pushes++
      } else if (choose() < 0.8) {
        expectStatus(await del(gate.url, `/v2/${repository}/manifests/${tag}`), 202, `DELETE ${key}`)
        own.delete(key)
        t.equal(await manifestStatus(gate.url, repository, tag), 404, `${key} is gone`)
        done.deletions++
      }
      for (const [name, expected] of own) {
        const [where, what] = name.split(' ') as [string, string]
        await pull(gate.url, where, what, expected, agent)
        done.pulls++
      }
    }
    for (const key of own.keys()) expectStatus(await del(gate.url, `/v2/${key.replace(' ', '/manifests/')}`), 202, `DELETE ${key}`)
  }
  const collect = async (): Promise<void> => {
    while (Date.now() < end) await jobEnded(gate.url, expectStatus(await request(gate.url, 'POST', '/delgate/v1/collections'), 202, 'POST collections'))
  }
  await Promise.all([...Array.from({ length: CLIENTS }, async (_, number) => { await client(number) }), collect()])
  t.ok(done.pushes > 5 && done.pulls > 5 && done.deletions > 0, JSON.stringify(done))
  t.equal((await jobEnded(gate.url, expectStatus(await request(gate.url, 'POST', '/delgate/v1/collections'), 202, 'the last one'))).state, 'done')
  await assertClean(t, gate, { repositories: ['team/app0', 'team/app1', 'team/app2'] })
})
