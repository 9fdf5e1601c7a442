/** Gates, repositories and references as users write them. Pure. */
import { parseDigest } from '../oci/digest.js'
import { parseRepositoryName, parseTag } from '../oci/name.js'
import { EXIT, Failure } from './failure.js'

/** Where a gate is asked for when nothing says otherwise. */
export const DEFAULT_URL = 'http://127.0.0.1:5000'

/** What is in globs (src/oci/glob.ts), and in no name. A host in brackets has colons between them. */
const GLOB = /[*?]|\[[!^]?[\w.-]+\]/

/** A name that a glob could match: what else is in it must be allowed in names. */
const withoutStars = (glob: string): string => glob.replaceAll(/(?:[*?]|\[[!^]?[\w.-]+\])+/g, 'a')

export const isGlob = (text: string): boolean => GLOB.test(text)

/** What `rm` is told, with repository and tag as names or globs. */
export interface Reference {
  readonly repository: string
  readonly tag?: string
  readonly digest?: string
}

/** Loopback needs no TLS; clients of registries take it so. */
const LOOPBACK = /^(?:localhost|127(?:\.\d+){3}|\[::1\])(?::\d+)?$/i

/**
 * The origin of a gate.
 * @param text a URL, or a host with or without a port as image names have it
 * @param plainHttp whether a host without a scheme means http:// even if it is not this machine
 * @throws Failure when it is neither
 */
export function gateOrigin (text: string, source: string, plainHttp: boolean): string {
  const whole = text.includes('://') ? text : `${plainHttp || LOOPBACK.test(text) ? 'http' : 'https'}://${text}`
  const url = URL.canParse(whole) ? new URL(whole) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.hostname === '') throw new Failure(EXIT.usage, `${source} ${text}: not an address of a gate; expected http://HOST:PORT or https://HOST:PORT`)
  if (url.username !== '' || url.password !== '') throw new Failure(EXIT.usage, `${source}: no credentials in the address; use --user NAME`)
  if (!/^\/*$/.test(url.pathname) || url.search !== '' || url.hash !== '') throw new Failure(EXIT.usage, `${source} ${text}: only scheme, host and port; the gate's address has no path. Did you mean ${url.origin}?`)
  return url.origin
}

/** An argument that may begin with the gate's host, taken apart. */
export interface Located {
  readonly host?: string
  readonly rest: string
}

/**
 * Takes the host off an argument, by docker's rule: what stands before the first slash is one if it has a dot or a colon,
 * or is localhost.
 * @param given host of the gate that is named otherwise: then a first part with a dot may be one of the repository's
 */
export function splitHost (text: string, given: string | undefined): Located {
  const slash = text.indexOf('/')
  const first = slash < 0 ? '' : text.slice(0, slash)
  if (isGlob(first) || !(/[.:]/.test(first) || first === 'localhost')) return { rest: text }
  const isSure = given === undefined || first === given || first.includes(':') || first === 'localhost'
  return isSure ? { host: first, rest: text.slice(slash + 1) } : { rest: text }
}

/**
 * Reads REPOSITORY, REPOSITORY:TAG or REPOSITORY@DIGEST, the host taken off.
 * @throws Failure when a name is malformed; nothing that is not understood may delete
 */
export function parseReference (text: string): Reference {
  const wrong = (what: string): never => { throw new Failure(EXIT.usage, `${text}: ${what}`) }
  const [name = '', digest, ...more] = text.split('@')
  if (more.length > 0) wrong('expected REPOSITORY, REPOSITORY:TAG or REPOSITORY@DIGEST')
  const colon = name.lastIndexOf(':')
  const tag = colon > name.lastIndexOf('/') ? name.slice(colon + 1) : undefined
  const repository = tag === undefined ? name : name.slice(0, colon)
  if (parseRepositoryName(isGlob(repository) ? withoutStars(repository) : repository) === undefined) wrong(`"${repository}" is not the name of a repository (lower case letters, digits, and . _ - / between them)`)
  if (digest !== undefined) {
    if (tag !== undefined) wrong('either a tag or a digest, not both')
    if (parseDigest(digest) === undefined) wrong('a digest is sha256: and 64 hexadecimal digits; delgate tags --no-trunc shows it whole')
    return { repository, digest }
  }
  if (tag === undefined) return { repository }
  if (parseTag(isGlob(tag) ? withoutStars(tag) : tag) === undefined) wrong(`"${tag}" is not a tag (letters, digits, and _ . - after the first)`)
  return { repository, tag }
}

/**
 * Reads the name of one repository.
 * @throws Failure when it is malformed, a glob, or has a tag
 */
export function parseRepository (text: string): string {
  const { repository, tag, digest } = parseReference(text)
  if (tag !== undefined || digest !== undefined || isGlob(repository)) throw new Failure(EXIT.usage, `${text}: expected the name of one repository`)
  return repository
}
