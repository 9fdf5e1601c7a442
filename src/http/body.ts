/** Reads the body of a manifest PUT whole: what it lists is leased before the registry sees it. */
import type { FastifyRequest } from 'fastify'
import { manifestInvalid } from '../errors.js'
import { RoomExceeded, type Place } from './manifest-room.js'

/** distribution refuses larger ones (registry/handlers/manifests.go, maxManifestBodySize). Bytes. */
const MANIFEST_MAXIMUM_BYTES = 4 * 1024 * 1024
/** Room that a manifest begins with, and which is doubled as it grows: most need no more. Bytes. */
const FIRST_BYTES = 4096

/**
 * @param seconds how long the client may take; then the request is broken off
 * @param place ended by the caller, when the manifest is needed no more
 * @returns `undefined` when the client went away, or was too slow
 * @throws CodedError 400 when it is larger than the registry takes
 * @throws RoomExceeded
 */
export async function readManifest (request: FastifyRequest, seconds: number, place: Place): Promise<Buffer | undefined> {
  const { raw, log } = request
  const timer = setTimeout(() => {
    log.warn({ url: raw.url }, 'a manifest did not arrive in time; the request was broken off')
    raw.destroy()
  }, seconds * 1000)
  // Copied into one buffer: a client could send every byte as a chunk, and each would be an object of its own.
  let whole: Buffer = Buffer.alloc(0)
  let size = 0
  try {
    // Not destroyed when it is refused: the client is to get an answer.
    for await (const chunk of raw.iterator({ destroyOnReturn: false })) {
      const before = size
      size += (chunk as Buffer).length
      if (size > MANIFEST_MAXIMUM_BYTES) break
      if (size > whole.length) whole = grown(whole, before, size, place)
      ;(chunk as Buffer).copy(whole, before)
    }
  } catch (error) {
    if (error instanceof RoomExceeded) throw error
    return undefined
  } finally {
    clearTimeout(timer)
  }
  if (size > MANIFEST_MAXIMUM_BYTES) throw manifestInvalid(`it is larger than ${MANIFEST_MAXIMUM_BYTES} bytes`)
  return whole.subarray(0, size)
}

/** @throws RoomExceeded */
function grown (buffer: Buffer, used: number, needed: number, place: Place): Buffer {
  let length = FIRST_BYTES
  while (length < needed) length *= 2
  place.take(length - buffer.length)
  const larger = Buffer.allocUnsafe(length)
  buffer.copy(larger, 0, 0, used)
  return larger
}
