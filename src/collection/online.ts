/**
 * A collection beside running traffic: finish what deletions left, make the registry forget it, sweep what nothing uses.
 * It costs what was deleted, not what is stored, and nobody is held. Each race is written down in
 * docs/garbage-collection.md.
 */
import { EMPTY_RECEIPT, addToReceipt, type Receipt } from '../deletion/receipt.js'
import { publicReason } from '../errors.js'
import type { Digest } from '../oci/digest.js'
import type { RepositoryName } from '../oci/name.js'
import type { ReferenceIndex } from '../references/index.js'
import type { Memory } from '../registry/memory.js'
import type { TreeReader } from '../storage/read.js'
import type { TreeWriter } from '../storage/write.js'
import type { Ghosts } from '../traffic/ghosts.js'
import { describe, mend } from './damage.js'
import type { Evictor } from './evictor.js'
import type { Freshness } from './freshness.js'
import { keptBy } from './kept.js'
import { finishPlans, isBlocked, type LeftoverParts } from './leftovers.js'
import { OnlineSweep, type OnlineSweepParts, type Stray } from './online-sweep.js'
import type { Pause } from './pause.js'
import type { Collection, CollectionOutcome, CollectionPhase, CollectionRequest, Requester } from './request.js'
import { pruneDirectories, shareBlobs } from './shares.js'
import { tidy, type TidyParts } from './tidy.js'

export interface OnlineParts extends LeftoverParts, Omit<OnlineSweepParts, 'states'>, Omit<TidyParts, 'closing'> {
  readonly reader: TreeReader
  readonly writer: TreeWriter
  readonly index: ReferenceIndex
  /** `undefined` where the registry forgets by a restart alone. */
  readonly evictor: Evictor | undefined
  readonly memory: Memory
  /** Whether the registry may be restarted where it does not forget by being told. */
  readonly mayRestart: boolean
  readonly ghosts: Ghosts
  readonly pause: Pause
  readonly freshness: Freshness
  /** Directories that are empty and that nobody is about to write into. */
  readonly pruner: Pick<TreeWriter, 'pruneUp'>
  /** Blobs that ended jobs named and that may still be there. */
  readonly abandoned: () => readonly Digest[]
  /** Younger blobs that no deletion named may belong to a push that is not known, milliseconds. */
  readonly youngMs: number
  readonly log: { info (details: object, message: string): void, warn (details: object, message: string): void }
}

/** Between two lines about a long collection. Milliseconds. */
const PROGRESS_MS = 10_000

/** The registry may take long to forget; what somebody pushes around the gate meanwhile is to be seen. Milliseconds. */
const LOOK_LASTS_MS = 20

/** What one run does, step by step. */
interface Run {
  /** Milliseconds since the epoch. What is too young for the tidying is too young for the sweep, too. */
  readonly startedAt: number
  readonly requests: readonly CollectionRequest[]
  readonly receipts: Map<string, Receipt>
  readonly unfinished: Set<string>
  /** Repositories in which something was unlinked, and in whose name. */
  readonly touched: Map<RepositoryName, string | undefined>
  /** Why the registry must be restarted to forget. */
  restart: string | undefined
}

export class OnlineCollection implements Collection {
  readonly #closing = new AbortController()

  constructor (private readonly parts: OnlineParts) {}

  hurry (): void { this.#closing.abort() }

  async run ({ requests, onPhase }: Requester): Promise<CollectionOutcome> {
    const { pause } = this.parts
    if (pause.problem !== undefined) return { outcome: 'postponed', reason: pause.problem }
    try {
      if (requests.every(request => request.leftovers) && await isBlocked(requests, this.parts)) return { outcome: 'postponed', reason: 'pushes or pulls still rely on what is left' }
      return await this.#collect(requests, onPhase)
    } catch (error) {
      if (pause.problem === undefined) pause.resume()
      if (this.#closing.signal.aborted) return { outcome: 'postponed', reason: 'Delgate was stopped' }
      return { outcome: 'failed', reason: publicReason(error) }
    }
  }

  async #collect (requests: readonly CollectionRequest[], onPhase: (phase: CollectionPhase) => void): Promise<CollectionOutcome> {
    const { index, freshness, tombstones } = this.parts
    const run: Run = { startedAt: Date.now(), requests, receipts: new Map(requests.map(({ id }) => [id, EMPTY_RECEIPT])), unfinished: new Set(), touched: new Map(), restart: undefined }
    onPhase('scan')
    await index.build(this.#closing.signal)
    onPhase('collect')
    await this.#unlink(run)
    // The one waits for the registry, the other for the disk.
    const [looked] = await Promise.all([this.#lastingDamage(run).then(damage => ({ damage, at: performance.now() })), this.#evict(run)])
    if (run.restart !== undefined && !await this.parts.pause.prepare()) return { outcome: 'postponed', reason: 'pushes were still transferring when the time to wait for them was up' }
    const damage = performance.now() - looked.at <= LOOK_LASTS_MS ? looked.damage : await this.#lastingDamage(run)
    if (damage !== undefined) return await this.#refresh(run, { outcome: 'failed', reason: damage }, onPhase)
    const warnings = await mend(index, this.parts.writer)
    const strays = await this.#sweep(run)
    await this.#evict(run)
    const outcome = await this.#refresh(run, { outcome: 'collected', receipts: run.receipts, unfinished: run.unfinished }, onPhase)
    await this.#finish(run, strays, warnings)
    if (tombstones.size === 0 && freshness.isStale) await freshness.renew()
    return outcome
  }

  /** What earlier collections, interrupted runs, or deletions beside running pushes left; and what a tidying finds. */
  async #unlink (run: Run): Promise<void> {
    for (const id of await finishPlans(run.requests, run.receipts, this.parts)) run.unfinished.add(id)
    for (const { plans, authorization } of run.requests) {
      for (const { repository } of plans) run.touched.set(repository, authorization ?? run.touched.get(repository))
    }
    for (const request of run.requests) {
      const { id, tidy: target, authorization } = request
      if (target === undefined) continue
      // No plan is in the journal for this: if Delgate ends in the middle, the next start restarts the registry.
      await this.parts.freshness.spoil()
      const { receipt, repositories } = await tidy(target, request, { ...this.parts, closing: this.#closing.signal }, this.#progress('repositories were tidied'))
      run.receipts.set(id, addToReceipt(run.receipts.get(id)!, receipt))
      repositories.forEach(repository => run.touched.set(repository, authorization))
    }
  }

  /** Before the sweep, so that the registry never remembers what is gone; and after it, for the links that went with it. */
  async #evict (run: Run): Promise<void> {
    const { evictor, tombstones, mayRestart, log } = this.parts
    if (evictor === undefined) {
      if (tombstones.size > 0) run.restart ??= 'collection.freshness'
      return
    }
    for (const [repository, authorization] of run.touched) {
      if (run.restart !== undefined) return
      const evicted = await evictor.evict(repository, { authorization })
      if (evicted.outcome === 'leased') this.#leave(run, repository)
      if (evicted.outcome !== 'refused') continue
      if (!mayRestart) throw new Error(`the registry does not forget what is gone: ${evicted.reason}. Set registry.username and registry.password to a user who may delete there, and start Delgate again`)
      run.restart = evicted.reason
      log.warn({ repository, reason: evicted.reason }, 'the registry does not forget by being told; it will be restarted')
    }
  }

  /** What the registry could not be made to forget yet is left to a later collection; until then the gate answers for it. */
  #leave ({ requests, unfinished }: Run, repository: RepositoryName): void {
    for (const { id, plans } of requests) if (plans.some(plan => plan.repository === repository)) unfinished.add(id)
  }

  /**
   * Damage that is still there at a second look. Registry 2.8 truncates a link before it writes it, so beside running
   * pushes a link may look empty for a moment.
   */
  async #lastingDamage ({ requests }: Run): Promise<string | undefined> {
    const { index } = this.parts
    // What was interrupted may have removed a link and not its directory, which no pass notices otherwise.
    if (isFull(requests) || requests.some(({ unlinked }) => !unlinked)) await index.audit(this.#closing.signal)
    else await index.verify()
    if (index.blocking.length === 0) return undefined
    await index.verify()
    return index.blocking.length === 0 ? undefined : describe(index.blocking)
  }

  async #sweep (run: Run): Promise<readonly Stray[]> {
    const { aside, abandoned, youngMs } = this.parts
    const named = new Set([...run.requests.flatMap(({ plans }) => plans.flatMap(plan => plan.candidates))])
    const full = isFull(run.requests)
    if (full) abandoned().forEach(digest => named.add(digest))
    const sweep = new OnlineSweep(this.parts, run.startedAt - youngMs, named)
    // What has gone before something failed, the registry may remember all the same.
    await this.#sweepAll(sweep, named, full).finally(async () => { await this.#forget(run, sweep.swept.removed) })
    const { removed, strays, leased } = sweep.swept
    await aside.clear()
    for (const { repository } of strays) run.touched.set(repository, run.touched.get(repository) ?? run.requests[0]?.authorization)
    for (const { id, plans } of run.requests) {
      if (plans.some(plan => plan.candidates.some(digest => leased.has(digest)))) run.unfinished.add(id)
    }
    await this.#prune(run, removed)
    shareBlobs(run.requests, run.receipts, removed)
    return strays
  }

  async #sweepAll (sweep: OnlineSweep, named: ReadonlySet<Digest>, full: boolean): Promise<void> {
    await sweep.sweep([...named])
    if (!full) return
    const progress = this.#progress('blobs were looked at')
    let looked = 0
    for await (const digests of this.parts.reader.blobsByPrefix()) {
      this.#closing.signal.throwIfAborted()
      await sweep.sweep(digests.filter(digest => !named.has(digest)))
      progress(looked += digests.length)
    }
  }

  /** Blobs that are gone, where the registry remembers them for all repositories. */
  async #forget ({ requests, receipts }: Run, removed: OnlineSweep['swept']['removed']): Promise<void> {
    const { memory, ghosts } = this.parts
    await memory.forgetEverywhere([...removed.keys()])
    const manifests = [...requests.flatMap(({ plans }) => plans.flatMap(plan => plan.manifests)), ...[...receipts.values()].flatMap(receipt => receipt.manifests.map(({ digest }) => digest))]
    for (const digest of manifests) if (removed.has(digest)) ghosts.add(digest)
  }

  async #prune (run: Run, removed: OnlineSweep['swept']['removed']): Promise<void> {
    const { reader, pruner } = this.parts
    const empty = run.requests.some(({ tidy }) => tidy !== undefined) ? await reader.emptyDirectories() : []
    await pruneDirectories(run.requests, run.receipts, removed, empty, pruner)
  }

  /** Only where the registry was not told, or did not listen. */
  async #refresh (run: Run, outcome: CollectionOutcome, onPhase: (phase: CollectionPhase) => void): Promise<CollectionOutcome> {
    const { pause, freshness, log } = this.parts
    if (run.restart === undefined) return outcome
    await freshness.spoil()
    onPhase('restart')
    log.info({ reason: run.restart }, 'the registry is restarted, so that it forgets what is gone')
    try {
      await pause.restart()
      return outcome
    } catch (error) {
      return outcome.outcome === 'failed' ? outcome : { outcome: 'failed', reason: (error as Error).message }
    }
  }

  /** The rest of the receipts: who keeps what stayed, and links that went with the blobs. */
  async #finish ({ requests, receipts }: Run, strays: readonly Stray[], warnings: readonly string[]): Promise<void> {
    const { states, index } = this.parts
    const seen = new Map()
    for (const { id, plans } of requests) {
      const kept = await keptBy(states, plans, { get: digest => index.users(digest) }, { states: seen })
      receipts.set(id, addToReceipt(receipts.get(id)!, { kept, warnings }))
    }
    for (const { repository, digest, extent } of strays) {
      const id = ([...requests].reverse().find(({ plans }) => plans.some(plan => plan.candidates.includes(digest))) ?? requests.find(({ tidy }) => tidy !== undefined))?.id
      if (id !== undefined) receipts.set(id, addToReceipt(receipts.get(id)!, { layerLinks: [{ repository, digest }], bytesFreed: extent.bytes, directories: extent.directories }))
    }
  }

  /** Says now and then how far a long collection has come. */
  #progress (message: string): (done: number, of?: number) => void {
    let last = Date.now()
    return (done, of) => {
      if (Date.now() - last < PROGRESS_MS) return
      last = Date.now()
      this.parts.log.info(of === undefined ? { done } : { done, of }, message)
    }
  }
}

/** Whether every blob is looked at: somebody asked for that, or it is not known what a manifest that went used. */
const isFull = (requests: readonly CollectionRequest[]): boolean => requests.some(({ tidy, plans }) => tidy !== undefined || plans.some(plan => plan.blind))
