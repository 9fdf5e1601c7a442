/** What a request of a push relies on, and which requests are such. */
import type { FastifyRequest } from 'fastify'
import { requestInvalid } from '../errors.js'
import { parseDigest, type Digest } from '../oci/digest.js'
import { parseRepositoryName, type RepositoryName } from '../oci/name.js'
import type { Route } from '../oci/route.js'
import { parseUploadQuery } from '../oci/upload-query.js'
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

/** A cross-repository mount (distribution-spec, "Mounting a blob from another repository"). */
export interface Mount {
  readonly from: RepositoryName
  readonly digest: Digest
}

/** What a request relies on. */
export interface Claimed {
  /** HEAD of a blob, mount, or the commit of an upload. */
  readonly digest?: Digest | undefined
  /** `unknown`: nothing that can be mounted. */
  readonly mount?: Mount | 'unknown'
}

/**
 * What a request claims. Only a PUT commits an upload, only a POST mounts, both under an upload's id too
 * (distribution, registry/handlers/blobupload.go). distribution does not look at the digest of a POST, but the specification
 * lets it be answered with 201.
 * @throws CodedError 400 when the registry may read the query differently
 */
export function claimedBy (request: FastifyRequest, route: Route): Claimed {
  if (route.kind === 'blob') return request.method === 'HEAD' ? { digest: route.digest } : {}
  if ((route.kind !== 'uploads' && route.kind !== 'upload') || (request.method !== 'PUT' && request.method !== 'POST')) return {}
  const { digest, mount, from } = parseUploadQuery(queryOf(request.raw.url!))
  if (request.method === 'PUT' || mount === undefined || from === undefined) return { digest: parseDigest(digest) }
  if (digest !== undefined) throw requestInvalid('the query names a digest and a mount')
  const mounted = { digest: parseDigest(mount), from: parseRepositoryName(from) }
  return mounted.digest === undefined || mounted.from === undefined ? { mount: 'unknown' } : { digest: mounted.digest, mount: mounted as Mount }
}
