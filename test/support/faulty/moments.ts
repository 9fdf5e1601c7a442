/**
 * Scenario 30: Delgate is killed with SIGKILL at one chosen moment of each phase of a job; its next start ends the job, and
 * everything is as it should be. All moments: crash-points-*.test.ts; those in which another program runs: crash.test.ts.
 */
import type { Test } from 'tap'
import { Stage } from './stage.js'
import { makeStock } from './stock.js'
import type { Pair } from '../pairs.js'
import { eachRegistry } from '../tools.js'

interface Moment {
  readonly title: string
  /** The first step that this matches; see test/support/faulty/preload.mjs. */
  readonly label: string
  readonly mode: 'before' | 'after'
}

const UNLINKING: readonly Moment[] = [
  { title: 'after the job was written down', label: '^sync state:jobs$', mode: 'after' },
  { title: 'in the middle of unlinking', label: '^unlink tree:repositories/team/app/_manifests/revisions/', mode: 'after' }
]

const MOMENTS: Readonly<Record<Pair['name'], readonly Moment[]>> = {
  'online+evict': [
    ...UNLINKING,
    { title: 'before the registry is told to forget', label: '^DELETE registry:/v2/team/app/blobs/', mode: 'before' },
    { title: 'when the registry has forgotten the first', label: '^DELETE answered registry:/v2/team/app/blobs/', mode: 'before' },
    { title: 'before the sweep', label: '^rename tree:blobs/', mode: 'before' },
    { title: 'in the middle of the sweep', label: '^unlink tree:delgate-swept/', mode: 'before' }
  ],
  'registry+restart': [
    ...UNLINKING,
    { title: 'before the collection', label: '^spawn program:garbage-collect', mode: 'before' },
    { title: 'before the restart', label: '^spawn program:serve', mode: 'before' }
  ]
}

/** Tries the moments of one pair on each registry. */
export async function tryMoments (t: Test, pair: Pair): Promise<void> {
  await eachRegistry(t, `scenario 30: killed at a moment of each phase, the next start ends the job (${pair.name})`, async (t, tool) => {
    t.setTimeout(240_000)
    const stock = await makeStock()
    const stage = await Stage.open(t, tool, pair, stock)
    const kind = stock.kinds.find(({ name }) => name === 'tag')!
    for (const { title, label, mode } of MOMENTS[pair.name]) {
      // It throws when something is lost: the job, what was kept, or that what went can be pushed again.
      const { fired } = await stage.attempt(kind, { fault: { label, mode } })
      t.equal(fired, true, title)
    }
    await t.resolves(stage.pullBare(), 'everything pulls from a registry that remembers nothing')
  })
}
