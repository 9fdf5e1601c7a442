/** The parts that know the registry's tree. */
import type { Digest } from '../oci/digest.js'
import { ReferenceIndex } from '../references/index.js'
import { Aside } from '../storage/aside.js'
import { KeptAside } from '../storage/kept-aside.js'
import { Presence } from '../storage/presence.js'
import { TreeReader } from '../storage/read.js'
import { RepositoryStates, type Touched } from '../storage/states.js'
import { TreeWriter } from '../storage/write.js'

export interface StorageParts {
  readonly reader: TreeReader
  readonly states: RepositoryStates
  readonly writer: TreeWriter
  readonly aside: Aside
  readonly kept: KeptAside
  readonly presence: Presence
  readonly index: ReferenceIndex
}

/**
 * @param root the directory `docker/registry/v2` of the storage
 * @param indexFile where the reference index is saved
 * @param onRemoved told of what was removed, whatever removed it
 */
export function createStorage (root: string, indexFile: string, onRemoved: (plan: Touched) => void = () => {}): StorageParts {
  const reader = new TreeReader(root)
  const writer = new TreeWriter(root)
  const index = new ReferenceIndex(reader, { file: indexFile })
  // What cannot be looked at now is listed by the next pass.
  const states = new RepositoryStates(reader, {
    onRemoving: async plan => {
      const removed = await index.removing(plan)
      return () => {
        onRemoved(plan)
        removed().catch(() => {})
      }
    }
  })
  return { reader, states, writer, aside: new Aside(writer), kept: new KeptAside(writer), presence: new Presence(reader), index }
}

/**
 * What a client that got a manifest may fetch next, at any depth: for the leases of a pull.
 * @param later told when something had to be read first; of nothing, when it cannot be read
 * @returns all of it, where it is known at once
 */
export function listsOf (reader: TreeReader, digest: Digest, later: (lists: readonly Digest[]) => void): readonly Digest[] | undefined {
  const known = knownBelow(reader, digest)
  if (known !== undefined) return known
  readBelow(reader, digest).then(later, () => { later([]) })
  return undefined
}

function knownBelow (reader: TreeReader, digest: Digest): Digest[] | undefined {
  const references = reader.known(digest)
  if (references === undefined) return undefined
  const below: Digest[] = [...references.blobs]
  for (const child of references.manifests) {
    const lists = knownBelow(reader, child)
    if (lists === undefined) return undefined
    below.push(child, ...lists)
  }
  return below
}

/** A manifest is known by the digest of its content, so none can list itself. */
async function readBelow (reader: TreeReader, digest: Digest): Promise<Digest[]> {
  const manifest = await reader.manifest(digest)
  if (!manifest.readable) return []
  const below = await Promise.all(manifest.references.manifests.map(async child => [child, ...await readBelow(reader, child)]))
  return [...manifest.references.blobs, ...below.flat()]
}
