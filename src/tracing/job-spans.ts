/** A span for each job, in the trace of the request that asked for it, and below it one for each of its phases. */
import { ROOT_CONTEXT, SpanStatusCode, defaultTextMapGetter, trace, type Context, type Span, type Tracer } from '@opentelemetry/api'
import { W3CTraceContextPropagator } from '@opentelemetry/core'

/** What is looked at of a job. */
export interface TracedJob {
  readonly id: string
  readonly kind: string
  readonly target: { readonly type: string, readonly repository?: string }
  readonly state: string
  readonly phase: string
  /** ISO 8601. */
  readonly createdAt: string
  readonly attempts: number
  readonly traceparent?: string
  readonly receipt: { readonly bytesFreed: number }
  readonly error?: { readonly message: string }
}

interface Running {
  readonly span: Span
  readonly context: Context
  phase: string | undefined
  phaseSpan: Span | undefined
}

export class JobSpans {
  readonly #running = new Map<string, Running>()
  readonly #propagator = new W3CTraceContextPropagator()

  constructor (private readonly tracer: Tracer) {}

  /**
   * A job is in a new state.
   * @param isNew nothing was known of it before
   * @param isOpen something will still happen to it
   */
  changed (job: TracedJob, isNew: boolean, isOpen: boolean): void {
    const running = this.#running.get(job.id) ?? (isOpen ? this.#begin(job, isNew) : undefined)
    if (running === undefined) return
    const phase = isOpen ? phaseOf(job) : undefined
    if (phase !== running.phase) this.#enter(running, phase, beginningOf(job, isNew))
    if (job.state === 'failed') running.span.addEvent('failed', { message: job.error?.message ?? '' })
    if (!isOpen) this.#end(job, running)
  }

  /** What still runs is told as far as it has come: the next start goes on with it. */
  close (): void {
    for (const running of this.#running.values()) {
      running.phaseSpan?.end(Date.now())
      running.span.setAttribute('delgate.job.state', 'interrupted').end(Date.now())
    }
    this.#running.clear()
  }

  #begin (job: TracedJob, isNew: boolean): Running {
    const { id, kind, target, traceparent } = job
    const asked = this.#propagator.extract(ROOT_CONTEXT, { traceparent }, defaultTextMapGetter) as Context
    const span = this.tracer.startSpan(`job ${kind}`, {
      startTime: beginningOf(job, isNew),
      attributes: {
        'delgate.job.id': id,
        'delgate.job.kind': kind,
        'delgate.target.type': target.type,
        ...(target.repository === undefined ? {} : { 'delgate.target.repository': target.repository })
      }
    }, asked)
    const running: Running = { span, context: trace.setSpan(asked, span), phase: undefined, phaseSpan: undefined }
    this.#running.set(id, running)
    return running
  }

  #enter (running: Running, phase: string | undefined, startTime: number): void {
    running.phaseSpan?.end(startTime)
    running.phase = phase
    running.phaseSpan = phase === undefined ? undefined : this.tracer.startSpan(`phase ${phase}`, { startTime, attributes: { 'delgate.phase': phase } }, running.context)
  }

  #end ({ id, state, attempts, receipt, error }: TracedJob, { span }: Running): void {
    this.#running.delete(id)
    span.setAttributes({ 'delgate.job.state': state, 'delgate.job.attempts': attempts, 'delgate.freed_bytes': receipt.bytesFreed })
    if (state === 'failed') span.setStatus({ code: SpanStatusCode.ERROR, ...(error === undefined ? {} : { message: error.message }) })
    span.end(Date.now())
  }
}

/** One clock for all of a job, so that its phases fit into it. Milliseconds since the epoch. */
const beginningOf = ({ createdAt }: TracedJob, isNew: boolean): number => isNew ? Date.parse(createdAt) : Date.now()

/** What a job that was put off or failed says is the phase in which that happened; it waits. */
const phaseOf = ({ state, phase }: TracedJob): string => state === 'running' ? phase : 'waiting'
