/**
 * Classifies requests under `/v2/` (OCI distribution-spec v1.1, "Endpoints"). Fastify's route parameters match one
 * path segment and repository names have many, so the path is read from its end, as distribution's own router does
 * (distribution, registry/api/v2/descriptors.go). Pure.
 */
import { digestInvalid, nameInvalid, tagInvalid, type CodedError } from '../errors.js'
import { parseDigest, type Digest } from './digest.js'
import { parseRepositoryName, parseTag, type RepositoryName, type Tag } from './name.js'

export type Reference = { readonly tag: Tag } | { readonly digest: Digest }

/** What a path names, whatever the method. */
export type Route =
  | { readonly kind: 'base' }
  | { readonly kind: 'catalog' }
  | { readonly kind: 'manifest', readonly repository: RepositoryName, readonly reference: Reference }
  | { readonly kind: 'blob', readonly repository: RepositoryName, readonly digest: Digest }
  | { readonly kind: 'uploads', readonly repository: RepositoryName }
  | { readonly kind: 'upload', readonly repository: RepositoryName, readonly id: string }
  | { readonly kind: 'tags', readonly repository: RepositoryName }
  /** GitLab's path for one tag. */
  | { readonly kind: 'tag', readonly repository: RepositoryName, readonly tag: Tag }
  | { readonly kind: 'referrers', readonly repository: RepositoryName, readonly digest: Digest }
  /** Nothing that the specification knows; for a DELETE, a whole repository. */
  | { readonly kind: 'repository', readonly repository: RepositoryName }
  | { readonly kind: 'invalid', readonly error: CodedError }

const PREFIX = '/v2'
const UPLOAD_ID = /^(?!\.+$)[a-zA-Z0-9\-_.=]+$/
const invalid = (error: CodedError): Route => ({ kind: 'invalid', error })

/**
 * @param path the raw path of the request, without the query, as the client sent it
 */
export function classify (path: string): Route {
  if (path === PREFIX || path === `${PREFIX}/`) return { kind: 'base' }
  // Routers decode before they compare: `/%76%32/app` reaches this place, and the registry, as `/v2/app`.
  if (!path.startsWith(`${PREFIX}/`)) return invalid(nameInvalid('the path does not begin with /v2/ as it is written'))
  const segments = decodeSegments(path.slice(PREFIX.length + 1))
  if (segments === undefined) return invalid(nameInvalid('the path is not properly encoded'))
  if (segments.length === 1 && segments[0] === '_catalog') return { kind: 'catalog' }
  return fromTail(segments)
}

function fromTail (segments: string[]): Route {
  const last = segments.at(-1)!
  const second = segments.at(-2)
  const third = segments.at(-3)
  if (third === 'blobs' && second === 'uploads') return last === '' ? named(segments, 3, uploads) : named(segments, 3, repository => upload(repository, last))
  if (second === 'blobs' && last === 'uploads') return named(segments, 2, uploads)
  if (second === 'manifests') return named(segments, 2, repository => manifest(repository, last))
  if (second === 'blobs') return named(segments, 2, repository => withDigest('blob', repository, last))
  if (second === 'referrers') return named(segments, 2, repository => withDigest('referrers', repository, last))
  if (second === 'tags' && last === 'list') return named(segments, 2, repository => ({ kind: 'tags', repository }))
  if (third === 'tags' && second === 'reference') return named(segments, 3, repository => oneTag(repository, last))
  return named(segments, last === '' ? 1 : 0, repository => ({ kind: 'repository', repository }))
}

/** The name is what stands before the last `tail` segments. */
function named (segments: string[], tail: number, build: (repository: RepositoryName) => Route): Route {
  const text = segments.slice(0, segments.length - tail).join('/')
  const repository = parseRepositoryName(text)
  return repository === undefined ? invalid(nameInvalid('it does not match the grammar of the distribution specification')) : build(repository)
}

const uploads = (repository: RepositoryName): Route => ({ kind: 'uploads', repository })

function upload (repository: RepositoryName, id: string): Route {
  return UPLOAD_ID.test(id) ? { kind: 'upload', repository, id } : invalid(nameInvalid('the upload id is malformed'))
}

function manifest (repository: RepositoryName, text: string): Route {
  if (text.includes(':')) {
    const digest = parseDigest(text)
    return digest === undefined ? invalid(digestInvalid('expected <algorithm>:<hex>')) : { kind: 'manifest', repository, reference: { digest } }
  }
  const tag = parseTag(text)
  return tag === undefined ? invalid(tagInvalid('it does not match the grammar of the distribution specification')) : { kind: 'manifest', repository, reference: { tag } }
}

function withDigest (kind: 'blob' | 'referrers', repository: RepositoryName, text: string): Route {
  const digest = parseDigest(text)
  return digest === undefined ? invalid(digestInvalid('expected <algorithm>:<hex>')) : { kind, repository, digest }
}

function oneTag (repository: RepositoryName, text: string): Route {
  const tag = parseTag(text)
  return tag === undefined ? invalid(tagInvalid('it does not match the grammar of the distribution specification')) : { kind: 'tag', repository, tag }
}

/** Splits first and decodes after, so that an encoded slash can never make a new segment. */
function decodeSegments (path: string): string[] | undefined {
  const segments = path.split('/')
  if (!path.includes('%')) return segments
  try {
    const decoded = segments.map(segment => decodeURIComponent(segment))
    return decoded.some(segment => segment.includes('/')) ? undefined : decoded
  } catch {
    return undefined
  }
}
