/**
 * What distribution makes of a path (registry/api/v2/descriptors.go, routes.go; gorilla/mux), written down anew: the path
 * is decoded whole, one that is not clean is redirected and does nothing, and the routes are tried in their order.
 */
const COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*'
const DOMAIN = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])'
const NAME = `((?:${DOMAIN}(?:\\.${DOMAIN})*(?::[0-9]+)?/)?${COMPONENT}(?:/${COMPONENT})*)`
const TAG = '[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}'
const DIGEST = '[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}'

type Build = (repository: string, last: string) => object
const ROUTES: ReadonlyArray<readonly [RegExp, Build]> = [
  [new RegExp(`^/v2/${NAME}/manifests/(${TAG}|${DIGEST})$`), (repository, last) => ({ kind: 'manifest', repository, reference: last.includes(':') ? { digest: last } : { tag: last } })],
  [new RegExp(`^/v2/${NAME}/tags/(list)$`), repository => ({ kind: 'tags', repository })],
  [new RegExp(`^/v2/${NAME}/blobs/(${DIGEST})$`), (repository, last) => ({ kind: 'blob', repository, digest: last })],
  [new RegExp(`^/v2/${NAME}/blobs/(uploads)/$`), repository => ({ kind: 'uploads', repository })],
  [new RegExp(`^/v2/${NAME}/blobs/uploads/([a-zA-Z0-9_.=-]+)$`), (repository, id) => ({ kind: 'upload', repository, id })]
]
/** Longer names are refused by the handlers; the expressions above would take very long over them. */
const LONGEST = 1_000

/** @returns `undefined` where the registry answers with a redirect or an error */
export function registryRoute (path: string): object | undefined {
  if (/%(?![0-9a-f]{2})/i.test(path) || path.length > LONGEST) return undefined
  const decoded = path.replace(/%([0-9a-f]{2})/gi, (_whole, code: string) => String.fromCharCode(parseInt(code, 16)))
  if (decoded.split('/').slice(1, -1).some(segment => ['', '.', '..'].includes(segment)) || /\/\.{1,2}$/.test(decoded)) return undefined
  if (decoded === '/v2/') return { kind: 'base' }
  if (decoded === '/v2/_catalog') return { kind: 'catalog' }
  for (const [pattern, build] of ROUTES) {
    const match = pattern.exec(decoded)
    if (match !== null) return match[1]!.length > 255 ? undefined : build(match[1]!, match[2]!)
  }
  return undefined
}
