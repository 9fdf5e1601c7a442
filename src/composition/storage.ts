/** The parts that know the registry's tree. */
import type { Digest } from '../oci/digest.js'
import { ReferenceIndex } from '../references/index.js'
import { Aside } from '../storage/aside.js'
import { Presence } from '../storage/presence.js'
import { TreeReader } from '../storage/read.js'
import { RepositoryStates } from '../storage/states.js'
import { TreeWriter } from '../storage/write.js'

export interface StorageParts {
  readonly reader: TreeReader
  readonly states: RepositoryStates
  readonly writer: TreeWriter
  readonly aside: Aside
  readonly presence: Presence
  readonly index: ReferenceIndex
}

/** @param root the directory `docker/registry/v2` of the storage */
export function createStorage (root: string): StorageParts {
  const reader = new TreeReader(root)
  const writer = new TreeWriter(root)
  return { reader, states: new RepositoryStates(reader), writer, aside: new Aside(writer), presence: new Presence(reader), index: new ReferenceIndex(reader) }
}

/**
 * What a manifest lists, for the leases of a pull.
 * @param later told when it had to be read first
 * @returns what is known of it at once
 */
export function listsOf (reader: TreeReader, digest: Digest, later: (lists: readonly Digest[]) => void): readonly Digest[] | undefined {
  const known = reader.known(digest)
  if (known !== undefined) return [...known.blobs, ...known.manifests]
  reader.manifest(digest).then(manifest => { if (manifest.readable) later([...manifest.references.blobs, ...manifest.references.manifests]) }, () => {})
  return undefined
}
