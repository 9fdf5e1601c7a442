/**
 * What a collection of everything removes before the sweep, one repository after the other: layer links that nothing
 * uses, manifests that no tag reaches where that is asked for, empty repositories, and uploads that were given up.
 */
import type { States } from '../deletion/current.js'
import { execute } from '../deletion/execute.js'
import type { PlanOptionsFor } from '../deletion/plan.js'
import { plan } from '../deletion/planner.js'
import { EMPTY_RECEIPT, addToReceipt, type Receipt } from '../deletion/receipt.js'
import type { RepositoryName } from '../oci/name.js'
import type { Protection } from '../protection/protection.js'
import * as paths from '../storage/paths.js'
import type { TreeReader } from '../storage/read.js'
import { damageText } from '../storage/state.js'
import type { TreeWriter } from '../storage/write.js'
import type { Reads } from '../traffic/reads.js'
import type { Tombstones } from '../traffic/tombstones.js'
import type { Keeper, Keeping } from '../trash/trash.js'
import type { Turn } from './leftovers.js'

export interface TidyParts {
  readonly reader: Pick<TreeReader, 'repositories'>
  readonly states: States
  readonly writer: TreeWriter
  readonly tombstones: Tombstones
  readonly reads: Reads
  readonly turn: (repository: RepositoryName) => Promise<Turn>
  readonly planOptions: PlanOptionsFor
  /** What may not be deleted. */
  readonly protection: Pick<Protection, 'deleting'>
  /** Uploads that nobody has added to for this long go, milliseconds. */
  readonly uploadMaximumAgeMs: number
  readonly trash: Keeper
  /** Aborts when the gate closes. */
  readonly closing: AbortSignal
}

/** Progress, for whoever watches. */
export type OnRepository = (done: number, of: number) => void

/**
 * @param job whose collection it is
 * @returns what was removed, and the repositories in which something was
 */
export async function tidy (target: 'garbage' | 'untagged', job: Keeping, parts: TidyParts, onRepository: OnRepository = () => {}): Promise<{ receipt: Receipt, repositories: RepositoryName[] }> {
  const names = await parts.reader.repositories()
  const touched: RepositoryName[] = []
  let receipt = EMPTY_RECEIPT
  for (const [at, name] of names.entries()) {
    parts.closing.throwIfAborted()
    const { removed, warnings } = await tidyOne(name, target, job, parts)
    if (removed !== undefined) touched.push(name)
    receipt = addToReceipt(addToReceipt(receipt, removed ?? {}), { warnings })
    onRepository(at + 1, names.length)
  }
  return { receipt, repositories: touched }
}

async function tidyOne (name: RepositoryName, target: 'garbage' | 'untagged', job: Keeping, { states, writer, tombstones, reads, turn, planOptions, protection, trash, uploadMaximumAgeMs }: TidyParts): Promise<{ removed: Receipt | undefined, warnings: string[] }> {
  const { quiet, end } = await turn(name)
  try {
    let removed: Receipt | undefined
    const options = planOptions(name, target)
    // Here everything is looked at, also what changed around the gate without a trace.
    states.forget(name)
    const state = await states.repository(name)
    const planned = plan(state, { type: target, repository: name }, options)
    const kept = planned.outcome === 'planned' && planned.plan.manifests.length > 0 ? protection.deleting(planned.plan, undefined) : undefined
    if (planned.outcome === 'planned' && kept === undefined) removed = await execute(planned.plan, writer, { states, tombstones, reads, quiet, taker: await trash.begin(job, planned.plan) })
    for (const upload of state.uploads) {
      const isOver = upload.cancelled === true
      if (!isOver && (options.uploading(upload) || upload.modifiedAt > Date.now() - uploadMaximumAgeMs)) continue
      const { bytes, directories } = await writer.remove(paths.uploadDirectory(name, upload.id))
      removed = addToReceipt(removed ?? EMPTY_RECEIPT, { bytesFreed: bytes, directories, warnings: isOver ? [] : [`${paths.uploadDirectory(name, upload.id)}: an upload that was never finished was removed`] })
    }
    // Damage that could hide a use ends the collection; the rest is said.
    const warnings = kept === undefined ? [] : [`nothing was removed from ${name}: it is protected by the rule "${kept.rule}"`]
    return { removed, warnings: [...warnings, ...state.damages.filter(({ kind }) => kind === 'tag' || kind === 'layer').map(damageText)] }
  } finally {
    end()
  }
}
