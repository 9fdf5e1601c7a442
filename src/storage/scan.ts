/**
 * Which blob is used by which repository, over the whole registry: the ground truth of receipts and dry runs, and the
 * check that the tree can be understood before anything is swept. Cost grows with the registry.
 */
import type { Digest } from '../oci/digest.js'
import type { RepositoryName } from '../oci/name.js'
import * as paths from './paths.js'
import type { TreeReader } from './read.js'
import type { Damage, RepositoryState } from './state.js'

export interface References {
  /** Repositories with a linked manifest that is, or uses, this blob. */
  readonly users: ReadonlyMap<Digest, ReadonlySet<RepositoryName>>
  /** Blobs that live manifests use under another algorithm's name: the registry's own collector does not see that use. */
  readonly aliased: ReadonlySet<Digest>
  /** What could hide a reference: while there is any, nothing may be swept. */
  readonly blocking: readonly Damage[]
  /** What is wrong but can hide nothing. */
  readonly warnings: readonly Damage[]
  /** Repositories that one of the registry's versions cannot see: only one of `_layers` and `_manifests` is there. */
  readonly lopsided: readonly RepositoryName[]
}

/**
 * @param view applied to each repository's state first: a dry run shows the state as it would be
 */
export async function scanReferences (reader: TreeReader, view: (state: RepositoryState) => RepositoryState = state => state): Promise<References> {
  const damages: Damage[] = []
  const scan = { users: new Map<Digest, Set<RepositoryName>>(), aliased: new Set<Digest>(), damages, lopsided: [] as RepositoryName[] }
  for (const name of await reader.repositories(damages)) {
    const state = view(await reader.repository(name))
    damages.push(...state.damages)
    if (state.hasLayers !== state.hasManifests && (state.revisions.size > 0 || state.hasManifests)) scan.lopsided.push(name)
    markRepository(state, scan)
  }
  return {
    users: scan.users,
    aliased: scan.aliased,
    lopsided: scan.lopsided,
    blocking: damages.filter(damage => damage.kind === 'tree' || damage.kind === 'manifest'),
    warnings: damages.filter(damage => damage.kind === 'tag' || damage.kind === 'layer')
  }
}

function markRepository (state: RepositoryState, scan: { users: Map<Digest, Set<RepositoryName>>, aliased: Set<Digest>, damages: Damage[] }): void {
  const mark = (digest: Digest): void => {
    const users = scan.users.get(digest)
    if (users === undefined) scan.users.set(digest, new Set([state.name]))
    else users.add(state.name)
  }
  for (const [digest, revision] of state.revisions) {
    mark(digest)
    if (!revision.readable) continue
    for (const used of [...revision.references.blobs, ...revision.references.manifests]) {
      mark(used)
      const layer = state.layers.get(used)
      if (layer === undefined || layer.target === used) continue
      if (layer.target === undefined) {
        scan.damages.push({ kind: 'manifest', path: paths.layerLink(state.name, used), reason: 'the link of a layer in use is damaged' })
      } else {
        mark(layer.target)
        scan.aliased.add(layer.target)
      }
    }
  }
}
