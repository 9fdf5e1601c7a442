/**
 * Traces by OpenTelemetry, sent by OTLP over HTTP. Its packages are large: whoever is not asked for traces does not import
 * this. Where they go, which are sampled, and what the process is called is read from the usual variables.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources'
import { BasicTracerProvider, BatchSpanProcessor, type SpanExporter } from '@opentelemetry/sdk-trace-base'
import { JobSpans } from './job-spans.js'
import { RequestSpans } from './request-spans.js'

export interface TracingParts {
  readonly version: string
  readonly log: { warn (details: object, message: string): void, info (details: object, message: string): void }
}

/** How long the last spans may take when the gate closes, milliseconds. */
const CLOSE_MS = 3_000

export class Tracing {
  readonly #provider: BasicTracerProvider
  readonly requests: RequestSpans
  readonly jobs: JobSpans

  constructor ({ version, log }: TracingParts) {
    const resource = defaultResource()
      .merge(resourceFromAttributes({ 'service.name': 'delgate', 'service.version': version }))
      .merge(detectResources({ detectors: [envDetector] }))
    this.#provider = new BasicTracerProvider({ resource, spanProcessors: [new BatchSpanProcessor(complaining(new OTLPTraceExporter(), log))] })
    const tracer = this.#provider.getTracer('delgate', version)
    this.requests = new RequestSpans(tracer)
    this.jobs = new JobSpans(tracer)
  }

  /** Sends what has not been sent, if that goes quickly. */
  async close (): Promise<void> {
    this.jobs.close()
    const late = new AbortController()
    await Promise.race([this.#provider.shutdown().catch(() => {}), delay(CLOSE_MS, undefined, { signal: late.signal, ref: false }).catch(() => {})])
    late.abort()
  }
}

/** Says it once when spans cannot be sent, and once when they can be again. */
function complaining (exporter: SpanExporter, log: TracingParts['log']): SpanExporter {
  let isFailing = false
  return {
    export: (spans, done) => {
      exporter.export(spans, result => {
        const fails = result.error !== undefined || result.code !== 0
        if (fails && !isFailing) log.warn({ reason: result.error?.message }, 'traces cannot be sent and are lost; OTEL_EXPORTER_OTLP_ENDPOINT says where they should go')
        if (!fails && isFailing) log.info({}, 'traces can be sent again')
        isFailing = fails
        done(result)
      })
    },
    forceFlush: async () => { await exporter.forceFlush?.() },
    shutdown: async () => { await exporter.shutdown() }
  }
}
