/** Names, references, paths, queries and preferences at random: what is accepted, and what the registry makes of it. */
import { posix } from 'node:path'
import t from 'tap'
import { CodedError } from '../../src/errors.js'
import { pathOf, queryOf } from '../../src/http/url.js'
import { parseDeleteQuery, parseWait } from '../../src/http/prefer.js'
import { algorithmOf, hexOf, parseDigest, type Digest } from '../../src/oci/digest.js'
import { parseRepositoryName, parseTag, type RepositoryName, type Tag } from '../../src/oci/name.js'
import { classify, type Route } from '../../src/oci/route.js'
import { parseUploadQuery } from '../../src/oci/upload-query.js'
import * as paths from '../../src/storage/paths.js'
import { fuzz, must } from '../support/fuzz.js'
import { goFormValue } from '../support/go-query.js'
import { registryRoute } from '../support/go-router.js'
import * as odd from '../support/odd.js'
import type { Chance } from '../support/random.js'

const CASES = 20_000

/** The grammar of the distribution-spec, letter by letter. */
function isName (text: string): boolean {
  return text.length <= 255 && text.split('/').every(component => {
    const runs = component.match(/[a-z0-9]+|[^a-z0-9]+/g) ?? []
    return runs.length % 2 === 1 && runs.every((run, at) => at % 2 === 0 ? /[a-z0-9]/.test(run[0]!) : run === '.' || run === '_' || run === '__' || [...run].every(one => one === '-'))
  })
}

const isTag = (text: string): boolean => text.length > 0 && text.length <= 128 && !['.', '-'].includes(text[0]!) && [...text].every(one => one < '\x80' && /[A-Za-z0-9_.-]/.test(one))

function isDigest (text: string): boolean {
  const [algorithm, hex, ...rest] = text.split(':')
  const length = new Map([['sha256', 64], ['sha384', 96], ['sha512', 128]]).get(algorithm!)
  return rest.length === 0 && hex !== undefined && length === hex.length && [...hex].every(one => '0123456789abcdef'.includes(one))
}

function mustStayBelow (path: string, directory: string): void {
  must(posix.normalize(path) === path && path.startsWith(`${directory}/`) && !/[\0\\]/.test(path), `${path} is not below ${directory}`)
}

/** Every path of the tree that can be made of these. */
function mustStayInside (name: RepositoryName, tag: Tag, digest: Digest): void {
  const own = paths.repositoryDirectory(name)
  mustStayBelow(own, paths.REPOSITORIES)
  for (const path of [paths.layerLink(name, digest), paths.layersDirectory(name), paths.revisionLink(name, digest), paths.uploadsDirectory(name)]) mustStayBelow(path, own)
  mustStayBelow(paths.tagDirectory(name, tag), paths.tagsDirectory(name))
  for (const path of [paths.tagCurrentLink(name, tag), paths.tagHistoryEntry(name, tag, digest)]) mustStayBelow(path, paths.tagDirectory(name, tag))
  mustStayBelow(paths.blobData(digest), `${paths.BLOBS}/${algorithmOf(digest)}`)
}

await fuzz(t, 'names, tags and digests', { cases: CASES }, chance => {
  const texts = [odd.name(chance), odd.tag(chance), odd.digest(chance)].map(text => odd.sometimesMutated(chance, text)) as [string, string, string]
  const [name, tag, digest] = [parseRepositoryName(texts[0]), parseTag(texts[1]), parseDigest(texts[2])]
  must((name !== undefined) === isName(texts[0]), 'name', texts[0])
  must((tag !== undefined) === isTag(texts[1]), 'tag', texts[1])
  must((digest !== undefined) === isDigest(texts[2]), 'digest', texts[2])
  must(digest === undefined || `${algorithmOf(digest)}:${hexOf(digest)}` === texts[2], 'a digest is its two halves', texts[2])
  if (name === undefined || tag === undefined || digest === undefined) return 'refused'
  mustStayInside(name, tag, digest)
  return 'accepted'
})

function path (chance: Chance): string {
  const reference = chance.happens(0.5) ? odd.tag(chance) : odd.digest(chance)
  const tail = chance.one(['', '/', `/manifests/${reference}`, `/manifests/${reference}/`, `/blobs/${reference}`, '/blobs/uploads/', '/blobs/uploads', `/blobs/uploads/${odd.hex(chance, 8)}`, '/tags/list', `/tags/reference/${reference}`, `/referrers/${reference}`, '/_catalog'])
  return `/v2/${odd.name(chance)}${tail}`
}

/** What a route is, in one line; how an invalid one is refused does not matter. */
const line = (route: Route): string => route.kind === 'invalid' ? 'invalid' : JSON.stringify(route)

await fuzz(t, 'a path means what the registry takes it for, or nothing', { cases: CASES }, chance => {
  let url = odd.encoded(chance, odd.sometimesMutated(chance, path(chance)), chance.one([0, 0, 0.1]))
  if (chance.happens(0.1)) url = odd.mutated(chance, url.slice(0, 5)) + url.slice(5)
  const route = classify(pathOf(url))
  must(route.kind !== 'invalid' || (route.error instanceof CodedError && route.error.statusCode === 400), 'refused', url)
  const registry = registryRoute(pathOf(url))
  if (registry === undefined) return route.kind === 'invalid' ? 'both refuse' : 'the registry refuses'
  must(route.kind === 'invalid' || line(route) === JSON.stringify(registry), `the registry takes it for ${JSON.stringify(registry)}`, [url, route])
  return route.kind === 'invalid' ? 'Delgate refuses' : 'both accept'
})

await fuzz(t, 'a path means the same however its letters are encoded', { cases: CASES }, chance => {
  const plain = odd.sometimesMutated(chance, path(chance)).replaceAll('%', '')
  if (!plain.startsWith('/v2/') || /[\uD800-\uDFFF]/.test(plain)) return 'left out'
  const other = `/v2/${odd.encoded(chance, plain.slice(4))}`
  must(line(classify(plain)) === line(classify(other)), 'they differ', [plain, other])
  const route = classify(`/v2/${plain.slice(4).replaceAll('/', () => chance.happens(0.5) ? '%2f' : '/')}`)
  must(route.kind === 'invalid' || line(route) === line(classify(plain)), 'an encoded slash made another route', plain)
})

function codedOrElse<T> (work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    must(error instanceof CodedError && error.statusCode === 400, `it throws ${String(error)}`)
    return undefined
  }
}

await fuzz(t, 'queries of a deletion: nothing but a plain dry-run=true is one, and nothing that is not known is passed over', { cases: CASES }, chance => {
  const pairs = chance.some(['dry-run=true', 'dry-run=false', 'dry-run', 'recursive=true', 'recursive=1', 'confirm=all', 'dry_run=true', 'dryRun=true', '__proto__=1'], 0.25)
  const query = odd.sometimesMutated(chance, pairs.join('&'), 0.4)
  const allowed = ['dry-run', 'recursive', 'confirm'] as const
  const read = codedOrElse(() => parseDeleteQuery(queryOf(`/v2/app?${query}`), allowed))
  if (read === undefined) return 'refused'
  // URLSearchParams leaves a question mark at the beginning aside.
  const given = query.replace(/^\?/, '').split('&').filter(pair => pair !== '').map(pair => pair.split('=', 1)[0]!)
  must(given.every(key => allowed.some(one => one === new URLSearchParams(`${key}=`).keys().next().value)), 'an unknown key was accepted', query)
  must(read.dryRun || !given.includes('dry-run') || new URLSearchParams(query).get('dry-run') === 'false', 'a dry run would delete', query)
  return 'accepted'
})

await fuzz(t, 'queries of an upload name what the registry finds in them, or are refused', { cases: CASES }, chance => {
  const pair = (): string => `${chance.one(['digest', 'digest', 'mount', 'from', '_state', 'x', 'Digest', '?digest', ''])}${chance.one(['=', '=', '=', '', '=='])}${chance.happens(0.6) ? odd.digest(chance) : odd.name(chance)}`
  const plain = Array.from({ length: 1 + chance.upTo(4) }, pair).join(chance.one(['&', '&', '&', ';', '&&']))
  const query = odd.encoded(chance, odd.sometimesMutated(chance, plain, 0.3), chance.one([0, 0, 0.1]))
  const read = codedOrElse(() => parseUploadQuery(query))
  if (read === undefined) return 'refused'
  for (const key of ['digest', 'mount', 'from'] as const) {
    const latin1 = Buffer.from(read[key] ?? '').toString('latin1')
    must(latin1 === goFormValue(query, key), `${key}: the registry finds ${goFormValue(query, key)}`, [query, read])
  }
  return Object.keys(read).length === 0 ? 'nothing named' : 'accepted'
})

await fuzz(t, 'preferences', { cases: CASES }, chance => {
  const one = (): string => odd.sometimesMutated(chance, chance.one(['wait=60', 'wait="60"', 'respond-async', 'Wait = 5', 'wait=99999999999', 'wait', 'foo="a,b"', 'wait=1;x=y', `wait=${' '.repeat(chance.upTo(5000))}1`]), 0.3)
  const header = Array.from({ length: chance.upTo(4) }, one)
  const wait = codedOrElse(() => parseWait(chance.happens(0.5) ? header : header.join(', ')))
  must(wait === undefined || (Number.isInteger(wait) && wait >= 0 && wait <= 3600), 'a strange wait', [header, wait])
  return wait === undefined ? 'none' : 'granted'
})
