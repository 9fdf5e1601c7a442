/**
 * One collection for any number of deletions: finish what they left, sweep what nothing uses, make the registry
 * forget it, remove empty directories, and say who got what. See docs/garbage-collection.md.
 */
import { dirname } from 'node:path'
import { execute, parentsOf } from '../deletion/execute.js'
import { planRest, type Plan, type PlanOptions } from '../deletion/plan.js'
import { tagsReaching } from '../deletion/reach.js'
import { EMPTY_RECEIPT, addToReceipt, type Keeper, type Receipt } from '../deletion/receipt.js'
import type { Digest } from '../oci/digest.js'
import type { RegistryController } from '../registry/port.js'
import * as paths from '../storage/paths.js'
import type { TreeReader } from '../storage/read.js'
import { scanReferences, type References } from '../storage/scan.js'
import type { Damage, RepositoryState } from '../storage/state.js'
import type { Extent, TreeWriter } from '../storage/write.js'
import type { Sessions } from '../traffic/sessions.js'
import type { Tombstones } from '../traffic/tombstones.js'
import type { Pause } from './pause.js'
import { raiseShield } from './shield.js'

export type CollectionPhase = 'scan' | 'drain' | 'collect' | 'restart'

/** What one job wants of a collection. */
export interface CollectionRequest {
  readonly id: string
  readonly plans: readonly Plan[]
  /** It asks for everything that nothing uses, not only for what its plans left. */
  readonly garbage: boolean
}

export type CollectionOutcome =
  /** By job id. */
  | { readonly outcome: 'collected', readonly receipts: ReadonlyMap<string, Receipt> }
  /** Pushes kept transferring; nothing was touched. */
  | { readonly outcome: 'postponed', readonly reason: string }
  | { readonly outcome: 'failed', readonly reason: string, readonly output?: string }

export interface CollectionParts {
  readonly reader: TreeReader
  readonly writer: TreeWriter
  readonly controller: Pick<RegistryController, 'collect'>
  readonly pause: Pause
  readonly sessions: Sessions
  readonly tombstones: Tombstones
  readonly planOptions: (repository: Plan['repository']) => PlanOptions
  /** Whether the registry caches descriptors in its process, so that only a restart makes it forget. */
  readonly needsRestart: boolean
  /** Longest run of the registry's collector, seconds. */
  readonly timeoutSeconds: number
}

/** Damage is named in messages; this many places are enough to begin with. */
const DAMAGES_SHOWN = 5
/** Keepers listed for one digest. */
const KEEPERS_SHOWN = 20

export class Collection {
  constructor (private readonly parts: CollectionParts) {}

  /** Runs one collection. It never throws: what went wrong is in the outcome. */
  async run (requests: readonly CollectionRequest[], onPhase: (phase: CollectionPhase) => void): Promise<CollectionOutcome> {
    const { pause } = this.parts
    let held = false
    let swept = false
    let outcome: CollectionOutcome
    try {
      onPhase('scan')
      // Damage is found, and manifests are read into memory, before anybody has to wait.
      const first = await scanReferences(this.parts.reader)
      if (first.blocking.length > 0) return { outcome: 'failed', reason: describe(first.blocking) }
      const empty = await this.parts.reader.emptyDirectories()
      onPhase('drain')
      held = await pause.stopWrites()
      if (!held) return { outcome: 'postponed', reason: 'pushes were still running when the time to wait for them was up' }
      onPhase('collect')
      outcome = await this.#collect(requests, empty, () => { swept = true })
    } catch (error) {
      outcome = { outcome: 'failed', reason: (error as Error).message }
    }
    if (!held) return outcome
    return await this.#refresh(outcome, swept || this.parts.tombstones.size > 0, onPhase)
  }

  /** A failed collection is followed by the restart too: some blobs may be gone. */
  async #refresh (outcome: CollectionOutcome, stale: boolean, onPhase: (phase: CollectionPhase) => void): Promise<CollectionOutcome> {
    if (!stale || !this.parts.needsRestart) {
      this.parts.tombstones.clear()
      this.parts.pause.resume()
      return outcome
    }
    onPhase('restart')
    try {
      await this.parts.pause.restart()
      return outcome
    } catch (error) {
      return outcome.outcome === 'failed' ? outcome : { outcome: 'failed', reason: (error as Error).message }
    }
  }

  /** Everything that happens while nobody writes. */
  async #collect (requests: readonly CollectionRequest[], empty: readonly string[], onSweep: () => void): Promise<CollectionOutcome> {
    const { reader, writer } = this.parts
    const receipts = new Map<string, Receipt>()
    for (const request of requests) receipts.set(request.id, await this.#finish(request))
    const references = await scanReferences(reader)
    if (references.blocking.length > 0) return { outcome: 'failed', reason: describe(references.blocking) }
    const warnings = await this.#mend(references)
    const before = await this.#unused(requests, references)
    if (before.size > 0 || requests.some(request => request.plans.some(plan => plan.blind))) {
      onSweep()
      const failure = await this.#sweep(references)
      if (failure !== undefined) return failure
    }
    const removed = await this.#gone(before)
    const pruned = await this.#prune(requests, removed, requests.some(request => request.garbage) ? [...empty, ...await reader.emptyDirectories()] : empty)
    await this.#settle(requests, receipts, { references, removed, warnings, pruned })
    await writer.pruneUp(empty)
    return { outcome: 'collected', receipts }
  }

  /** Unlinks what an interrupted or concurrent run left of the request's plans. */
  async #finish (request: CollectionRequest): Promise<Receipt> {
    let receipt = EMPTY_RECEIPT
    for (const plan of request.plans) {
      const state = await this.parts.reader.repository(plan.repository)
      const rest = planRest(state, plan, this.parts.planOptions(plan.repository))
      if (!state.exists) continue
      receipt = addToReceipt(receipt, await execute(rest, this.parts.writer, { tombstones: this.parts.tombstones, quiet: true }))
    }
    return receipt
  }

  /** A repository with only one of its two directories is hidden from one version of the collector. */
  async #mend (references: References): Promise<string[]> {
    const warnings = references.warnings.map(damage => `${damage.path}: ${damage.reason}`)
    for (const name of references.lopsided) {
      await this.parts.writer.ensure(paths.layersDirectory(name))
      await this.parts.writer.ensure(paths.manifestsDirectory(name))
      warnings.push(`${paths.repositoryDirectory(name)}: only one of _layers and _manifests was there; an empty one was added, so that the registry sees the repository`)
    }
    return warnings
  }

  /** Blobs that nothing uses, of those asked for, with what they take. */
  async #unused (requests: readonly CollectionRequest[], references: References): Promise<Map<Digest, Extent>> {
    const asked = requests.some(request => request.garbage) ? await this.parts.reader.blobs() : requests.flatMap(request => request.plans.flatMap(plan => plan.candidates))
    const leased = new Set(await this.#leased())
    const unused = new Map<Digest, Extent>()
    for (const digest of new Set(asked)) {
      if (references.users.has(digest) || references.aliased.has(digest) || leased.has(digest)) continue
      const extent = await this.parts.writer.measure(paths.blobDirectory(digest))
      if (extent.directories > 0) unused.set(digest, extent)
    }
    return unused
  }

  async #sweep (references: References): Promise<CollectionOutcome | undefined> {
    const lower = await raiseShield(this.parts.writer, [...references.aliased, ...await this.#leased()])
    try {
      const result = await this.parts.controller.collect(AbortSignal.timeout(this.parts.timeoutSeconds * 1000))
      if (result.outcome === 'collected') return undefined
      const how = result.exitCode === undefined ? `did not end within ${this.parts.timeoutSeconds} s or could not be run` : `ended with exit code ${result.exitCode}`
      return { outcome: 'failed', reason: `the registry's garbage-collect ${how}`, output: result.output }
    } finally {
      await lower()
    }
  }

  /** What running pushes rely on, as it is stored. */
  async #leased (): Promise<Digest[]> {
    const digests: Digest[] = []
    for (const { repository, digest } of this.parts.sessions.allLeased()) {
      const link = await this.parts.reader.link('layer', paths.layerLink(repository, digest))
      digests.push(digest)
      if (link !== undefined && 'digest' in link && link.digest !== digest) digests.push(link.digest)
    }
    return digests
  }

  async #gone (before: ReadonlyMap<Digest, Extent>): Promise<Map<Digest, Extent>> {
    const gone = new Map<Digest, Extent>()
    for (const [digest, extent] of before) {
      if (await this.parts.reader.blobSize(digest) === undefined) gone.set(digest, extent)
    }
    return gone
  }

  /** @returns how many directories went, by the job that emptied them; other ones count for nobody */
  async #prune (requests: readonly CollectionRequest[], removed: ReadonlyMap<Digest, Extent>, empty: readonly string[]): Promise<Map<string, number>> {
    const counts = new Map<string, number>()
    for (const request of requests) {
      const emptied = request.plans.flatMap(plan => [...parentsOf(plan), paths.repositoryDirectory(plan.repository)])
      const blobs = request.plans.flatMap(plan => plan.candidates).filter(digest => removed.has(digest)).map(digest => dirname(paths.blobDirectory(digest)))
      counts.set(request.id, await this.parts.writer.pruneUp([...emptied, ...blobs]))
    }
    const garbage = requests.find(request => request.garbage)
    const rest = await this.parts.writer.pruneUp([...empty, ...[...removed.keys()].map(digest => dirname(paths.blobDirectory(digest)))])
    if (garbage !== undefined) counts.set(garbage.id, (counts.get(garbage.id) ?? 0) + rest)
    return counts
  }

  /** Writes each job's share into its receipt: a blob belongs to the first job that left it unused. */
  async #settle (requests: readonly CollectionRequest[], receipts: Map<string, Receipt>, result: { references: References, removed: Map<Digest, Extent>, warnings: readonly string[], pruned: Map<string, number> }): Promise<void> {
    const left = new Map(result.removed)
    const share = (request: CollectionRequest, digests: Iterable<Digest>): void => {
      const mine = [...new Set(digests)].filter(digest => left.has(digest)).map(digest => ({ digest, extent: left.get(digest)! }))
      mine.forEach(({ digest }) => left.delete(digest))
      receipts.set(request.id, addToReceipt(receipts.get(request.id)!, {
        blobs: mine.map(({ digest, extent }) => ({ digest, bytes: extent.bytes })),
        bytesFreed: mine.reduce((sum, { extent }) => sum + extent.bytes, 0),
        directories: mine.reduce((sum, { extent }) => sum + extent.directories, 0)
      }))
    }
    for (const request of requests) share(request, request.plans.flatMap(plan => plan.candidates))
    for (const request of requests.filter(request => request.garbage)) share(request, [...left.keys()])
    for (const request of requests) {
      receipts.set(request.id, addToReceipt(receipts.get(request.id)!, {
        kept: await keptBy(this.parts.reader, request.plans, result.references),
        directories: result.pruned.get(request.id) ?? 0,
        warnings: result.warnings
      }))
    }
  }
}

/**
 * Who keeps what the plans might have freed.
 * @param view applied to each repository's state first, as for `scanReferences`
 */
export async function keptBy (reader: TreeReader, plans: readonly Plan[], references: References, view: (state: RepositoryState) => RepositoryState = state => state): Promise<Receipt['kept']> {
  const candidates = new Set(plans.flatMap(plan => [...plan.candidates, ...plan.kept.map(({ digest }) => digest)]))
  const states = new Map<string, Awaited<ReturnType<TreeReader['repository']>>>()
  const kept: Array<{ digest: Digest, by: Keeper[] }> = []
  for (const digest of [...candidates].sort()) {
    const users = [...references.users.get(digest) ?? []].sort().slice(0, KEEPERS_SHOWN)
    if (users.length === 0) continue
    const by: Keeper[] = []
    for (const repository of users) {
      const state = states.get(repository) ?? view(await reader.repository(repository))
      states.set(repository, state)
      by.push({ repository, tags: tagsReaching(state, digest) })
    }
    kept.push({ digest, by })
  }
  return kept
}

function describe (damages: readonly Damage[]): string {
  const shown = damages.slice(0, DAMAGES_SHOWN).map(damage => `${damage.path}: ${damage.reason}`).join('; ')
  const more = damages.length > DAMAGES_SHOWN ? `; and ${damages.length - DAMAGES_SHOWN} more` : ''
  return `nothing was swept, since damage in the registry could hide what is in use: ${shown}${more}. Delete or push again what is damaged; the job is then tried again`
}
