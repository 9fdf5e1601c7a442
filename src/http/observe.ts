/** Tells how each request ended: what kind of request it was, with which status, after how long. */
import type { ServerResponse } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Route } from '../oci/route.js'
import { isRead } from './claim-of.js'
import { passageOf } from './passage.js'

/** A port: whoever counts. `status` is 0 when the client had gone before there was an answer; `seconds` lead to the answer's end. */
export type OnRequestEnded = (kind: RequestKind, status: number, seconds: number) => void

/** Kinds of requests: few enough to count each, and none that names a repository. */
export type RequestKind =
  /** Delgate's own interface, and what is answered beside it. */
  | 'interface' | 'events' | 'health' | 'metrics'
  /** Deletions that Delgate carries out itself. */
  | 'delete'
  /** What is passed to the registry. */
  | 'base' | 'catalog' | 'tags' | 'referrers' | 'manifest-read' | 'manifest-write' | 'blob-read' | 'blob-check' | 'upload'
  /** What nobody knows, or what was refused as it came. */
  | 'other'

const OWN: Readonly<Record<string, RequestKind>> = { '/healthz': 'health', '/readyz': 'health', '/metrics': 'metrics', '/delgate/v1/jobs/:id/events': 'events' }

/** To be called before any route is installed. */
export function observeRequests (app: FastifyInstance, onEnded: OnRequestEnded): void {
  app.addHook('onRequest', (request, reply, done) => {
    const since = performance.now()
    const { raw } = reply
    raw.once('close', () => { onEnded(kindOf(request), statusOf(raw), (performance.now() - since) / 1000) })
    done()
  })
}

const statusOf = ({ headersSent, statusCode }: ServerResponse): number => headersSent ? statusCode : 0

function kindOf (request: FastifyRequest): RequestKind {
  const passage = passageOf(request)
  if (passage !== undefined) return kindOfRoute(passage.route, request.method)
  const { url = '' } = request.routeOptions
  if (OWN[url] !== undefined) return OWN[url]
  if (url.startsWith('/delgate/')) return 'interface'
  return url.startsWith('/v2') && request.method === 'DELETE' ? 'delete' : 'other'
}

function kindOfRoute ({ kind }: Route, method: string): RequestKind {
  switch (kind) {
    case 'manifest': return isRead(method) ? 'manifest-read' : 'manifest-write'
    case 'blob': return method === 'GET' ? 'blob-read' : method === 'HEAD' ? 'blob-check' : 'other'
    case 'uploads': case 'upload': return 'upload'
    case 'base': case 'catalog': case 'tags': case 'referrers': return kind
    default: return 'other'
  }
}
