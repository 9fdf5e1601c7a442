/** Who keeps what a deletion might have freed: the repositories and tags that still use it. */
import type { States } from '../deletion/current.js'
import { tagIndex } from '../deletion/reach.js'
import type { Plan } from '../deletion/plan.js'
import type { Keeper, Receipt } from '../deletion/receipt.js'
import type { Digest } from '../oci/digest.js'
import type { RepositoryName, Tag } from '../oci/name.js'
import type { RepositoryState } from '../storage/state.js'

/** Repositories listed for one digest. */
const KEEPERS_SHOWN = 20

type TagsOf = (digest: Digest) => readonly Tag[]

/** Repositories with a linked manifest that is, or uses, a blob. */
export interface Users { get (digest: Digest): Iterable<RepositoryName> | undefined }

export interface KeptOptions {
  /** Applied to each repository's state first, as for `scanReferences`. */
  readonly view?: (state: RepositoryState) => RepositoryState
  /** Repositories that have been looked at already. */
  readonly states?: Map<RepositoryName, TagsOf>
}

export async function keptBy (reader: Pick<States, 'repository'>, plans: readonly Plan[], users: Users, { view = state => state, states = new Map() }: KeptOptions = {}): Promise<Receipt['kept']> {
  const candidates = new Set(plans.flatMap(plan => [...plan.candidates, ...plan.kept.map(({ digest }) => digest)]))
  const kept: Array<{ digest: Digest, by: Keeper[] }> = []
  for (const digest of [...candidates].sort()) {
    const using = [...users.get(digest) ?? []].sort().slice(0, KEEPERS_SHOWN)
    const by: Keeper[] = []
    for (const repository of using) {
      const tagsOf = states.get(repository) ?? tagIndex(view(await reader.repository(repository)))
      states.set(repository, tagsOf)
      by.push({ repository, tags: tagsOf(digest) })
    }
    if (by.length > 0) kept.push({ digest, by })
  }
  return kept
}
