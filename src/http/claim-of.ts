/** What a request of a push relies on, and which requests are such. */
import type { FastifyRequest } from 'fastify'
import { parseDigest, type Digest } from '../oci/digest.js'
import { parseRepositoryName, type RepositoryName } from '../oci/name.js'
import type { Route } from '../oci/route.js'
import type { Traffic } from '../traffic/admission.js'
import { queryOf } from './url.js'

export const isRead = (method: string): boolean => method === 'GET' || method === 'HEAD'

/** Whether a request may change what is stored, or relies on its staying there. */
export function isWrite (method: string, route: Route): boolean {
  if (route.kind === 'catalog') return true
  return !isRead(method) || (method === 'HEAD' && route.kind === 'blob')
}

export function trafficOf (method: string, route: Route): Traffic {
  if (isWrite(method, route)) return 'write'
  return route.kind === 'blob' && method === 'GET' ? 'download' : 'read'
}

/** The digest that a request claims: HEAD blob, mount, and the commit of an upload. */
export function claimOf (request: FastifyRequest, route: Route): Digest | undefined {
  if (route.kind === 'blob') return request.method === 'HEAD' ? route.digest : undefined
  if (route.kind !== 'uploads' && route.kind !== 'upload') return undefined
  const query = new URLSearchParams(queryOf(request.raw.url!))
  return parseDigest(query.get('digest') ?? query.get('mount') ?? undefined)
}

/** A cross-repository mount (distribution-spec, "Mounting a blob from another repository"). */
export function mountOf (request: FastifyRequest, route: Route): { readonly from: RepositoryName, readonly digest: Digest } | undefined {
  if (request.method !== 'POST' || route.kind !== 'uploads') return undefined
  const query = new URLSearchParams(queryOf(request.raw.url!))
  const digest = parseDigest(query.get('mount') ?? undefined)
  const from = parseRepositoryName(query.get('from') ?? '')
  return digest === undefined || from === undefined ? undefined : { from, digest }
}
