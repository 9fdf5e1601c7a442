/**
 * One collection for any number of deletions: finish what they left, sweep what nothing uses, make the registry
 * forget it, remove empty directories, and say who got what. Each race is written down in docs/garbage-collection.md.
 */
import { dirname } from 'node:path'
import { execute, parentsOf } from '../deletion/execute.js'
import { planLeftovers, planRest, type Plan, type PlanOptions } from '../deletion/plan.js'
import { EMPTY_RECEIPT, addToReceipt, type Receipt } from '../deletion/receipt.js'
import type { Digest } from '../oci/digest.js'
import type { RepositoryName } from '../oci/name.js'
import type { RegistryController } from '../registry/port.js'
import * as paths from '../storage/paths.js'
import type { TreeReader } from '../storage/read.js'
import { scanReferences, type References } from '../storage/scan.js'
import type { Damage, RepositoryState } from '../storage/state.js'
import type { Extent, TreeWriter } from '../storage/write.js'
import type { Sessions } from '../traffic/sessions.js'
import type { Tombstones } from '../traffic/tombstones.js'
import type { Freshness } from './freshness.js'
import { keptBy } from './kept.js'
import type { Pause } from './pause.js'
import { raiseShield } from './shield.js'

export type CollectionPhase = 'scan' | 'drain' | 'collect' | 'restart'

/** What one job wants of a collection. */
export interface CollectionRequest {
  readonly id: string
  readonly plans: readonly Plan[]
  /** When the job was accepted, milliseconds since the epoch. */
  readonly since: number
  /** Whether the links that its plans name have been removed. */
  readonly unlinked: boolean
  /** It asks for everything that nothing uses, not only for what its plans left. */
  readonly garbage: boolean
  /** An earlier collection has done all but what running pushes relied on. */
  readonly leftovers: boolean
}

/** Who asks for a collection. */
export interface Requester {
  readonly requests: readonly CollectionRequest[]
  readonly onPhase: (phase: CollectionPhase) => void
  /**
   * Called when nobody writes any more. The sweep takes everything that is unused, so deletions that were accepted
   * meanwhile belong to this collection too.
   */
  readonly join: () => Promise<readonly CollectionRequest[]>
}

export type CollectionOutcome =
  /** Receipts by job id; `unfinished` jobs have something left that a running push relies on. */
  | { readonly outcome: 'collected', readonly receipts: ReadonlyMap<string, Receipt>, readonly unfinished: ReadonlySet<string> }
  /** Nothing was touched. */
  | { readonly outcome: 'postponed', readonly reason: string }
  | { readonly outcome: 'failed', readonly reason: string, readonly output?: string }

export interface CollectionParts {
  readonly reader: TreeReader
  readonly writer: TreeWriter
  readonly controller: Pick<RegistryController, 'collect'>
  readonly pause: Pause
  readonly freshness: Freshness
  readonly sessions: Sessions
  readonly tombstones: Tombstones
  readonly planOptions: (repository: RepositoryName) => PlanOptions
  /** Whether the registry caches descriptors in its process, so that only a restart makes it forget. */
  readonly needsRestart: boolean
  /** Longest run of the registry's collector, seconds. */
  readonly timeoutSeconds: number
}

/** Damage is named in messages; this many places are enough to begin with. */
const DAMAGES_SHOWN = 5

/** What a collection under way has found out. */
interface Run {
  readonly requests: readonly CollectionRequest[]
  readonly receipts: Map<string, Receipt>
  readonly unfinished: Set<string>
  readonly references: References
  /** Unused blobs that are gone now, with what they took. */
  removed: ReadonlyMap<Digest, Extent>
}

export class Collection {
  readonly #closing = new AbortController()

  constructor (private readonly parts: CollectionParts) {}

  /** Ends a collector that runs: the gate is closing, and the collection will be made again at the next start. */
  hurry (): void {
    this.#closing.abort()
  }

  /** Runs one collection. It never throws: what went wrong is in the outcome. */
  async run ({ requests, onPhase, join }: Requester): Promise<CollectionOutcome> {
    const { pause } = this.parts
    if (requests.every(request => request.leftovers) && await this.#isBlocked(requests)) return { outcome: 'postponed', reason: 'pushes still rely on what is left' }
    if (pause.problem !== undefined) return { outcome: 'postponed', reason: pause.problem }
    let held = false
    let run: Run | undefined
    let outcome: CollectionOutcome
    try {
      onPhase('scan')
      const damage = await this.#lastingDamage()
      if (damage.length > 0) return { outcome: 'failed', reason: describe(damage) }
      const empty = await this.parts.reader.emptyDirectories()
      onPhase('drain')
      held = await pause.stopWrites()
      if (!held) return { outcome: 'postponed', reason: 'pushes were still transferring when the time to wait for them was up' }
      onPhase('collect')
      const collected = await this.#collect([...requests, ...await join()], empty)
      if ('outcome' in collected) outcome = collected
      else outcome = { outcome: 'collected', ...(run = collected) }
    } catch (error) {
      outcome = { outcome: 'failed', reason: (error as Error).message }
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
    if (!needsRestart) tombstones.clear()
    if (!needsRestart || (!freshness.isStale && tombstones.size === 0)) {
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
    const { reader } = this.parts
    const receipts = new Map(requests.map(request => [request.id, EMPTY_RECEIPT]))
    const unfinished = new Set<string>()
    await this.#finish(requests, receipts, unfinished)
    const references = await scanReferences(reader)
    if (references.blocking.length > 0) return { outcome: 'failed', reason: describe(references.blocking) }
    const run: Run = { requests, receipts, unfinished, references, removed: new Map() }
    const warnings = await this.#mend(references)
    const before = await this.#unused(run)
    if (before.size > 0 || requests.some(request => request.garbage || request.plans.some(plan => plan.blind))) {
      const failure = await this.#sweep(references)
      if (failure !== undefined) return failure
    }
    run.removed = await this.#gone(before)
    await this.#prune(run, requests.some(request => request.garbage) ? [...empty, ...await reader.emptyDirectories()] : empty)
    this.#share(run)
    requests.forEach(({ id }) => receipts.set(id, addToReceipt(receipts.get(id)!, { warnings })))
    return run
  }

  /** Unlinks what interrupted runs, or pushes that were running at the time, left of the requests' plans. */
  async #finish (requests: readonly CollectionRequest[], receipts: Map<string, Receipt>, unfinished: Set<string>): Promise<void> {
    const { reader, writer, tombstones, planOptions } = this.parts
    const names = new Set(requests.flatMap(request => request.plans.map(plan => plan.repository)))
    for (const name of names) {
      let state = await reader.repository(name)
      for (const { id, plan, since, unlinked } of requests.flatMap(request => request.plans.filter(plan => plan.repository === name).map(plan => ({ ...request, plan })))) {
        if (!state.exists) continue
        const rest = (unlinked ? planLeftovers : planRest)(state, plan, since, planOptions(name))
        if (rest.tags.length + rest.manifests.length + rest.layers.length > 0 || rest.empties) {
          receipts.set(id, add(receipts.get(id)!, await execute(rest, writer, { tombstones, quiet: true })))
          state = await reader.repository(name)
        }
        if (isHeldOpen(state, plan, planOptions(name))) unfinished.add(id)
      }
    }
  }

  /** Whether running pushes still hold what earlier collections had to leave; asked before anybody is held for it. */
  async #isBlocked (requests: readonly CollectionRequest[]): Promise<boolean> {
    const { reader, planOptions } = this.parts
    for (const plan of requests.flatMap(request => request.plans)) {
      const options = planOptions(plan.repository)
      if (isHeldOpen(await reader.repository(plan.repository), plan, options) || plan.candidates.some(digest => options.leased(digest))) return true
    }
    return false
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
  async #unused ({ requests, references, unfinished }: Run): Promise<Map<Digest, Extent>> {
    const leased = new Set(await this.#leased())
    const unused = new Map<Digest, Extent>()
    const look = async (digest: Digest, id?: string): Promise<void> => {
      if (unused.has(digest) || references.users.has(digest) || references.aliased.has(digest)) return
      const extent = await this.parts.writer.measure(paths.blobDirectory(digest))
      if (extent.directories === 0) return
      if (!leased.has(digest)) unused.set(digest, extent)
      else if (id !== undefined) unfinished.add(id)
    }
    for (const { id, plans } of requests) for (const plan of plans) for (const digest of plan.candidates) await look(digest, id)
    if (requests.some(request => request.garbage)) for (const digest of await this.parts.reader.blobs()) await look(digest)
    return unused
  }

  async #sweep (references: References): Promise<CollectionOutcome | undefined> {
    await this.parts.freshness.spoil()
    const lower = await raiseShield(this.parts.writer, [...new Set([...references.aliased, ...await this.#leased()])])
    try {
      const result = await this.parts.controller.collect(AbortSignal.any([AbortSignal.timeout(this.parts.timeoutSeconds * 1000), this.#closing.signal]))
      if (result.outcome === 'collected') return undefined
      if (this.#closing.signal.aborted) return { outcome: 'postponed', reason: 'Delgate was stopped' }
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

  /** Removes empty directories; each counts for the job that emptied it, and old ones for a job that asked for garbage. */
  async #prune ({ requests, receipts, removed }: Run, empty: readonly string[]): Promise<void> {
    const { writer } = this.parts
    const count = (id: string, directories: number): void => { receipts.set(id, addToReceipt(receipts.get(id)!, { directories })) }
    for (const { id, plans } of requests) {
      const emptied = plans.flatMap(plan => [...parentsOf(plan), paths.repositoryDirectory(plan.repository)])
      const blobs = plans.flatMap(plan => plan.candidates).filter(digest => removed.has(digest)).map(digest => dirname(paths.blobDirectory(digest)))
      count(id, await writer.pruneUp([...emptied, ...blobs]))
    }
    const rest = await writer.pruneUp([...empty, ...[...removed.keys()].map(digest => dirname(paths.blobDirectory(digest)))])
    const garbage = requests.find(request => request.garbage)
    if (garbage !== undefined) count(garbage.id, rest)
  }

  /** Writes each job's share into its receipt: a blob was unused only after the last of the jobs that let go of it. */
  #share ({ requests, receipts, removed }: Run): void {
    const left = new Map(removed)
    const share = ({ id }: CollectionRequest, digests: Iterable<Digest>): void => {
      const mine = [...new Set(digests)].filter(digest => left.has(digest)).map(digest => ({ digest, extent: left.get(digest)! }))
      mine.forEach(({ digest }) => left.delete(digest))
      receipts.set(id, addToReceipt(receipts.get(id)!, {
        blobs: mine.map(({ digest, extent }) => ({ digest, bytes: extent.bytes })),
        bytesFreed: mine.reduce((sum, { extent }) => sum + extent.bytes, 0),
        directories: mine.reduce((sum, { extent }) => sum + extent.directories, 0)
      }))
    }
    for (const request of [...requests].reverse()) share(request, request.plans.flatMap(plan => plan.candidates))
    for (const request of requests.filter(request => request.garbage)) share(request, [...left.keys()])
  }

  /** Who keeps what stayed: looked up when nobody has to wait any more. */
  async #addKept ({ requests, receipts, references }: Run): Promise<void> {
    const states = new Map()
    for (const { id, plans } of requests) {
      const kept = await keptBy(this.parts.reader, plans, references, { states })
      receipts.set(id, addToReceipt(receipts.get(id)!, { kept }))
    }
  }
}

/** Whether a push that runs keeps a link, or a repository in which nothing else is left, that a plan was about. */
function isHeldOpen (state: RepositoryState, plan: Plan, options: PlanOptions): boolean {
  if (!state.exists) return false
  if (plan.candidates.some(digest => state.layers.has(digest) && options.leased(digest))) return true
  const isEmpty = state.revisions.size === 0 && state.tags.size === 0
  return isEmpty && (state.uploads.some(upload => options.uploading(upload)) || [...state.layers.values()].some(layer => options.leased(layer.digest) || layer.modifiedAt >= options.idleBefore))
}

function add (receipt: Receipt, more: Receipt): Receipt {
  const { counts: _, kept: __, ...lists } = more
  return addToReceipt(receipt, lists)
}

function describe (damages: readonly Damage[]): string {
  const shown = damages.slice(0, DAMAGES_SHOWN).map(damage => `${damage.path}: ${damage.reason}`).join('; ')
  const more = damages.length > DAMAGES_SHOWN ? `; and ${damages.length - DAMAGES_SHOWN} more` : ''
  return `nothing was swept, since damage in the registry could hide what is in use: ${shown}${more}. Delete or push again what is damaged; the job is then tried again`
}
