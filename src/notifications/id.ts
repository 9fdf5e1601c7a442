/** Ids of events: UUIDs made from what the event is about, so that whoever is told twice can notice. */
import { createHash } from 'node:crypto'

/** The UUID (RFC 9562, version 8) of these words; other words have another. */
export function eventId (...words: readonly string[]): string {
  const hex = createHash('sha256').update(JSON.stringify(words)).digest('hex')
  const variant = (8 + parseInt(hex[16]!, 16) % 4).toString(16)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}
