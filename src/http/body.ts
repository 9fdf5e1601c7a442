/** Reads the body of a manifest PUT whole: what it lists is leased before the registry sees it. */
import type { FastifyRequest } from 'fastify'
import { manifestInvalid } from '../errors.js'

/** distribution refuses larger ones (registry/handlers/manifests.go, maxManifestBodySize). Bytes. */
const MANIFEST_MAXIMUM_BYTES = 4 * 1024 * 1024

/**
 * @param seconds how long the client may take; then the request is broken off
 * @returns `undefined` when the client went away, or was too slow
 * @throws CodedError 400 when it is larger than the registry takes
 */
export async function readManifest (request: FastifyRequest, seconds: number): Promise<Buffer | undefined> {
  const { raw, log } = request
  const timer = setTimeout(() => {
    log.warn({ url: raw.url }, 'a manifest did not arrive in time; the request was broken off')
    raw.destroy()
  }, seconds * 1000)
  const chunks: Buffer[] = []
  let size = 0
  try {
    // Not destroyed when it is too large: the client is to get an answer.
    for await (const chunk of raw.iterator({ destroyOnReturn: false })) {
      size += (chunk as Buffer).length
      if (size > MANIFEST_MAXIMUM_BYTES) break
      chunks.push(chunk as Buffer)
    }
  } catch {
    return undefined
  } finally {
    clearTimeout(timer)
  }
  if (size > MANIFEST_MAXIMUM_BYTES) throw manifestInvalid(`it is larger than ${MANIFEST_MAXIMUM_BYTES} bytes`)
  return Buffer.concat(chunks)
}
