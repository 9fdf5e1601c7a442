/** Reads links and manifests one by one, remembering nothing: for the reference index, which has its own memory. */
import { publicReason } from '../errors.js'
import { parseDigest, type Digest } from '../oci/digest.js'
import { parseManifest } from '../oci/manifest.js'
import * as paths from './paths.js'
import type { PacedDisk } from './paced.js'
import { LINK_MAXIMUM_BYTES, MANIFEST_MAXIMUM_BYTES } from './entries.js'
import type { Damage, Manifest } from './state.js'

/** What a link file holds; `undefined` where there is none. */
export type LinkContent = { readonly digest: Digest } | { readonly damage: Damage } | undefined

export async function readLink (disk: PacedDisk, root: string, kind: Damage['kind'], path: string): Promise<LinkContent> {
  const damaged = (reason: string): LinkContent => ({ damage: { kind, path, reason } })
  try {
    const read = await disk.read<LinkContent>(`${root}/${path}`, LINK_MAXIMUM_BYTES, bytes => {
      const digest = parseDigest(bytes.toString('latin1').trim())
      return digest !== undefined ? { digest } : damaged(bytes.length === 0 ? 'the link is empty' : 'the link holds no digest')
    })
    if (read === 'missing') return undefined
    if (read === 'irregular') return damaged('the link is not a regular file')
    return read === 'large' ? damaged('the link holds no digest') : read
  } catch (error) {
    return damaged(`it cannot be read: ${publicReason(error)}`)
  }
}

/** Reads the blob of a linked manifest. */
export async function readManifest (disk: PacedDisk, root: string, digest: Digest): Promise<Manifest> {
  const path = paths.blobData(digest)
  const damaged = (reason: string): Manifest => ({ readable: false, damage: { kind: 'manifest', path, reason } })
  try {
    const read = await disk.read<Manifest>(`${root}/${path}`, MANIFEST_MAXIMUM_BYTES, bytes => {
      const parsed = parseManifest(bytes)
      return parsed.outcome === 'references' ? { readable: true, references: parsed.references } : damaged(`the manifest cannot be read: ${parsed.reason}`)
    })
    if (read === 'missing') return damaged('the blob of a linked manifest is missing')
    if (read === 'irregular') return damaged('it is not a regular file')
    return read === 'large' ? damaged('it is too large for a manifest') : read
  } catch (error) {
    return damaged(`it cannot be read: ${publicReason(error)}`)
  }
}
