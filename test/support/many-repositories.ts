/** A registry of very many small repositories, written straight to the disk as distribution writes it. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { blobOf, type Blob } from './images.js'

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'

/** Repository number so and so; they sort by their numbers. */
export const nameOf = (number: number): string => `group${String(Math.floor(number / 100)).padStart(3, '0')}/r${String(number).padStart(5, '0')}`

/** Writes `repositories` repositories, each with a manifest of its own under one tag, and a config that all share. */
export function writeRepositories (storage: string, repositories: number): void {
  const root = `${storage}/docker/registry/v2`
  const config = blobOf(Buffer.from('{"architecture":"amd64","os":"linux"}'))
  writeBlob(root, config)
  for (let number = 0; number < repositories; number++) {
    const body = { schemaVersion: 2, mediaType: MANIFEST, config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: config.digest, size: config.bytes.length }, layers: [], annotations: { number: String(number) } }
    const manifest = blobOf(Buffer.from(JSON.stringify(body)))
    writeBlob(root, manifest)
    const at = `${root}/repositories/${nameOf(number)}`
    writeLink(`${at}/_layers/sha256/${hexOf(config)}`, config)
    writeLink(`${at}/_manifests/revisions/sha256/${hexOf(manifest)}`, manifest)
    writeLink(`${at}/_manifests/tags/latest/current`, manifest)
    writeLink(`${at}/_manifests/tags/latest/index/sha256/${hexOf(manifest)}`, manifest)
  }
}

const hexOf = ({ digest }: Blob): string => digest.slice(digest.indexOf(':') + 1)

function writeBlob (root: string, blob: Blob): void {
  const directory = `${root}/blobs/sha256/${hexOf(blob).slice(0, 2)}/${hexOf(blob)}`
  mkdirSync(directory, { recursive: true })
  writeFileSync(`${directory}/data`, blob.bytes)
}

function writeLink (directory: string, { digest }: Blob): void {
  mkdirSync(directory, { recursive: true })
  writeFileSync(`${directory}/link`, digest)
}
