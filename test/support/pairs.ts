/** The two ways to collect, each a collector with the freshness that goes with it. */
import type { Test } from 'tap'
import type { PartialSettings } from './delgate.js'
import { eachRegistry, type RegistryTool, type ToolName } from './tools.js'

export interface Pair {
  readonly name: 'online+evict' | 'registry+restart'
  /** For the settings of a gate. */
  readonly collection: NonNullable<PartialSettings['collection']>
}

export const ONLINE_PAIR: Pair = { name: 'online+evict', collection: { collector: 'online', freshness: 'evict' } }
export const REGISTRY_PAIR: Pair = { name: 'registry+restart', collection: { collector: 'registry', freshness: 'restart' } }
export const PAIRS: readonly Pair[] = [ONLINE_PAIR, REGISTRY_PAIR]

/** Runs a test with each pair on each release line of the registry. */
export async function eachPair (t: Test, title: string, run: (t: Test, registry: RegistryTool, pair: Pair) => Promise<void>, needs: readonly ToolName[] = []): Promise<void> {
  for (const pair of PAIRS) await eachRegistry(t, `${title} (${pair.name})`, async (t, tool) => { await run(t, tool, pair) }, needs)
}
