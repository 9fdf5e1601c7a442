/** What the disk is used for: what manifests use, as of now; what nothing uses, as it was measured last. */
import type { Usage as UsageReport } from '../interface/catalog.js'
import type { Digest } from '../oci/digest.js'
import type { ReferenceIndex } from '../references/index.js'
import type { Totals } from '../references/weights.js'
import type { TreeReader } from '../storage/read.js'
import { roomOf } from '../storage/room.js'
import type { History } from './history.js'
import { takeInventory, type Inventory } from './inventory.js'
import type { Measure } from './measure.js'
import type { TagTimesReader } from './tag-times.js'

export interface UsageParts {
  readonly index: ReferenceIndex
  readonly reader: TreeReader
  readonly measure: Measure
  /** Whether a running push or pull relies on a blob. */
  readonly isLeased: (digest: Digest) => boolean
  readonly tagTimes: TagTimesReader
  readonly trash: { readonly stats: { readonly jobs: number, readonly bytes: number } }
  readonly history: History
  /** Aborts when the gate closes. */
  readonly closing: AbortSignal
  readonly log: { info (details: object, message: string): void, warn (details: object, message: string): void }
}

/** Everything is measured again when the last time is so long ago. Milliseconds. */
const MEASURE_AFTER_MS = 24 * 3_600_000
const SAMPLE_EVERY_MS = 3_600_000
/** Where so many sizes are missing at a start, everything is measured again: the index was lost, or could not be read. */
const MISSING_MAXIMUM = 1_000
/** While everything is being measured, an answer does not measure anything itself. */
const NO_LOOKS = { left: 0 }
const NOTHING: Inventory = { garbage: { blobs: 0, bytes: 0 }, single: { blobs: 0, bytes: 0 }, uploads: { count: 0, bytes: 0 } }

export class Usage {
  #inventory: { readonly found: Inventory, readonly at: string } | undefined
  #measuring: Promise<void> | undefined
  #isStale = false
  #totals: Promise<Totals & { readonly measured: boolean }> | undefined
  #timer: NodeJS.Timeout | undefined

  constructor (private readonly parts: UsageParts) {
    const last = parts.history.samples.at(-1)
    if (last !== undefined) this.#inventory = { found: last, at: last.measuredAt }
  }

  /** Begins to measure, once everything that is linked is known; and then as long as the gate is open. */
  start (): void {
    const { index, closing, log } = this.parts
    index.build(closing).then(async () => {
      if (closing.aborted) return
      this.#timer = setInterval(() => { this.#tick().catch((err: unknown) => { log.warn({ err }, 'disk use could not be noted') }) }, SAMPLE_EVERY_MS).unref()
      closing.addEventListener('abort', () => { clearInterval(this.#timer) }, { once: true })
      await this.#warm()
      if (this.#isDue || (await index.weights.totals()).unmeasured.length > MISSING_MAXIMUM) await this.remeasure()
    }).catch((err: unknown) => { if (!closing.aborted) log.warn({ err }, 'the registry could not be measured; it is tried again within the hour') })
  }

  /** Measures everything again: when it is measured already, once more after that. */
  async remeasure (): Promise<void> {
    if (this.#measuring !== undefined) {
      this.#isStale = true
      return await this.#measuring
    }
    this.#measuring = this.#measure().finally(() => { this.#measuring = undefined })
    await this.#measuring
  }

  async report (): Promise<UsageReport> {
    const { index, reader, trash } = this.parts
    const [{ used, shared, measured }, disk] = await Promise.all([this.#total(), roomOf(reader.root)])
    const { single, garbage, uploads } = this.#inventory?.found ?? NOTHING
    const stored = { blobs: used.blobs + garbage.blobs, bytes: used.bytes + garbage.bytes }
    return { stored, used, shared, single, garbage, uploads, trash: trash.stats, disk: disk === undefined ? null : { totalBytes: disk.bytes, freeBytes: disk.availableBytes }, measuredAt: this.#inventory?.at ?? null, measuring: this.#measuring !== undefined, measured, complete: index.isComplete }
  }

  /** Waits until nothing is measured any more. */
  async stop (): Promise<void> {
    clearInterval(this.#timer)
    await this.#measuring?.catch(() => {})
  }

  get #isDue (): boolean {
    return this.#inventory === undefined || Date.now() - Date.parse(this.#inventory.at) >= MEASURE_AFTER_MS
  }

  async #tick (): Promise<void> {
    if (this.#isDue) await this.remeasure()
    else await this.#sample()
  }

  async #measure (): Promise<void> {
    const { index, reader, isLeased, closing, log } = this.parts
    do {
      this.#isStale = false
      const found = await takeInventory(index, reader, isLeased, closing)
      this.#inventory = { found, at: new Date().toISOString() }
      log.info(found, 'the registry is measured')
      await this.#sample()
    } while (this.#isStale && !closing.aborted)
  }

  async #sample (): Promise<void> {
    if (this.#inventory === undefined) return
    const { used } = await this.#total()
    await this.parts.history.add({ at: new Date().toISOString(), used, ...this.#inventory.found, trashBytes: this.parts.trash.stats.bytes, measuredAt: this.#inventory.at })
  }

  /** All who ask at once get the same answer. */
  async #total (): Promise<Totals & { readonly measured: boolean }> {
    const { index, measure } = this.parts
    this.#totals ??= measure.weigh(async () => await index.weights.totals(), this.#inventory === undefined || this.#measuring !== undefined ? NO_LOOKS : measure.allowance()).finally(() => { this.#totals = undefined })
    return await this.#totals
  }

  /** Looks at all tags, so that the first who asks for a list need not wait for that. */
  async #warm (): Promise<void> {
    const { index, tagTimes, closing } = this.parts
    for (const name of index.repositories()) {
      if (closing.aborted) return
      await tagTimes.of(name)
    }
  }
}
