/** What a program in Go finds in a manifest (encoding/json): names of fields fit whatever their case. */
type Json = Record<string, unknown>

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)
const folded = (text: string): string => text.toUpperCase().toLowerCase()

/** The last one that fits. */
function field (json: unknown, name: string): unknown {
  return isObject(json) ? Object.entries(json).filter(([key]) => folded(key) === folded(name)).at(-1)?.[1] : undefined
}

const list = (value: unknown): unknown[] => Array.isArray(value) ? value : []

/** Every digest that may count; nothing for what is not JSON. */
export function goReferences (bytes: Buffer): Set<string> {
  let json: unknown
  try {
    json = JSON.parse(bytes.toString('utf8'))
  } catch {
    return new Set()
  }
  // A subject it does not read at all (distribution: manifest/ocischema).
  const descriptors = [field(json, 'config'), ...list(field(json, 'layers')), ...list(field(json, 'manifests'))]
  const layers1 = field(json, 'schemaVersion') === 1 ? list(field(json, 'fsLayers')).map(one => field(one, 'blobSum')) : []
  const found = field(json, 'schemaVersion') === 1 ? layers1 : descriptors.map(one => field(one, 'digest'))
  return new Set(found.filter(one => typeof one === 'string'))
}
