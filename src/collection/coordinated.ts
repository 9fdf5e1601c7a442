/**
 * One collection for any number of deletions by the registry's own collector, while nobody writes: finish what they left,
 * sweep what nothing uses, restart the registry so that it forgets it, remove empty directories, and say who got what. Each race is written down in docs/garbage-collection.md.
 */
import { EMPTY_RECEIPT, addToReceipt, type Receipt } from '../deletion/receipt.js'
import { publicReason } from '../errors.js'
import { scanReferences, type References } from '../storage/scan.js'
import type { Damage } from '../storage/state.js'
import type { Protection } from '../protection/protection.js'
import { describe, mend } from './damage.js'
import { keptBy } from './kept.js'
import { finishPlans, isBlocked, type LeftoverParts } from './leftovers.js'
import type { Pause } from './pause.js'
import type { Collection, CollectionOutcome, CollectionPhase, CollectionRequest, Requester } from './request.js'
import { pruneDirectories, shareBlobs } from './shares.js'
import { sweep, type SweepParts } from './sweep.js'
import { tidy, type TidyParts } from './tidy.js'

export interface CollectionParts extends Omit<LeftoverParts, 'turn'>, SweepParts, Pick<TidyParts, 'planOptions' | 'uploadMaximumAgeMs'> {
  readonly pause: Pause
  /** Whether the registry caches descriptors in its process, so that only a restart makes it forget. */
  readonly needsRestart: boolean
  /** What may not be deleted. */
  readonly protection: Pick<Protection, 'deleting'>
}

/** While nobody writes, every repository is always one's own. */
const turn = async (): Promise<{ quiet: boolean, end: () => void }> => ({ quiet: true, end () {} })

/** What a collection that got through has found out. */
interface Run {
  readonly requests: readonly CollectionRequest[]
  readonly receipts: Map<string, Receipt>
  readonly unfinished: ReadonlySet<string>
  readonly references: References
}

export class CoordinatedCollection implements Collection {
  readonly #closing = new AbortController()

  constructor (private readonly parts: CollectionParts) {}

  /** Ends a collector that runs: the gate is closing, and the collection will be made again at the next start. */
  hurry (): void {
    this.#closing.abort()
  }

  /** Runs one collection. It never throws: what went wrong is in the outcome. */
  async run ({ requests, onPhase, join }: Requester): Promise<CollectionOutcome> {
    const { pause, reader } = this.parts
    if (pause.problem !== undefined) return { outcome: 'postponed', reason: pause.problem }
    let held = false
    let run: Run | undefined
    let outcome: CollectionOutcome
    try {
      if (requests.every(request => request.leftovers) && await isBlocked(requests, this.parts)) return { outcome: 'postponed', reason: 'pushes still rely on what is left' }
      onPhase('scan')
      const damage = await this.#lastingDamage()
      if (damage.length > 0) return { outcome: 'failed', reason: describe(damage) }
      const empty = await reader.emptyDirectories()
      onPhase('drain')
      held = await pause.stopWrites()
      if (!held) return { outcome: 'postponed', reason: 'pushes were still transferring when the time to wait for them was up' }
      onPhase('collect')
      const collected = await this.#collect([...requests, ...await join()], empty)
      if ('outcome' in collected) outcome = collected
      else outcome = { outcome: 'collected', ...(run = collected) }
    } catch (error) {
      outcome = { outcome: 'failed', reason: publicReason(error) }
    }
    if (!held) return outcome
    const refreshed = await this.#refresh(outcome, onPhase)
    if (run !== undefined && refreshed.outcome === 'collected') await this.#addKept(run)
    return refreshed
  }

  /**
   * Damage that is still there at a second look. Registry 2.8 truncates a link before it writes it, so beside running
   * pushes a link may look empty for a moment. Manifests are read into memory on the way, before anybody has to wait.
   */
  async #lastingDamage (): Promise<Damage[]> {
    const first = await scanReferences(this.parts.reader)
    if (first.blocking.length === 0) return []
    const seen = new Set(first.blocking.map(damage => damage.path))
    return (await scanReferences(this.parts.reader)).blocking.filter(damage => seen.has(damage.path))
  }

  /** A failed collection is followed by the restart too: some blobs may be gone. */
  async #refresh (outcome: CollectionOutcome, onPhase: (phase: CollectionPhase) => void): Promise<CollectionOutcome> {
    const { pause, freshness, tombstones, needsRestart } = this.parts
    if (!needsRestart) {
      tombstones.clear()
      await freshness.renew()
    }
    if (!freshness.isStale && tombstones.size === 0) {
      pause.resume()
      return outcome
    }
    onPhase('restart')
    try {
      await pause.restart()
      return outcome
    } catch (error) {
      return outcome.outcome === 'failed' ? outcome : { outcome: 'failed', reason: (error as Error).message }
    }
  }

  /** Everything that happens while nobody writes. */
  async #collect (requests: readonly CollectionRequest[], empty: readonly string[]): Promise<Run | CollectionOutcome> {
    const { reader, writer } = this.parts
    const receipts = new Map(requests.map(request => [request.id, EMPTY_RECEIPT]))
    const unfinished = await finishPlans(requests, receipts, { ...this.parts, turn })
    for (const request of requests) {
      const { id, tidy: target } = request
      if (target === undefined) continue
      const { receipt } = await tidy(target, request, { ...this.parts, turn, closing: this.#closing.signal })
      receipts.set(id, addToReceipt(receipts.get(id)!, receipt))
    }
    const references = await scanReferences(reader)
    if (references.blocking.length > 0) return { outcome: 'failed', reason: describe(references.blocking) }
    const warnings = await mend(references, writer)
    const swept = await sweep(requests, references, unfinished, this.#closing.signal, this.parts)
    if ('outcome' in swept) return swept
    // 3.x leaves the directories of the layer links that it drops; only a job that asks for garbage looks for them all.
    const more = requests.some(request => request.tidy !== undefined) ? await reader.emptyDirectories() : []
    await pruneDirectories(requests, receipts, swept.removed, [...empty, ...more], writer)
    shareBlobs(requests, receipts, swept.removed)
    requests.forEach(({ id }) => receipts.set(id, addToReceipt(receipts.get(id)!, { warnings })))
    return { requests, receipts, unfinished, references }
  }

  /** Who keeps what stayed: looked up when nobody has to wait any more. */
  async #addKept ({ requests, receipts, references }: Run): Promise<void> {
    const states = new Map()
    for (const { id, plans } of requests) {
      const kept = await keptBy(this.parts.states, plans, references.users, { states })
      receipts.set(id, addToReceipt(receipts.get(id)!, { kept }))
    }
  }
}
