/** How deep JSON is nested, without parsing it: to parse a few megabytes of brackets takes a second. */

const [QUOTE, BACKSLASH] = [0x22, 0x5C]
const OPENING = new Set([0x5B, 0x7B])
const CLOSING = new Set([0x5D, 0x7D])

/** Whether JSON is nested deeper than that; of what is no JSON it says either. */
export function isNestedDeeper (bytes: Buffer, maximum: number): boolean {
  let depth = 0
  let isText = false
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!
    if (byte === QUOTE) isText = !isText
    else if (isText && byte === BACKSLASH) at++
    else if (!isText && OPENING.has(byte) && ++depth > maximum) return true
    else if (!isText && CLOSING.has(byte)) depth--
  }
  return false
}
