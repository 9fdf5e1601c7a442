/**
 * Content digests, `<algorithm>:<hex>` (OCI image-spec, descriptor.md, "Digests"). Only algorithms that
 * distribution can store are accepted: sha256, sha384, sha512 (github.com/opencontainers/go-digest).
 */
export type Digest = string & { readonly __brand: 'Digest' }

const HEX_LENGTH: Readonly<Record<string, number>> = { sha256: 64, sha384: 96, sha512: 128 }
const SHAPE = /^(sha256|sha384|sha512):([a-f0-9]+)$/

/** Parses a digest; `undefined` when it is none. */
export function parseDigest (text: unknown): Digest | undefined {
  if (typeof text !== 'string') return undefined
  const match = SHAPE.exec(text)
  if (match === null || match[2]!.length !== HEX_LENGTH[match[1]!]) return undefined
  return text as Digest
}

/** The algorithm, e.g. `sha256`. */
export const algorithmOf = (digest: Digest): string => digest.slice(0, digest.indexOf(':'))
/** The hexadecimal part. */
export const hexOf = (digest: Digest): string => digest.slice(digest.indexOf(':') + 1)

/** Whether distribution stores content under this name: blobs are kept by sha256, whatever they are asked for by (registry/storage/blobwriter.go). */
export const isCanonical = (digest: Digest): boolean => digest.startsWith('sha256:')

/** A well-formed digest that no content can have: asks the registry "may I delete here?" without naming anything. */
export const IMPOSSIBLE_DIGEST = `sha256:${'0'.repeat(64)}` as Digest
