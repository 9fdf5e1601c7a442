/**
 * A dry run: the receipt that a deletion would have, with nothing changed. It looks at the whole registry as it would
 * be after the plans, so it costs as much as reading every link.
 */
import type { Digest } from '../oci/digest.js'
import * as paths from '../storage/paths.js'
import type { TreeReader } from '../storage/read.js'
import { scanReferences, type References } from '../storage/scan.js'
import { damageText, type Damage, type RepositoryState } from '../storage/state.js'
import type { TreeWriter } from '../storage/write.js'
import { rehearse } from './execute.js'
import { leavesGarbage, type Plan } from './plan.js'
import { EMPTY_RECEIPT, addToReceipt, keptInRepository, type Receipt } from './receipt.js'

export interface RehearsalParts {
  readonly reader: TreeReader
  readonly writer: TreeWriter
  /** Who keeps what the plans might have freed. */
  readonly keptBy: (plans: readonly Plan[], references: References, view: (state: RepositoryState) => RepositoryState) => Promise<Receipt['kept']>
}

/** The receipt that carrying out `plans`, and the collection after it, would have. */
export async function rehearseDeletion (plans: readonly Plan[], parts: RehearsalParts): Promise<Receipt> {
  const { reader, writer } = parts
  let receipt = EMPTY_RECEIPT
  const gone: string[] = []
  for (const plan of plans) {
    const rehearsal = await rehearse(plan, writer)
    gone.push(...rehearsal.gone)
    receipt = addToReceipt(receipt, rehearsal.receipt)
  }
  if (!plans.some(leavesGarbage)) return addToReceipt(receipt, { kept: await withSizes(keptInRepository(plans), reader) })
  const byName = new Map(plans.map(plan => [plan.repository, plan]))
  const view = (state: RepositoryState): RepositoryState => without(state, byName.get(state.name))
  const references = await scanReferences(reader, view)
  const blobs = references.blocking.length > 0 ? [] : await unusedBlobs(plans, references, parts)
  gone.push(...blobs.map(({ digest }) => paths.blobDirectory(digest)))
  return addToReceipt(receipt, {
    blobs: blobs.map(({ digest, bytes }) => ({ digest, bytes })),
    bytesFreed: blobs.reduce((sum, blob) => sum + blob.bytes, 0),
    directories: blobs.reduce((sum, blob) => sum + blob.directories, 0) + await reader.wouldEmpty(gone, plans.filter(plan => plan.empties).map(plan => paths.repositoryDirectory(plan.repository))),
    kept: await withSizes(await parts.keptBy(plans, references, view), reader),
    warnings: [...references.warnings, ...references.blocking].map(damageText)
  })
}

/** How much stays: whoever decides about a deletion wants to see it beside what goes. */
async function withSizes (kept: Receipt['kept'], reader: Pick<TreeReader, 'blobSize'>): Promise<Receipt['kept']> {
  const sized = []
  for (const one of kept) {
    const bytes = await reader.blobSize(one.digest)
    sized.push(bytes === undefined ? one : { ...one, bytes })
  }
  return sized
}

/** A repository as it is once its plan has been carried out. */
function without (state: RepositoryState, plan: Plan | undefined): RepositoryState {
  if (plan === undefined) return state
  const manifests = new Set(plan.manifests)
  const gone = [...plan.tags.map(({ tag }) => paths.tagDirectory(plan.repository, tag)), ...plan.layers.map(digest => paths.layerDirectory(plan.repository, digest))]
  const tags = new Set(plan.tags.map(({ tag }) => tag))
  return {
    ...state,
    damages: state.damages.filter(damage => !gone.some(path => damage.path.startsWith(`${path}/`)) && !isOf(manifests, state, damage)),
    revisions: new Map([...state.revisions].filter(([digest]) => !manifests.has(digest))),
    tags: new Map([...state.tags].filter(([tag]) => !tags.has(tag)))
  }
}

/** Whether damage is that of a manifest that goes. */
const isOf = (manifests: ReadonlySet<Digest>, state: RepositoryState, damage: Damage): boolean =>
  [...manifests].some(digest => { const revision = state.revisions.get(digest); return revision?.readable === false && revision.damage === damage })

async function unusedBlobs (plans: readonly Plan[], references: References, { writer }: RehearsalParts): Promise<Array<{ digest: Digest, bytes: number, directories: number }>> {
  const found = []
  for (const digest of new Set(plans.flatMap(plan => plan.candidates))) {
    if (references.users.has(digest) || references.aliased.has(digest)) continue
    const { bytes, directories } = await writer.measure(paths.blobDirectory(digest))
    if (directories > 0) found.push({ digest, bytes, directories })
  }
  return found
}
