/** Which layer links of a repository a deletion leaves without a use, and which blobs. Pure. */
import type { Digest } from '../oci/digest.js'
import type { RepositoryState } from '../storage/state.js'
import type { PlanOptions } from './plan.js'
import { aliasesOf } from './reach.js'

/** Links that no remaining manifest uses and no push relies on, of those that the deletion is about. */
export function unusedLayers (state: RepositoryState, manifests: ReadonlySet<Digest>, selection: { readonly everything?: boolean, readonly layers?: readonly Digest[] }, options: PlanOptions): Digest[] {
  const before = new Set([...usedBy(state, manifests), ...(selection.layers ?? [])])
  // What an unreadable manifest used is not known: whatever nothing else uses may have been its own.
  const any = selection.everything === true || isBlind(state, manifests)
  const remaining = usedByOthers(state, manifests)
  const oldest = remaining.isBare ? options.idleBefore : options.staleBefore
  const unused: Digest[] = []
  for (const { digest, target, modifiedAt } of state.layers.values()) {
    const is = (set: ReadonlySet<Digest>): boolean => set.has(digest) || (target !== undefined && target !== digest && set.has(target))
    if (is(remaining.used) || !(any || (target !== undefined && modifiedAt < oldest) || is(before))) continue
    if (!options.leased(digest) && (target === undefined || !options.leased(target))) unused.push(digest)
  }
  return unused.sort()
}

/** What the manifests that stay use, as it is named and as it is stored; and whether there are none. */
function usedByOthers (state: RepositoryState, manifests: ReadonlySet<Digest>): { used: ReadonlySet<Digest>, isBare: boolean } {
  const used = new Set<Digest>()
  let isBare = true
  for (const [digest, revision] of state.revisions) {
    if (manifests.has(digest)) continue
    isBare = false
    if (!revision.readable) continue
    for (const blob of revision.references.blobs) used.add(blob)
    for (const manifest of revision.references.manifests) used.add(manifest)
  }
  const targets = [...aliasesOf(state)].filter(([name]) => used.has(name)).map(([, target]) => target)
  targets.forEach(target => used.add(target))
  return { used, isBare }
}

/** Whether a manifest that goes cannot be read, so that it is not known what it used. */
export const isBlind = (state: RepositoryState, manifests: ReadonlySet<Digest>): boolean =>
  [...manifests].some(digest => state.revisions.get(digest)?.readable === false)

/** Config and layers of these manifests, and what is stored for them where a link maps to another algorithm. */
function usedBy (state: RepositoryState, manifests: Iterable<Digest>): Set<Digest> {
  const used: Digest[] = []
  for (const digest of manifests) {
    const revision = state.revisions.get(digest)
    // An index may list blobs too: build caches do (`application/vnd.buildkit.cacheconfig.v0`).
    if (revision?.readable === true) used.push(...revision.references.blobs, ...revision.references.manifests)
  }
  return new Set([...used, ...stored(used, state)])
}

/** Whether a manifest uses a layer, under whatever algorithm's name. */
export function usesLayer (state: RepositoryState, references: { blobs: readonly Digest[], manifests: readonly Digest[] }, digest: Digest): boolean {
  const target = state.layers.get(digest)?.target
  return [...references.blobs, ...references.manifests].some(used => used === digest || used === target || state.layers.get(used)?.target === digest)
}

/** The digests under which the content is stored. */
export const stored = (digests: Iterable<Digest>, state: RepositoryState): Digest[] => [...digests].map(digest => state.layers.get(digest)?.target ?? digest)

/** Blobs that may be unused once these manifests and layer links are gone. */
export function candidates (state: RepositoryState, manifests: ReadonlySet<Digest>, layers: readonly Digest[]): Digest[] {
  return [...new Set([...manifests, ...usedBy(state, manifests), ...stored(layers, state)])].sort()
}
