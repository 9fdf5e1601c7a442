/**
 * What Delgate counts, as Prometheus reads it. Rooms report what happens through one function each, and are asked for
 * what is at the moment when somebody scrapes. No label ever holds the name of a repository.
 */
import { Counter, Histogram, Registry } from 'prom-client'
import { processRegistry } from './process.js'
import { Readings, type Reading } from './readings.js'

/** Upper bounds of what takes a moment, and of what takes minutes. Seconds. */
const REQUEST_SECONDS = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30, 300]
const WAIT_SECONDS = [0.001, 0.01, 0.1, 1, 10, 60, 300]
const PHASE_SECONDS = [0.01, 0.1, 1, 10, 60, 300, 1800, 3600]

export class Metrics {
  readonly #registry = new Registry()
  readonly #readings = new Readings(this.#registry)
  readonly #requests = this.#counter('delgate_http_requests_total', 'Requests that have ended, by kind of route and class of the status', ['route', 'code'])
  readonly #durations = this.#histogram('delgate_http_request_duration_seconds', 'From a request\'s arrival to the end of its answer', REQUEST_SECONDS, ['route'])
  readonly #held = this.#histogram('delgate_held_request_duration_seconds', 'How long requests were held while the registry was collected, restarted or away', WAIT_SECONDS)
  readonly #claims = this.#histogram('delgate_claim_wait_duration_seconds', 'How long requests of pushes waited for a deletion or a sweep', WAIT_SECONDS)
  readonly #jobs = this.#counter('delgate_jobs_ended_total', 'Jobs that have ended, by kind and state', ['kind', 'state'])
  readonly #freed = this.#counter('delgate_freed_bytes_total', 'Sizes of all files that were removed for good, by what removed them', ['source'])
  readonly #collections = this.#counter('delgate_collections_total', 'Collections that have ended, by outcome', ['outcome'])
  readonly #phases = this.#histogram('delgate_collection_phase_duration_seconds', 'How long each phase of a collection took', PHASE_SECONDS, ['phase'])
  readonly #evictions = this.#counter('delgate_evictions_total', 'How often the registry was told to forget a layer or a manifest in a repository, by outcome', ['outcome'])
  readonly #restarts = this.#counter('delgate_registry_restarts_total', 'Restarts of the registry by Delgate, by outcome', ['outcome'])

  constructor () {
    // What has not happened yet is 0, not missing: else the first time would not be seen as an increase.
    for (const kind of ['delete', 'collection', 'undo']) for (const state of ['done', 'failed', 'cancelled']) this.#jobs.inc({ kind, state }, 0)
    for (const source of ['job', 'trash']) this.#freed.inc({ source }, 0)
    for (const outcome of ['collected', 'postponed', 'failed']) this.#collections.inc({ outcome }, 0)
    for (const phase of ['scan', 'drain', 'collect', 'restart']) this.#phases.zero({ phase })
    for (const outcome of ['forgotten', 'refused', 'failed']) this.#evictions.inc({ outcome }, 0)
    for (const outcome of ['done', 'failed']) this.#restarts.inc({ outcome }, 0)
  }

  /** @param status what the client was answered with; 0 when it had gone before there was an answer */
  readonly requestEnded = (route: string, status: number, seconds: number): void => {
    this.#requests.inc({ route, code: status === 0 ? 'aborted' : `${Math.floor(status / 100)}xx` })
    this.#durations.observe({ route }, seconds)
  }

  readonly requestHeld = (seconds: number): void => { this.#held.observe(seconds) }
  readonly claimWaited = (seconds: number): void => { this.#claims.observe(seconds) }
  readonly jobEnded = (kind: string, state: string): void => { this.#jobs.inc({ kind, state }) }
  readonly freed = (source: 'job' | 'trash', bytes: number): void => { this.#freed.inc({ source }, bytes) }
  readonly collectionEnded = (outcome: string): void => { this.#collections.inc({ outcome }) }
  readonly phaseEnded = (phase: string, seconds: number): void => { this.#phases.observe({ phase }, seconds) }
  readonly evicted = (outcome: 'forgotten' | 'refused' | 'failed'): void => { this.#evictions.inc({ outcome }) }
  readonly restarted = (outcome: 'done' | 'failed'): void => { this.#restarts.inc({ outcome }) }

  /**
   * Everything, in Prometheus' text format.
   * @param reading what is at the moment
   */
  async text (reading: Reading): Promise<string> {
    this.#readings.set(reading)
    return await Registry.merge([this.#registry, processRegistry()]).metrics()
  }

  /** Of the text. */
  get contentType (): string { return this.#registry.contentType }

  #counter<Label extends string = never> (name: string, help: string, labelNames: Label[]): Counter<Label> {
    return new Counter({ name, help, labelNames, registers: [this.#registry] })
  }

  #histogram<Label extends string = never> (name: string, help: string, buckets: number[], labelNames: Label[] = []): Histogram<Label> {
    return new Histogram({ name, help, buckets, labelNames, registers: [this.#registry] })
  }
}
