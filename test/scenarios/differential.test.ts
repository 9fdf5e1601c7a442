/**
 * Delgate's collection beside the registry's own, on registries made at random: it removes exactly what `garbage-collect`
 * of 3.1 would, or less and says why; never more. A failure names the seed; `SEEDS` asks for more of them.
 */
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startGate } from '../support/delgate.js'
import { blobsOnDisk } from '../support/disk.js'
import { expectStatus, request } from '../support/http.js'
import { jobEnded, type Job } from '../support/jobs.js'
import { run } from '../support/processes.js'
import type { DamageKind } from '../support/random-damage.js'
import { writeRandomRegistry, type Description } from '../support/random-registry.js'
import { writeRegistryConfig } from '../support/registry.js'
import { temporaryDirectory } from '../support/temporary.js'
import { skipWithout, tool, type RegistryTool } from '../support/tools.js'

/** Enough that every kind of damage occurs. */
const SEEDS_DEFAULT = 40
const SEEDS = Number(process.env.SEEDS ?? SEEDS_DEFAULT)
const FIRST_SEED = Number(process.env.SEED ?? 1)

const damageOf = (seed: number): DamageKind => (['none', 'any', 'harmless', 'any'] as const)[seed % 4]!

/** What the registry's collector leaves; `undefined` when it gave up. */
async function collectedByRegistry (t: Test, registry: RegistryTool, seed: number, damage: DamageKind): Promise<string[] | undefined> {
  const { storage, config } = await writeRegistryConfig(await temporaryDirectory(t))
  await writeRandomRegistry(storage, seed, { damage })
  const { code, stderr } = await run(registry.path, ['garbage-collect', config])
  // Blobs go first. Of content with two names it then removes the same layer link twice, and fails.
  const sweptAll = code === 0 || stderr.includes('failed to delete layer link')
  return sweptAll ? await blobsOnDisk(storage) : undefined
}

interface Collected {
  readonly made: Description
  readonly left: readonly string[]
  readonly job: Job
}

async function collectedByDelgate (t: Test, registry: RegistryTool, seed: number, damage: DamageKind): Promise<Collected> {
  const files = await writeRegistryConfig(await temporaryDirectory(t))
  const made = await writeRandomRegistry(files.storage, seed, { damage })
  const gate = await startGate(t, registry, { files, settings: { collection: { collector: 'online', attempts: 1 } } })
  const job = await jobEnded(gate.url, expectStatus(await request(gate.url, 'POST', '/delgate/v1/collections'), 202, 'POST collections'))
  await gate.close()
  return { made, left: await blobsOnDisk(join(files.storage)), job }
}

/** Whether a job says where the damage is that made it leave something. */
function saysWhy ({ state, error, receipt }: Job): boolean {
  const namesPath = (text: string): boolean => /(?:repositories|blobs)\/\S+/.test(text)
  return state === 'failed' ? namesPath((error as { message: string }).message) : receipt!.warnings.some(namesPath)
}

const without = (all: readonly string[], ...gone: ReadonlyArray<readonly string[]>): string[] => all.filter(one => !gone.some(list => list.includes(one)))

const skip = skipWithout('registry 3.1')
const registry = (): RegistryTool => ({ ...tool('registry 3.1'), version: '3.1' })
const seen = { removed: 0, verdicts: 0, withReason: 0 }

await t.test('collections of random registries, beside the registry\'s own', { skip, timeout: 60_000 + SEEDS * 10_000 }, async t => {
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
    const damage = damageOf(seed)
    await t.test(`seed ${seed}, damage: ${damage}`, async t => {
      const verdict = await collectedByRegistry(t, registry(), seed, damage)
      const { made, left, job } = await collectedByDelgate(t, registry(), seed, damage)
      const details = { damages: made.damages, state: job.state, error: job.error, warnings: job.receipt?.warnings }
      t.same(without(made.used, left), without(made.used, made.blobs), 'whatever a linked manifest uses is still there', { details })
      seen.removed += made.blobs.length - left.length
      if (damage !== 'any') {
        t.ok(verdict, 'the registry\'s own collector gets through')
        t.equal(job.state, 'done', 'so does Delgate\'s', { details })
      }
      if (verdict === undefined) return
      seen.verdicts++
      t.same(without(verdict, left), [], 'it removes nothing that the registry\'s own would leave', { details })
      const more = without(left, verdict, made.aliased)
      if (damage !== 'any') t.same(more, [], 'and leaves nothing that the registry\'s own would remove', { details })
      if (more.length > 0) t.ok(saysWhy(job), 'what it leaves, it leaves for a reason', { details, more, withReason: seen.withReason++ })
    })
  }
  t.ok(SEEDS < SEEDS_DEFAULT || (seen.removed > SEEDS && seen.verdicts > SEEDS / 2 && seen.withReason > 0), JSON.stringify(seen))
})
