// What is pushed and pulled: one large blob, and a small manifest that has it as its layer.
import { createHash, randomBytes } from 'node:crypto'
import { closeSync, createReadStream, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { curl } from './curl.mjs'

export const repository = 'bench/app'
const MEBIBYTE = 1024 * 1024

/** Writes the blob to a file that curl sends. */
export async function makeBlob (directory, size) {
  const path = join(directory, 'blob')
  const block = randomBytes(MEBIBYTE)
  const file = openSync(path, 'w')
  for (let written = 0; written < size; written += block.length) writeSync(file, block)
  closeSync(file)
  const hash = createHash('sha256')
  await pipeline(createReadStream(path, { highWaterMark: MEBIBYTE }), hash)
  return { path, size, digest: `sha256:${hash.digest('hex')}` }
}

/** Opens an upload; returns its absolute URL, which always has a query. */
export async function openUpload (url) {
  const answer = await fetch(`${url}/v2/${repository}/blobs/uploads/`, { method: 'POST' })
  if (answer.status !== 202) throw new Error(`POST uploads: ${answer.status}`)
  return new URL(answer.headers.get('location'), url).href
}

/** Pushes the blob with one PUT; resolves to what curl measured. */
export async function pushBlob (url, { path, digest }) {
  const location = await openUpload(url)
  return await curl(['-T', path, '-H', 'Content-Type: application/octet-stream', `${location}&digest=${digest}`], 201)
}

/** Pushes a manifest; returns its path. */
export async function pushManifest (url, { digest, size }) {
  const config = Buffer.from('{}')
  const configDigest = `sha256:${createHash('sha256').update(config).digest('hex')}`
  const pushed = await fetch(`${await openUpload(url)}&digest=${configDigest}`, { method: 'PUT', body: config })
  if (pushed.status !== 201) throw new Error(`PUT config: ${pushed.status}`)
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  const manifest = {
    schemaVersion: 2,
    mediaType,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: configDigest, size: config.length },
    layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', digest, size }]
  }
  const path = `/v2/${repository}/manifests/v1`
  const { status } = await fetch(url + path, { method: 'PUT', headers: { 'content-type': mediaType }, body: JSON.stringify(manifest) })
  if (status !== 201) throw new Error(`PUT manifest: ${status}`)
  return { path, mediaType }
}
