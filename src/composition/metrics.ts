/** What is counted: where it is reported, and where it is read. */
import { setTimeout as delay } from 'node:timers/promises'
import type { AuditLog } from '../audit/log.js'
import type { Outage } from '../collection/outage.js'
import type { Settings } from '../config/schema.js'
import { isOpen } from '../jobs/job.js'
import type { JobRunner } from '../jobs/runner.js'
import type { JobStore } from '../jobs/store.js'
import { Metrics } from '../metrics/metrics.js'
import type { Reading } from '../metrics/readings.js'
import type { Notifier } from '../notifications/notifier.js'
import type { ReferenceIndex } from '../references/index.js'
import type { Upstream } from '../registry/upstream.js'
import { roomOf } from '../storage/room.js'
import type { Trash } from '../trash/trash.js'
import type { TrafficParts } from './traffic.js'

/** A registry that takes longer than this to say whether it can serve cannot. Prometheus waits 10 s. Milliseconds. */
const READY_MS = 5_000

/** @returns `undefined` where nothing is to be counted */
export function createMetrics ({ metrics }: Settings): Metrics | undefined {
  return metrics.enabled ? new Metrics() : undefined
}

/** Counts jobs as they end, and what they free as they free it. */
export function countJobs (store: JobStore, { jobEnded, freed }: Pick<Metrics, 'jobEnded' | 'freed'>): void {
  store.watchAll((job, before) => {
    const bytes = job.receipt.bytesFreed - (before?.receipt.bytesFreed ?? 0)
    if (bytes > 0) freed('job', bytes)
    if (!isOpen(job) && (before === undefined || isOpen(before))) jobEnded(job.kind, job.state)
  })
}

export interface ReadingParts extends Pick<TrafficParts, 'admission' | 'sessions' | 'pulls' | 'leases' | 'tombstones'> {
  readonly version: string
  /** Why requests cannot be served. */
  readonly problem: () => Promise<string | undefined>
  readonly directories: Readonly<Record<string, string>>
  readonly upstream: Upstream
  readonly store: JobStore
  readonly runner: JobRunner
  readonly outage: Outage
  readonly trash: Trash
  readonly index: ReferenceIndex
  readonly audit: AuditLog
  readonly notifier: Notifier
}

/** Asks everybody for what is now. */
export async function read (parts: ReadingParts): Promise<Reading> {
  const { version, admission, sessions, pulls, leases, tombstones, upstream, store, runner, outage, trash, index, audit, notifier } = parts
  const [ready, disks] = await Promise.all([isReady(parts.problem), disksOf(parts.directories)])
  return {
    version,
    ready,
    forwarded: { read: admission.inFlight('read'), download: admission.inFlight('download'), write: admission.inFlight('write') },
    resumed: upstream.resumed,
    holds: { ...admission.holds, waiting: admission.waiting },
    claims: { waiting: leases.waiting },
    leases: { push: sessions.allLeased().length, pull: pulls.allLeased().length },
    pushes: sessions.open,
    pulls: pulls.open,
    buried: tombstones.size,
    jobs: store.counts(),
    collecting: runner.isRunning,
    trash: trash.stats,
    disks,
    index: index.stats(),
    crashes: outage.ends,
    audit: { writable: audit.problem === undefined, lost: audit.lost },
    endpoints: notifier.endpoints
  }
}

async function isReady (problem: () => Promise<string | undefined>): Promise<boolean> {
  const late = new AbortController()
  const tooLate = delay(READY_MS, 'late', { signal: late.signal }).catch(() => 'late')
  const reason = await Promise.race([problem().catch(() => 'unknown'), tooLate])
  late.abort()
  return reason === undefined
}

async function disksOf (directories: Readonly<Record<string, string>>): Promise<Reading['disks']> {
  const asked = await Promise.all(Object.entries(directories).map(async ([name, directory]) => [name, await roomOf(directory)] as const))
  return Object.fromEntries(asked.flatMap(([name, room]) => room === undefined ? [] : [[name, room]]))
}
