/** Removes the blobs that nothing uses: through the registry's own collector, with a shield for what it cannot see. */
import { withAbort } from '../deadline.js'
import type { Digest } from '../oci/digest.js'
import type { RegistryController } from '../registry/port.js'
import * as paths from '../storage/paths.js'
import type { TreeReader } from '../storage/read.js'
import type { References } from '../storage/scan.js'
import type { Extent, TreeWriter } from '../storage/write.js'
import type { Pulls } from '../traffic/pulls.js'
import type { Sessions } from '../traffic/sessions.js'
import type { Keeper } from '../trash/trash.js'
import type { Freshness } from './freshness.js'
import type { CollectionOutcome, CollectionRequest } from './request.js'
import { raiseShield } from './shield.js'

export interface SweepParts {
  readonly reader: TreeReader
  readonly writer: TreeWriter
  readonly controller: Pick<RegistryController, 'collect'>
  readonly freshness: Freshness
  readonly sessions: Sessions
  readonly pulls: Pulls
  /** Longest run of the registry's collector, seconds. */
  readonly timeoutSeconds: number
  readonly trash: Keeper
}

/** What a sweep removed, with what each blob took; or how the collection ends instead. */
export type Swept = { readonly removed: ReadonlyMap<Digest, Extent> } | Exclude<CollectionOutcome, { outcome: 'collected' }>

/**
 * Sweeps, while nobody writes.
 * @param unfinished gains jobs of which a running push holds a blob
 * @param closing ends the collector: the gate is closing
 */
export async function sweep (requests: readonly CollectionRequest[], references: References, unfinished: Set<string>, closing: AbortSignal, parts: SweepParts): Promise<Swept> {
  const leased = await leasedDigests(parts)
  const before = await unusedBlobs(requests, references, new Set(leased), unfinished, parts)
  const isBlind = requests.some(request => request.tidy !== undefined || request.plans.some(plan => plan.blind))
  const { trash } = parts
  // The collector takes whatever is unused, also what no deletion named.
  const kept = trash.needed().filter(digest => !references.users.has(digest))
  if (before.size > 0 || isBlind) {
    for (const digest of kept) await trash.keep(digest)
    const failure = await collect([...new Set([...references.aliased, ...leased])], closing, parts)
    if (failure !== undefined) return failure
  }
  const removed = new Map<Digest, Extent>()
  for (const digest of new Set([...before.keys(), ...kept])) {
    const extent = await trash.settle(digest, await parts.reader.blobSize(digest) === undefined ? before.get(digest) : undefined)
    if (extent !== undefined) removed.set(digest, extent)
  }
  return { removed }
}

/** Blobs that nothing uses, of those asked for, with what they take. */
async function unusedBlobs (requests: readonly CollectionRequest[], references: References, leased: ReadonlySet<Digest>, unfinished: Set<string>, { reader, writer }: SweepParts): Promise<Map<Digest, Extent>> {
  const unused = new Map<Digest, Extent>()
  const look = async (digest: Digest, id?: string): Promise<void> => {
    if (unused.has(digest) || references.users.has(digest) || references.aliased.has(digest)) return
    const extent = await writer.measure(paths.blobDirectory(digest))
    if (extent.directories === 0) return
    if (!leased.has(digest)) unused.set(digest, extent)
    else if (id !== undefined) unfinished.add(id)
  }
  for (const { id, plans } of requests) {
    for (const digest of plans.flatMap(plan => plan.candidates)) await look(digest, id)
  }
  if (requests.some(request => request.tidy !== undefined)) {
    for (const digest of await reader.blobs()) await look(digest)
  }
  return unused
}

async function collect (shielded: readonly Digest[], closing: AbortSignal, { writer, controller, freshness, timeoutSeconds }: SweepParts): Promise<Exclude<CollectionOutcome, { outcome: 'collected' }> | undefined> {
  await freshness.spoil()
  const lower = await raiseShield(writer, shielded)
  try {
    const result = await withAbort([closing], async signal => await controller.collect(signal), timeoutSeconds)
    if (result.outcome === 'collected') return undefined
    if (closing.aborted) return { outcome: 'postponed', reason: 'Delgate was stopped' }
    const how = result.exitCode === undefined ? `did not end within ${timeoutSeconds} s or could not be run` : `ended with exit code ${result.exitCode}`
    return { outcome: 'failed', reason: `the registry's garbage-collect ${how}`, output: result.output }
  } finally {
    await lower()
  }
}

/** What running pushes and pulls rely on, as it is named and as it is stored. */
async function leasedDigests ({ sessions, pulls, reader }: SweepParts): Promise<Digest[]> {
  const digests: Digest[] = []
  for (const { repository, digest } of [...sessions.allLeased(), ...pulls.allLeased()]) {
    const link = await reader.link('layer', paths.layerLink(repository, digest))
    digests.push(digest)
    if (link !== undefined && 'digest' in link && link.digest !== digest) digests.push(link.digest)
  }
  return digests
}
