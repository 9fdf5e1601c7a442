/** Manifests that are nearly right. */
import * as odd from './odd.js'
import type { Chance } from './random.js'

const TYPES = [
  'application/vnd.oci.image.manifest.v1+json', 'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json', 'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v1+json', 'application/vnd.docker.distribution.manifest.v1+prettyjws', 'application/x'
]
const WRONG = [null, 0, -0, 1e308, 2 ** 53, true, '', 'x', [], {}, [[]], { digest: null }, { digest: ['x'] }]
const MAXIMUM = 4 * 1024 * 1024

const descriptor = (chance: Chance): unknown => chance.happens(0.03) ? chance.one(WRONG) : { mediaType: 'application/octet-stream', size: chance.one([1, 0, -1, 1e30]), digest: odd.sometimesMutated(chance, odd.digest(chance), 0.03) }
const descriptors = (chance: Chance): unknown => chance.happens(0.03) ? chance.one(WRONG) : Array.from({ length: chance.upTo(4) }, () => descriptor(chance))

export function manifest (chance: Chance): Record<string, unknown> {
  const isIndex = chance.happens(0.3)
  const fields: Record<string, unknown> = isIndex ? { manifests: descriptors(chance) } : { config: descriptor(chance), layers: descriptors(chance) }
  if (chance.happens(0.7)) fields.mediaType = chance.happens(0.1) ? chance.one(WRONG) : chance.one(isIndex ? [TYPES[1], TYPES[3]] : [TYPES[0], TYPES[2], ...TYPES])
  if (chance.happens(0.2)) fields.subject = descriptor(chance)
  if (chance.happens(0.1)) fields[chance.one(['manifests', 'layers', 'config', 'fsLayers'])] = descriptors(chance)
  if (chance.happens(0.1)) fields.fsLayers = [{ blobSum: odd.digest(chance) }]
  return { schemaVersion: chance.one([2, 2, 2, 2, 1, '2', null]), ...fields }
}

/** As bytes that have suffered: other letters in names of fields, fields twice, prototypes, marks at the beginning. */
export function manifestBytes (chance: Chance, json: Record<string, unknown>): Buffer {
  let text = JSON.stringify(json)
  if (chance.happens(0.2)) text = text.replace(/"(config|layers|manifests|subject|digest|mediaType)":/g, (whole, name: string) => chance.happens(0.3) ? `"${chance.one([name.toUpperCase(), name[0]!.toUpperCase() + name.slice(1), name.replace('s', 'ſ')])}":` : whole)
  if (chance.happens(0.1)) text = text.replace('{', `{"__proto__":{"layers":[{"digest":"${odd.digest(chance)}"}]},`)
  if (chance.happens(0.1)) text = `${text.slice(0, -1)},${JSON.stringify(manifest(chance)).slice(1)}`
  if (chance.happens(0.1)) text = text.replace('"', () => chance.one(['\uFEFF"', '"\\uD800', '"\\u0000', '"\\u006', '\uFEFF{"']))
  const bytes = Buffer.from(chance.happens(0.05) ? `\uFEFF${text}` : odd.sometimesMutated(chance, text, 0.1))
  if (chance.happens(0.1) && bytes.length > 0) bytes[chance.upTo(bytes.length)] = chance.upTo(256)
  return bytes
}

/** As large as the registry takes them. */
export function huge (chance: Chance): Buffer {
  const kind = chance.upTo(6)
  if (kind === 0) return Buffer.from('['.repeat(MAXIMUM))
  if (kind === 1) return Buffer.from(`${'{"a":'.repeat(MAXIMUM / 6)}1${'}'.repeat(MAXIMUM / 6)}`)
  if (kind === 2) return Buffer.from(`{"schemaVersion":${'9'.repeat(MAXIMUM - 20)}}`)
  if (kind === 3) return Buffer.alloc(MAXIMUM, chance.one(['\0', ' ', '\uFEFF', '"', '{}']))
  const many = Array.from({ length: 30_000 }, (_, at) => ({ mediaType: 'x', size: 1, digest: `sha256:${at.toString(16).padStart(64, '0')}` }))
  const fields = kind === 4 ? { config: many[0], layers: many } : { mediaType: TYPES[1], manifests: many }
  return Buffer.from(JSON.stringify({ schemaVersion: 2, ...fields }))
}
