/** What is read when somebody scrapes: the port to the rooms that know it, and how Prometheus sees it. */
import { Counter, Gauge, type Registry } from 'prom-client'

/** What is at one moment. What counts up counts since the start. */
export interface Reading {
  readonly version: string
  /** Whether requests can be served. */
  readonly ready: boolean
  /** Requests in the registry's hands, by what they do. */
  readonly forwarded: Readonly<Record<'read' | 'download' | 'write', number>>
  /** Downloads that went on after the registry had gone away. */
  readonly resumed: number
  readonly holds: {
    readonly count: number
    /** How long something was held in all, the hold of now included. */
    readonly seconds: number
    /** How long the hold of now has lasted; 0 when there is none. */
    readonly lastsSeconds: number
    /** Requests that are held. */
    readonly waiting: number
  }
  readonly claims: { readonly waiting: number }
  /** Digests that are leased. */
  readonly leases: Readonly<Record<'push' | 'pull', number>>
  readonly pushes: number
  readonly pulls: number
  /** What the registry may remember although it is gone. */
  readonly buried: number
  readonly jobs: Readonly<Record<string, number>>
  readonly collecting: boolean
  readonly trash: { readonly jobs: number, readonly bytes: number }
  /** The file systems of directories; those that cannot be asked are missing. */
  readonly disks: Readonly<Record<string, { readonly bytes: number, readonly availableBytes: number }>>
  readonly index: { readonly complete: boolean, readonly repositories: number, readonly manifests: number, readonly digests: number, readonly bytes: number }
  /** How often the registry ended by itself. */
  readonly crashes: number
  readonly audit: { readonly writable: boolean, readonly lost: number }
  readonly endpoints: ReadonlyArray<{ readonly name: string, readonly waiting: number, readonly delivered: number, readonly dropped: number, readonly lost: number }>
}

interface Sample { readonly labels: Readonly<Record<string, string>>, readonly value: number }

/** Of a metric: its type, its help, its labels, and its samples. */
type Read = readonly ['gauge' | 'counter', help: string, labels: readonly string[], samples: (reading: Reading) => readonly Sample[]]

const one = (value: number | boolean): Sample[] => [{ labels: {}, value: Number(value) }]
const by = (label: string, values: Readonly<Record<string, number>>): Sample[] => Object.entries(values).map(([name, value]) => ({ labels: { [label]: name }, value }))
const perDisk = ({ disks }: Reading, size: 'bytes' | 'availableBytes'): Sample[] => Object.entries(disks).map(([directory, disk]) => ({ labels: { directory }, value: disk[size] }))
const OUTCOMES = ['delivered', 'dropped', 'lost'] as const

const READ: Readonly<Record<string, Read>> = {
  delgate_build_info: ['gauge', 'Always 1; the label says which version this is', ['version'], ({ version }) => by('version', { [version]: 1 })],
  delgate_ready: ['gauge', '1 when requests can be served, as GET /readyz says', [], ({ ready }) => one(ready)],
  delgate_forwarded_requests: ['gauge', 'Requests in the registry\'s hands, by what they do', ['traffic'], ({ forwarded }) => by('traffic', forwarded)],
  delgate_resumed_downloads_total: ['counter', 'Downloads that went on after the registry had gone away', [], ({ resumed }) => one(resumed)],
  delgate_holds_total: ['counter', 'How often requests began to be held', [], ({ holds }) => one(holds.count)],
  delgate_hold_seconds_total: ['counter', 'How long requests were held in all, the hold of now included', [], ({ holds }) => one(holds.seconds)],
  delgate_hold_lasts_seconds: ['gauge', 'How long the hold of now has lasted; 0 when there is none', [], ({ holds }) => one(holds.lastsSeconds)],
  delgate_held_requests: ['gauge', 'Requests that are held', [], ({ holds }) => one(holds.waiting)],
  delgate_claims_waiting: ['gauge', 'Requests of pushes that wait for a deletion or a sweep', [], ({ claims }) => one(claims.waiting)],
  delgate_leases: ['gauge', 'Digests that nothing removes, because a push or a pull relies on them', ['holder'], ({ leases }) => by('holder', leases)],
  delgate_pushes: ['gauge', 'Pushes that are running', [], ({ pushes }) => one(pushes)],
  delgate_pulls: ['gauge', 'Pulls that are running', [], ({ pulls }) => one(pulls)],
  delgate_buried: ['gauge', 'What the registry may remember although it is gone', [], ({ buried }) => one(buried)],
  delgate_jobs: ['gauge', 'Jobs that are remembered, by state', ['state'], ({ jobs }) => by('state', jobs)],
  delgate_collection_running: ['gauge', '1 while a collection runs', [], ({ collecting }) => one(collecting)],
  delgate_trash_jobs: ['gauge', 'Jobs that can be undone', [], ({ trash }) => one(trash.jobs)],
  delgate_trash_bytes: ['gauge', 'What is kept so that they can', [], ({ trash }) => one(trash.bytes)],
  delgate_disk_size_bytes: ['gauge', 'Size of the file system that holds a directory', ['directory'], reading => perDisk(reading, 'bytes')],
  delgate_disk_available_bytes: ['gauge', 'What is free there for Delgate', ['directory'], reading => perDisk(reading, 'availableBytes')],
  delgate_index_complete: ['gauge', '1 when everything that is linked is in the reference index; nothing is swept before', [], ({ index }) => one(index.complete)],
  delgate_index_repositories: ['gauge', 'Repositories in the reference index', [], ({ index }) => one(index.repositories)],
  delgate_index_manifests: ['gauge', 'Linked manifests in the reference index, each counted once', [], ({ index }) => one(index.manifests)],
  delgate_index_digests: ['gauge', 'Digests in the reference index', [], ({ index }) => one(index.digests)],
  delgate_index_memory_bytes: ['gauge', 'What the reference index takes in memory', [], ({ index }) => one(index.bytes)],
  delgate_registry_crashes_total: ['counter', 'How often the registry ended by itself, where Delgate runs it', [], ({ crashes }) => one(crashes)],
  delgate_audit_writable: ['gauge', '1 when decisions can be written down', [], ({ audit }) => one(audit.writable)],
  delgate_audit_lost_lines_total: ['counter', 'Decisions that were lost because too many had to wait', [], ({ audit }) => one(audit.lost)],
  delgate_notification_queue_length: ['gauge', 'Envelopes that wait for an endpoint', ['endpoint'], ({ endpoints }) => endpoints.map(({ name, waiting }) => ({ labels: { endpoint: name }, value: waiting }))],
  delgate_notifications_total: ['counter', 'Envelopes for an endpoint, by what became of them', ['endpoint', 'outcome'], ({ endpoints }) => endpoints.flatMap(endpoint => OUTCOMES.map(outcome => ({ labels: { endpoint: endpoint.name, outcome }, value: endpoint[outcome] })))]
}

export class Readings {
  readonly #metrics: ReadonlyArray<{ readonly metric: Counter | Gauge, readonly samples: Read[3] }>

  constructor (registry: Registry) {
    this.#metrics = Object.entries(READ).map(([name, [type, help, labelNames, samples]]) => {
      const options = { name, help, labelNames: [...labelNames], registers: [registry] }
      return { metric: type === 'counter' ? new Counter(options) : new Gauge(options), samples }
    })
  }

  /** Takes what is now for what is served. */
  set (reading: Reading): void {
    for (const { metric, samples } of this.#metrics) {
      metric.reset()
      for (const { labels, value } of samples(reading)) metric.inc(labels, value)
    }
  }
}
