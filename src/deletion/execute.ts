/**
 * Carries out a plan. The order makes a crash at any point leave garbage that the next run finishes, never a
 * dangling reference: tags, then revisions, then layer links, then the directories. Each step may be repeated.
 */
import { dirname } from 'node:path'
import { each } from '../storage/concurrency.js'
import * as paths from '../storage/paths.js'
import { NOTHING, plus, type Extent, type TreeWriter } from '../storage/write.js'
import type { Reads } from '../traffic/reads.js'
import type { Tombstones } from '../traffic/tombstones.js'
import type { States } from './current.js'
import type { Plan } from './plan.js'
import { EMPTY_RECEIPT, addToReceipt, type Receipt } from './receipt.js'

export interface ExecuteOptions {
  /** Told of what is about to be unlinked; it keeps a layer that a running push relies on. */
  readonly tombstones: Pick<Tombstones, 'buryLayer' | 'buryManifest'>
  /** Manifest reads that run: what a pull that has just begun needs is leased once its read has been answered. */
  readonly reads: Pick<Reads, 'settled'>
  /** Told of what goes, also when it ended half-way. */
  readonly states: Pick<States, 'removing'>
  /**
   * Whether nobody is writing in the repository. Otherwise the directories that others share are left for later:
   * the registry makes a directory first and the file in it after, and would fail if it vanished in between.
   */
  readonly quiet: boolean
  /** Takes the links of this plan instead of removing them, so that the deletion can be undone. */
  readonly taker?: Taker | undefined
}

/** Where what a plan names goes: nowhere, or into the trash. */
export type Taker = Pick<TreeWriter, 'remove'>

/** How long manifest reads are waited for that began before, seconds. After that the layers are left to a later collection. */
const READS_SECONDS = 5

/** Removes the links that a plan names. */
export async function execute (plan: Plan, tree: TreeWriter, options: ExecuteOptions): Promise<Receipt> {
  const removed = await options.states.removing(plan)
  try {
    return await unlink(plan, tree, options)
  } finally {
    await removed()
  }
}

async function unlink (plan: Plan, tree: TreeWriter, options: ExecuteOptions): Promise<Receipt> {
  const { repository } = plan
  const { taker = tree } = options
  let extent = await removeAll(taker, plan.tags.map(({ tag }) => paths.tagDirectory(repository, tag)))
  plan.manifests.forEach(digest => { options.tombstones.buryManifest(repository, digest) })
  extent = plus(extent, await removeAll(taker, manifestPaths(plan)))
  const settled = plan.layers.length === 0 || await options.reads.settled(repository, READS_SECONDS)
  const layers = plan.layers.filter(digest => settled && options.tombstones.buryLayer(repository, digest))
  extent = plus(extent, await removeAll(taker, layers.map(digest => paths.layerDirectory(repository, digest))))
  const receipt = addToReceipt(EMPTY_RECEIPT, { ...named(plan), layerLinks: layers.map(digest => ({ repository, digest })), warnings: plan.warnings })
  if (options.quiet) extent = plus(extent, await removeDirectories({ ...plan, empties: plan.empties && layers.length === plan.layers.length }, tree))
  // Whoever records that it is done must not find it undone after a power cut.
  await tree.flush()
  return addToReceipt(receipt, { bytesFreed: extent.bytes, bytesInTrash: extent.inTrash ?? 0, directories: extent.directories })
}

/** What `execute` would report, with nothing changed; and the directories that would be gone. */
export async function rehearse (plan: Plan, tree: TreeWriter): Promise<{ receipt: Receipt, gone: string[] }> {
  const { repository } = plan
  const gone = plan.empties ? wholeRepository(plan) : pathsOf(plan)
  let extent = NOTHING
  for (const path of gone) extent = plus(extent, await tree.measure(path))
  const receipt = addToReceipt(EMPTY_RECEIPT, { ...named(plan), layerLinks: plan.layers.map(digest => ({ repository, digest })), warnings: plan.warnings, bytesFreed: extent.bytes, directories: extent.directories })
  return { receipt, gone }
}

const named = (plan: Plan): Pick<Receipt, 'tags' | 'manifests'> => ({
  tags: plan.tags.map(tag => ({ repository: plan.repository, ...tag })),
  manifests: plan.manifests.map(digest => ({ repository: plan.repository, digest }))
})

/** The directories that a plan names. */
export const pathsOf = (plan: Plan): string[] => [
  ...plan.tags.map(({ tag }) => paths.tagDirectory(plan.repository, tag)),
  ...manifestPaths(plan),
  ...plan.layers.map(digest => paths.layerDirectory(plan.repository, digest))
]

const manifestPaths = (plan: Plan): string[] => [
  ...plan.manifests.map(digest => paths.revisionDirectory(plan.repository, digest)),
  ...plan.history.map(({ tag, digest }) => paths.tagHistoryEntry(plan.repository, tag, digest))
]

/** `_manifests` first: a repository with only `_layers` is harmless to both versions of the registry's collector. */
const wholeRepository = (plan: Plan): string[] => [paths.manifestsDirectory(plan.repository), paths.layersDirectory(plan.repository), paths.uploadsDirectory(plan.repository)]

/** Removes directories, some at a time: none of them holds another. When it fails, nothing is being removed any more. */
async function removeAll (tree: Taker, directories: readonly string[]): Promise<Extent> {
  let extent = NOTHING
  await each(directories, async directory => {
    const removed = await tree.remove(directory)
    extent = plus(extent, removed)
  })
  return extent
}

async function removeInOrder (tree: TreeWriter, directories: readonly string[]): Promise<Extent> {
  let extent = NOTHING
  for (const directory of directories) extent = plus(extent, await tree.remove(directory))
  return extent
}

/** Directories of the repository that this plan emptied; those above it are left to a time when nobody writes. */
async function removeDirectories (plan: Plan, tree: TreeWriter): Promise<Extent> {
  if (plan.empties) return await removeInOrder(tree, wholeRepository(plan))
  const within = `${paths.repositoryDirectory(plan.repository)}/`
  const parents = parentsOf(plan).filter(path => path.startsWith(within) && paths.isPrunable(path))
  return { ...NOTHING, directories: await tree.pruneUp(parents) }
}

/** The directories that held what a plan removes. */
export const parentsOf = (plan: Plan): string[] => [...new Set(pathsOf(plan).map(path => dirname(path)))]
