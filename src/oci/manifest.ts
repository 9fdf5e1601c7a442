/**
 * What a manifest refers to (OCI image-spec: manifest.md, image-index.md; Docker image manifest v2 schema 2;
 * the signed schema 1 that registry 2.x still serves). Pure: bytes in, references out.
 */
import { parseDigest, type Digest } from './digest.js'
import { isNestedDeeper } from './nesting.js'

/** The references of one manifest, by the part that each plays. */
export interface ManifestReferences {
  readonly mediaType: string
  /** Config and layers: content that the repository's `_layers` links must allow. */
  readonly blobs: readonly Digest[]
  /** Manifests that an index lists. */
  readonly manifests: readonly Digest[]
  /** The manifest that this one is attached to (OCI 1.1 referrers). The registry takes whatever stands there: what is no descriptor names none. */
  readonly subject: Digest | undefined
}

export type ParsedManifest =
  | { readonly outcome: 'references', readonly references: ManifestReferences }
  | { readonly outcome: 'unreadable', readonly reason: string }

const INDEX_TYPES = new Set([
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json'
])
const IMAGE_TYPES = new Set([
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json'
])
const SCHEMA1_TYPES = new Set([
  'application/vnd.docker.distribution.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v1+prettyjws'
])

/** The names of fields that the registry reads, and that matter here. */
const FIELDS = ['schemaVersion', 'mediaType', 'config', 'layers', 'manifests', 'fsLayers', 'digest', 'blobSum']
/** As the registry compares them: whatever the case of their letters (Go, encoding/json). */
const folded = (name: string): string => name.toUpperCase().toLowerCase()
const FOLDED = new Set(FIELDS.map(folded))

/** Go refuses what is nested deeper (encoding/json, maxNestingDepth), and so does the registry. */
const DEPTH_MAXIMUM = 10_000

type Json = Record<string, unknown>
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)
/** How much of what is not known is shown. Letters. */
const SHOWN = 100
const MISSPELT = 'the names of its fields have letters of another case, which the registry reads all the same'
const unreadable = (reason: string): ParsedManifest => ({ outcome: 'unreadable', reason })

/**
 * Parses a manifest. Whatever is not understood whole is `unreadable`: a caller must then assume that it may refer
 * to anything, since a reference that was overlooked would look like garbage.
 */
export function parseManifest (bytes: Buffer): ParsedManifest {
  if (isNestedDeeper(bytes, DEPTH_MAXIMUM)) return unreadable('it is nested too deeply')
  let json: unknown
  try {
    json = JSON.parse(bytes.toString('utf8'))
  } catch {
    return unreadable(bytes.length === 0 ? 'it is empty' : 'it is not JSON')
  }
  if (!isObject(json)) return unreadable('it is not a JSON object')
  if (isMisspelt(json)) return unreadable(MISSPELT)
  // Go leaves a text as it is where there is null (encoding/json), and the registry takes it for one that is not there.
  const declared = json.mediaType ?? undefined
  if (declared !== undefined && typeof declared !== 'string') return unreadable('its mediaType is not a string')
  if (json.schemaVersion === 1) return parseSchema1(json, declared)
  if (declared !== undefined && !INDEX_TYPES.has(declared) && !IMAGE_TYPES.has(declared)) return unreadable(`its mediaType ${declared.slice(0, SHOWN)} is not known`)
  // distribution refuses such manifests (ocischema, validateManifest and validateIndex): what they mean is open.
  if (json.manifests != null && (json.config != null || json.layers != null)) return unreadable('it is an image and an index at once')
  if (declared !== undefined && INDEX_TYPES.has(declared) && (json.config != null || json.layers != null)) return unreadable('it is an index with the content of an image')
  if (declared !== undefined && IMAGE_TYPES.has(declared) && json.manifests != null) return unreadable('it is an image with the content of an index')
  // OCI leaves mediaType optional; the presence of "manifests" then tells an index (distribution: ocischema).
  const isIndex = declared === undefined ? json.manifests != null : INDEX_TYPES.has(declared)
  return isIndex ? parseIndex(json, declared) : parseImage(json, declared)
}

/** Whether a field would be overlooked here that the registry sees. */
function isMisspelt (json: Json): boolean {
  return Object.keys(json).some(name => !FIELDS.includes(name) && FOLDED.has(folded(name)))
}

function parseImage (json: Json, declared: string | undefined): ParsedManifest {
  const layers = list(json.layers)
  const blobs = layers === undefined ? undefined : descriptors([json.config, ...layers])
  if (blobs === undefined) return unreadable('its config or layers are not descriptors')
  return { outcome: 'references', references: { mediaType: declared ?? 'application/vnd.oci.image.manifest.v1+json', blobs, manifests: [], subject: subjectOf(json) } }
}

function parseIndex (json: Json, declared: string | undefined): ParsedManifest {
  const listed = list(json.manifests)
  const manifests = listed === undefined ? undefined : descriptors(listed)
  if (manifests === undefined) return unreadable('its manifests are not descriptors')
  return { outcome: 'references', references: { mediaType: declared ?? 'application/vnd.oci.image.index.v1+json', blobs: [], manifests, subject: subjectOf(json) } }
}

function parseSchema1 (json: Json, declared: string | undefined): ParsedManifest {
  if (declared !== undefined && !SCHEMA1_TYPES.has(declared)) return unreadable(`its mediaType ${declared.slice(0, SHOWN)} is not known`)
  if (!Array.isArray(json.fsLayers)) return unreadable('its fsLayers are missing')
  const blobs: Digest[] = []
  for (const layer of json.fsLayers) {
    const digest = isObject(layer) && !isMisspelt(layer) ? parseDigest(layer.blobSum) : undefined
    if (digest === undefined) return unreadable('its fsLayers are not digests')
    blobs.push(digest)
  }
  return { outcome: 'references', references: { mediaType: declared ?? 'application/vnd.docker.distribution.manifest.v1+prettyjws', blobs: unique(blobs), manifests: [], subject: undefined } }
}

/** An array; none where it is absent or null, as the registry reads it (a nil slice in Go). */
function list (value: unknown): readonly unknown[] | undefined {
  if (value === undefined || value === null) return []
  return Array.isArray(value) ? value : undefined
}

function descriptors (values: readonly unknown[]): Digest[] | undefined {
  const digests: Digest[] = []
  for (const value of values) {
    const digest = isObject(value) && !isMisspelt(value) ? parseDigest(value.digest) : undefined
    if (digest === undefined) return undefined
    digests.push(digest)
  }
  return unique(digests)
}

const subjectOf = ({ subject }: Json): Digest | undefined => isObject(subject) ? parseDigest(subject.digest) : undefined

const unique = (digests: Digest[]): Digest[] => [...new Set(digests)]
