/** A collector of traces: takes what is sent by OTLP over HTTP as JSON, and keeps it. */
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gunzipSync } from 'node:zlib'
import type { Test } from 'tap'
import { until } from './temporary.js'

type Value = { readonly stringValue?: string, readonly intValue?: number | string, readonly doubleValue?: number, readonly boolValue?: boolean }
type Attributes = ReadonlyArray<{ readonly key: string, readonly value: Value }>

/** The body of a request (opentelemetry-proto, trace.proto), as far as tests look at it. */
interface Sent {
  readonly resourceSpans: ReadonlyArray<{
    readonly resource: { readonly attributes: Attributes }
    readonly scopeSpans: ReadonlyArray<{ readonly spans: ReadonlyArray<{ readonly traceId: string, readonly spanId: string, readonly parentSpanId?: string, readonly name: string, readonly kind: number, readonly startTimeUnixNano: string, readonly endTimeUnixNano: string, readonly attributes: Attributes, readonly status: { readonly code?: number } }> }>
  }>
}

export interface ReceivedSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | undefined
  readonly name: string
  /** 1 internal, 2 server. */
  readonly kind: number
  readonly start: bigint
  readonly end: bigint
  readonly attributes: Readonly<Record<string, unknown>>
  readonly resource: Readonly<Record<string, unknown>>
  /** 2: error. */
  readonly status: number
}

export interface Collector {
  readonly url: string
  readonly spans: ReceivedSpan[]
  readonly requests: Array<{ readonly path: string, readonly headers: IncomingHttpHeaders }>
  /** Status of the next answers. */
  answer: number
  /** Resolves with the spans once they are as many as wanted. */
  received (what: string, which: (span: ReceivedSpan) => boolean, count?: number): Promise<ReceivedSpan[]>
}

export async function startCollector (t: Test): Promise<Collector> {
  const spans: ReceivedSpan[] = []
  const requests: Array<Collector['requests'][number]> = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => { chunks.push(chunk) }).on('end', () => {
      requests.push({ path: request.url!, headers: request.headers })
      const body = Buffer.concat(chunks)
      if (collector.answer === 200) spans.push(...spansOf(JSON.parse((request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body).toString()) as Sent))
      response.writeHead(collector.answer, { 'content-type': 'application/json' }).end('{}')
    })
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => { server.close(); server.closeAllConnections() })
  const collector: Collector = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    requests,
    answer: 200,
    received: async (what, which, count = 1) => await until(what, () => {
      const found = spans.filter(which)
      return found.length >= count && found
    })
  }
  return collector
}

function spansOf ({ resourceSpans }: Sent): ReceivedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans.map(span => ({
    traceId: span.traceId,
    spanId: span.spanId,
    parentSpanId: span.parentSpanId,
    name: span.name,
    kind: span.kind,
    start: BigInt(span.startTimeUnixNano),
    end: BigInt(span.endTimeUnixNano),
    attributes: valuesOf(span.attributes),
    resource: valuesOf(resource.attributes),
    status: span.status.code ?? 0
  }))))
}

const valuesOf = (attributes: Attributes): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue ?? (value.intValue === undefined ? value.doubleValue ?? value.boolValue : Number(value.intValue))]))
