/** Traces: each request is a span, and the registry and the jobs that it leads to are told its trace. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { classify, type Route } from '../oci/route.js'
import type { RequestSpan, RequestSpans, TraceContext } from '../tracing/request-spans.js'
import { pathOf } from './url.js'

const kContext = Symbol('trace context')
type Traced = FastifyRequest & { [kContext]?: TraceContext }

const ROUTES: Readonly<Record<Route['kind'], string | undefined>> = {
  base: '/v2/',
  catalog: '/v2/_catalog',
  manifest: '/v2/{name}/manifests/{reference}',
  blob: '/v2/{name}/blobs/{digest}',
  uploads: '/v2/{name}/blobs/uploads/',
  upload: '/v2/{name}/blobs/uploads/{id}',
  tags: '/v2/{name}/tags/list',
  tag: '/v2/{name}/tags/reference/{tag}',
  referrers: '/v2/{name}/referrers/{digest}',
  repository: '/v2/{name}',
  invalid: undefined
}

/**
 * To be called before any route is installed.
 * @param encrypted whether the gate itself speaks TLS
 */
export function traceRequests (app: FastifyInstance, spans: Pick<RequestSpans, 'begin'>, encrypted: boolean): void {
  app.addHook('onRequest', (request, reply, done) => {
    const { raw } = reply
    const span: RequestSpan = spans.begin({ method: request.method, path: pathOf(request.raw.url!), scheme: encrypted ? 'https' : 'http', address: request.ip, headers: request.headers })
    ;(request as Traced)[kContext] = span.context
    raw.once('close', () => { span.end(routeOf(request), raw.headersSent ? raw.statusCode : 0) })
    done()
  })
}

/** What the registry, or a job, is told of the request's trace; `undefined` where there are none. */
export const traceOf = (request: FastifyRequest): TraceContext | undefined => (request as Traced)[kContext]

function routeOf (request: FastifyRequest): string | undefined {
  const { url } = request.routeOptions
  return url?.startsWith('/v2') === true ? ROUTES[classify(pathOf(request.raw.url!)).kind] : url
}
