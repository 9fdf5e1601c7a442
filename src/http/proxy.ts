/** Everything under `/v2/`: forwarded to the registry as it came, except for the deletions. */
import httpProxy from '@fastify/http-proxy'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { requestInvalid } from '../errors.js'
import { classify, type Route } from '../oci/route.js'
import { isForm } from '../oci/upload-query.js'
import type { Answered } from '../registry/exchange.js'
import { kAnswered, kRepeatable, kResumable, type Upstream } from '../registry/upstream.js'
import { isRead } from './claim-of.js'
import { handleDelete, type DeleteParts } from './delete.js'
import { answer, upstreamError } from './errors.js'
import type { Gate } from './gate.js'
import type { Changes, UpstreamAnswer } from './passage.js'
import { clientOrigin, rewriteLink, rewriteLocation, type LocationRules } from './location.js'
import { traceOf } from './trace.js'
import { pathOf } from './url.js'

export interface ProxyParts {
  readonly gate: Gate
  readonly deletes: DeleteParts
  readonly upstream: Upstream
  /** Scheme and host of the registry as it is now. */
  readonly origin: () => string
  readonly location: LocationRules
  /** Whether the gate itself speaks TLS. Not asked of a request's socket, which undici takes from it with its body. */
  readonly encrypted: boolean
}

type Headers = Record<string, string | string[] | undefined> & { [kAnswered]?: Answered, [kResumable]?: true, [kRepeatable]?: true }

const kContentType = Symbol('content type')
/** Stands in for a content type, which is put right when the headers are rewritten. */
const UNTYPED = 'application/octet-stream'
const kReading = Symbol('reading')
type Typed = FastifyRequest['raw'] & { [kContentType]?: string, [kReading]?: typeof kResumable | typeof kRepeatable }

/** Installs the proxy. */
export function installProxy (app: FastifyInstance, parts: ProxyParts): void {
  void app.register(async scope => {
    // Bodies are streams, whatever their type is called; the registry is told the type that the client gave.
    scope.removeAllContentTypeParsers()
    scope.addHook('onRequest', async request => {
      const { headers } = request.raw as Typed
      if (headers['content-type'] !== undefined) (request.raw as Typed)[kContentType] = headers['content-type']
      if (headers['content-type'] !== undefined) headers['content-type'] = UNTYPED
    })
    registerProxy(scope, parts)
  })
}

function registerProxy (scope: FastifyInstance, parts: ProxyParts): void {
  void scope.register(httpProxy, {
    prefix: '/v2',
    rewritePrefix: `${parts.location.prefix}/v2`,
    upstream: '',
    undici: parts.upstream.forwarder as never,
    // Nothing is returned: Fastify would watch for the end of a reply that looks after itself.
    handler: (request, reply, destination, options) => { reply.from(destination, changed(options, parts.gate.changes(request as FastifyRequest))) },
    // A request is never sent twice: its body is a stream, and the client knows best whether to try again.
    retryMethods: [],
    disableRequestLogging: true,
    internalRewriteLocationHeader: false,
    preHandler: (request, reply, done) => {
      const refuse = (error: unknown): void => { void answer(error, request, reply) }
      try {
        // A read that nothing holds up goes on at once: a promise for each would cost a turn of the queue.
        const forward = route(request, reply, parts)
        if (forward === true) done()
        else forward.then(forward => { if (forward) done() }, refuse)
      } catch (error) {
        refuse(error)
      }
    },
    replyOptions: {
      getUpstream: () => parts.origin(),
      rewriteRequestHeaders: (request, headers) => requestHeaders(request as FastifyRequest, headers as Headers, parts.gate.forwarding(request as FastifyRequest), parts.gate.changes(request as FastifyRequest).body !== undefined) as never,
      rewriteHeaders: (headers, request) => responseHeaders(headers as Headers, request as FastifyRequest, parts) as never,
      onResponse: (request, reply, upstream) => {
        const reached = upstream as unknown as UpstreamAnswer
        const client = reply as unknown as FastifyReply
        try {
          parts.gate.leave(request as FastifyRequest, client, reached)
        } catch (error) {
          void answer(error, request as FastifyRequest, client)
        }
      },
      onError: (reply, { error }) => { void answer(upstreamError(error), reply.request as FastifyRequest, reply as unknown as FastifyReply) }
    }
  })
}

/** A body that the gate has read goes on as it was; a query that it took away does not. */
function changed<Options extends object> (options: Options, { body, bare }: Changes): Options {
  if (body !== undefined) return { ...options, body, contentType: UNTYPED }
  return bare === true ? { ...options, queryString: () => '' } : options
}

/** @returns whether the request goes on to the registry */
function route (request: FastifyRequest, reply: FastifyReply, parts: ProxyParts): Promise<boolean> | true {
  const classified = classify(pathOf(request.raw.url!))
  if ((classified.kind === 'blob' || classified.kind === 'manifest') && isRead(request.method)) {
    (request.raw as Typed)[kReading] = classified.kind === 'blob' && request.method === 'GET' ? kResumable : kRepeatable
  }
  const enter = (): Promise<boolean> | true => parts.gate.enter(request, reply, classified)?.then(() => !reply.raw.destroyed) ?? true
  // What is not understood is not guarded either: it may be read, but not written.
  if (classified.kind === 'invalid' && !['GET', 'HEAD', 'OPTIONS'].includes(request.method)) throw classified.error
  if (isHiddenInForm(request, classified)) throw requestInvalid('the registry would read this body as a form: send it as application/octet-stream')
  if (request.method !== 'DELETE') return enter()
  return handleDelete(request, reply, classified, parts.deletes).then(async isHandled => !isHandled && await enter())
}

/** Whether the registry would look for what an upload commits or mounts in the body, where the gate does not look. It does not find any content then. */
function isHiddenInForm ({ method, raw }: FastifyRequest, { kind }: Route): boolean {
  if ((kind !== 'uploads' && kind !== 'upload') || !['POST', 'PUT', 'PATCH'].includes(method) || !isForm((raw as Typed)[kContentType])) return false
  return raw.headers['transfer-encoding'] !== undefined || Number(raw.headers['content-length'] ?? 0) !== 0
}

/**
 * The client's own `Host`, so that the registry's `Location` points at the gate. `Expect` was answered already, and
 * undici refuses to send it.
 */
function requestHeaders (request: FastifyRequest, headers: Headers, answered: Answered | undefined, isWhole: boolean): Headers {
  if (answered !== undefined) headers[kAnswered] = answered
  const reading = (request.raw as Typed)[kReading]
  if (reading !== undefined) headers[reading] = true
  headers.host = request.headers.host ?? headers.host
  const trace = traceOf(request)
  if (trace !== undefined) Object.assign(headers, trace)
  const type = (request.raw as Typed)[kContentType]
  if (type !== undefined) headers['content-type'] = type
  if (isWhole) {
    headers['content-type'] = type
    headers['transfer-encoding'] = undefined
  }
  // Hop by hop, or answered already; undici refuses to send them.
  for (const name of ['expect', 'upgrade', 'keep-alive']) if (headers[name] !== undefined) headers[name] = undefined
  const peer = request.socket?.remoteAddress
  if (peer !== undefined) {
    const before = headers['x-forwarded-for']
    headers['x-forwarded-for'] = before === undefined ? peer : `${String(before)}, ${peer}`
  }
  return headers
}

function responseHeaders (headers: Headers, request: FastifyRequest, { location: rules, encrypted }: ProxyParts): Headers {
  // Hop by hop (RFC 9110, section 7.6.1): what the registry does with its connection is not the client's affair.
  delete headers.connection
  delete headers['keep-alive']
  const { location, link } = headers
  if (typeof location === 'string') headers.location = rewriteLocation(location, clientOrigin(request.headers, encrypted), rules)
  if (typeof link === 'string') headers.link = rewriteLink(link, rules.prefix)
  return headers
}
