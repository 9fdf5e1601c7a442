/** A span for each request, by the conventions for HTTP servers. */
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, defaultTextMapGetter, defaultTextMapSetter, trace, type Tracer } from '@opentelemetry/api'
import { W3CTraceContextPropagator } from '@opentelemetry/core'

/** A request as it comes. */
export interface RequestHead {
  readonly method: string
  /** As it was sent, without the query, which may hold what is secret. */
  readonly path: string
  readonly scheme: 'http' | 'https'
  /** The client's. */
  readonly address: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
}

/** What goes on with the trace is told these (W3C Trace Context). */
export interface TraceContext {
  readonly traceparent: string
  readonly tracestate?: string
}

export interface RequestSpan {
  readonly context: TraceContext
  /**
   * The client has its answer, or has gone.
   * @param route the pattern that the path fits, if it fits one
   * @param status 0 when the client had gone before there was an answer
   */
  end (route: string | undefined, status: number): void
}

/** Methods that have a name of their own (RFC 9110, RFC 5789). */
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH']

export class RequestSpans {
  readonly #propagator = new W3CTraceContextPropagator()

  constructor (private readonly tracer: Tracer) {}

  /** Goes on with the trace that the client names, or begins one. */
  begin ({ method, path, scheme, address, headers }: RequestHead): RequestSpan {
    const name = METHODS.includes(method) ? method : 'HTTP'
    const { host, 'user-agent': agent } = headers
    const span = this.tracer.startSpan(name, {
      kind: SpanKind.SERVER,
      attributes: {
        'http.request.method': name === 'HTTP' ? '_OTHER' : method,
        'url.path': path,
        'url.scheme': scheme,
        'client.address': address,
        ...serverOf(String(host ?? '')),
        ...(agent === undefined ? {} : { 'user_agent.original': String(agent) })
      }
    }, this.#propagator.extract(ROOT_CONTEXT, headers, defaultTextMapGetter) as typeof ROOT_CONTEXT)
    const context = {} as { traceparent: string, tracestate?: string }
    this.#propagator.inject(trace.setSpan(ROOT_CONTEXT, span), context, defaultTextMapSetter)
    return {
      context,
      end: (route, status) => {
        if (route !== undefined) span.updateName(`${name} ${route}`).setAttribute('http.route', route)
        if (status !== 0) span.setAttribute('http.response.status_code', status)
        if (status === 0 || status >= 500) span.setAttribute('error.type', status === 0 ? 'aborted' : String(status)).setStatus({ code: SpanStatusCode.ERROR })
        span.end()
      }
    }
  }
}

/** Where the client thinks that it is, by its `Host`. */
function serverOf (host: string): Record<string, string | number> {
  const [, address, port] = /^(\[[^\]]+\]|[^:]+)(?::(\d+))?$/.exec(host) ?? []
  if (address === undefined) return {}
  return { 'server.address': address.replace(/^\[|\]$/g, ''), ...(port === undefined ? {} : { 'server.port': Number(port) }) }
}
