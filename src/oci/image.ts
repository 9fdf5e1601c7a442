/**
 * What an image is for people: the platforms that it runs on, and when it was made (OCI image-spec: config.md,
 * image-index.md, "platform"; annotations.md). Pure. Nothing here is needed for a deletion, so what is not understood is
 * simply not said.
 */
import { parseDigest, type Digest } from './digest.js'

/** What a manifest says of itself. */
export interface ImageDescription {
  /** E.g. `linux/amd64`, `linux/arm/v7`; none where that is not said. */
  readonly platforms: readonly string[]
  /** When it was made: milliseconds since the epoch. */
  readonly createdAt: number | undefined
  /** Where the rest is said: the config of an image, or the manifests that an index lists. */
  readonly more: readonly Digest[]
}

const NOTHING: ImageDescription = { platforms: [], createdAt: undefined, more: [] }
/** Words of a platform, as Go and Docker write them. */
const WORD = /^[A-Za-z0-9_.+-]{1,64}$/
/** How many platforms are said of one image. */
const PLATFORMS_MAXIMUM = 100

type Json = Record<string, unknown>
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)

/** Reads a manifest that the registry has accepted. */
export function describeManifest (bytes: Buffer): ImageDescription {
  const json = parse(bytes)
  if (json === undefined) return NOTHING
  const createdAt = timeIn(isObject(json.annotations) ? json.annotations['org.opencontainers.image.created'] : undefined)
  if (Array.isArray(json.manifests)) return { ...describeIndex(json.manifests), createdAt }
  if (json.schemaVersion === 1) return { platforms: platformIn(json), createdAt: createdAt ?? createdInHistory(json.history), more: [] }
  const config = isObject(json.config) ? parseDigest(json.config.digest) : undefined
  return { platforms: [], createdAt, more: config === undefined ? [] : [config] }
}

/** Reads the config of an image. */
export function describeConfig (bytes: Buffer): ImageDescription {
  const json = parse(bytes)
  return json === undefined ? NOTHING : { platforms: platformIn(json), createdAt: timeIn(json.created), more: [] }
}

/** Attestations are listed as manifests of the platform unknown/unknown. */
function describeIndex (manifests: readonly unknown[]): ImageDescription {
  const platforms = new Set<string>()
  const more: Digest[] = []
  for (const descriptor of manifests) {
    if (!isObject(descriptor)) continue
    const platform = isObject(descriptor.platform) ? platformIn(descriptor.platform) : []
    if (platform[0] === 'unknown/unknown') continue
    if (platforms.size < PLATFORMS_MAXIMUM) platform.forEach(one => platforms.add(one))
    const digest = parseDigest(descriptor.digest)
    if (digest !== undefined) more.push(digest)
  }
  return { platforms: [...platforms], createdAt: undefined, more }
}

function platformIn ({ os, architecture, variant }: Json): string[] {
  const words = [os ?? 'unknown', architecture, ...variant === undefined || variant === '' ? [] : [variant]]
  return words.every(word => typeof word === 'string' && WORD.test(word)) ? [words.join('/')] : []
}

/** The newest entry of schema 1 says when the image was made. */
function createdInHistory (history: unknown): number | undefined {
  const newest: unknown = Array.isArray(history) ? history[0] : undefined
  const text = isObject(newest) ? newest.v1Compatibility : undefined
  return typeof text === 'string' ? timeIn(parse(Buffer.from(text))?.created) : undefined
}

function timeIn (value: unknown): number | undefined {
  const time = typeof value === 'string' && value.length <= 64 ? Date.parse(value) : NaN
  return Number.isFinite(time) ? time : undefined
}

function parse (bytes: Buffer): Json | undefined {
  try {
    const json: unknown = JSON.parse(bytes.toString('utf8'))
    return isObject(json) ? json : undefined
  } catch {
    return undefined
  }
}
