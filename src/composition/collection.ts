/** Who sweeps, and how the registry forgets: the parts of a collection, put together as the settings and the registry ask for. */
import { join } from 'node:path'
import { choose, type Choice } from '../collection/choice.js'
import { CoordinatedCollection } from '../collection/coordinated.js'
import { Evictor } from '../collection/evictor.js'
import { Freshness } from '../collection/freshness.js'
import type { Turn } from '../collection/leftovers.js'
import { OnlineCollection } from '../collection/online.js'
import { Pause } from '../collection/pause.js'
import { Pruner } from '../collection/pruner.js'
import type { Collection } from '../collection/request.js'
import type { RegistryFacts } from '../config/registry-config.js'
import type { Settings } from '../config/schema.js'
import type { PlanOptionsFor } from '../deletion/plan.js'
import type { Metrics } from '../metrics/metrics.js'
import type { Digest } from '../oci/digest.js'
import type { RepositoryName } from '../oci/name.js'
import type { Protection } from '../protection/protection.js'
import type { RegistryClient } from '../registry/client.js'
import { ProcessMemory, type Memory } from '../registry/memory.js'
import { SetupError, type RegistryController } from '../registry/port.js'
import type { Upstream } from '../registry/upstream.js'
import type { Trash } from '../trash/trash.js'
import type { StorageParts } from './storage.js'
import type { TrafficParts } from './traffic.js'

/** A layer link that nothing uses goes with a deletion in its repository once it is this old, seconds. */
const STALE_LINK_SECONDS = 3600

export interface Log {
  info (details: object, message: string): void
  warn (details: object, message: string): void
}

export interface CollectionNeeds {
  readonly settings: Settings
  readonly facts: RegistryFacts
  readonly controller: RegistryController
  readonly registry: RegistryClient
  readonly upstream: Upstream
  readonly storage: StorageParts
  readonly traffic: TrafficParts
  readonly protection: Protection
  readonly trash: Trash
  /** Blobs that ended jobs named and that may still be there. */
  readonly abandoned: () => readonly Digest[]
  /** Told of restarts and evictions. */
  readonly metrics?: Pick<Metrics, 'restarted' | 'evicted'> | undefined
  readonly log: Log
}

export interface CollectionParts {
  readonly choice: Choice
  readonly memory: Memory
  readonly freshness: Freshness
  readonly pause: Pause
  readonly collection: Collection
  readonly planOptions: PlanOptionsFor
  /** The registry was started anew: its cache is empty. */
  readonly onFresh: () => Promise<void>
}

/** @throws SetupError when the settings and the registry do not go together */
export async function createCollection (needs: CollectionNeeds): Promise<CollectionParts> {
  const { settings, facts, controller, storage, traffic, protection, trash, log } = needs
  const mayRestart = controller.kind !== 'none'
  const choice = choose(settings.collection, facts, mayRestart)
  const memory = await createMemory(needs)
  const freshness = new Freshness(join(settings.state.directory, 'stale'), err => { log.warn({ err }, 'the mark of a stale cache could not be removed') })
  const { pause, onFresh } = createPause(needs, freshness)
  const planOptions = planOptionsFor(settings, traffic)
  const shared = { ...storage, ...traffic, controller, pause, freshness, planOptions, protection, trash, uploadMaximumAgeMs: settings.collection.uploadMaximumAgeHours * 3_600_000 }
  const collection = choice.collector === 'registry'
    ? new CoordinatedCollection({ ...shared, needsRestart: choice.freshness !== 'none', timeoutSeconds: settings.collection.timeoutSeconds })
    : new OnlineCollection({
      ...shared,
      memory,
      mayRestart,
      evictor: choice.freshness === 'restart' ? undefined : new Evictor({ ...storage, ...traffic, memory, onEvicted: outcome => { needs.metrics?.evicted(outcome) } }),
      pruner: new Pruner(storage.writer, traffic.sessions),
      turn: async repository => await takeTurn(repository, traffic),
      abandoned: needs.abandoned,
      youngMs: settings.drain.sessionIdleSeconds * 1000,
      log
    })
  return { choice, memory, freshness, pause, collection, planOptions, onFresh }
}

/** Whether nobody writes is asked with the turn taken: what is quiet then stays so, since pushes wait for the turn to end. */
async function takeTurn (repository: RepositoryName, { locks, sessions }: TrafficParts): Promise<Turn> {
  const end = await locks.exclusive(repository)
  return { quiet: sessions.inFlight(repository) === 0, end }
}

function createPause ({ settings, facts, controller, registry, upstream, traffic, metrics, log }: CollectionNeeds, freshness: Freshness): { pause: Pause, onFresh: () => Promise<void> } {
  const { admission, sessions, tombstones, ghosts } = traffic
  // What is buried while the new registry comes up may already be in its cache.
  let before = tombstones.generation
  const onFresh = async (): Promise<void> => {
    tombstones.clear(before)
    ghosts.clear()
    upstream.renew()
    if (tombstones.size === 0) await freshness.renew()
  }
  const pause = new Pause({
    admission,
    sessions,
    controller,
    ready: async signal => { await registry.ready(signal) },
    onRestarting: () => { before = tombstones.generation },
    onRestarted: outcome => { metrics?.restarted(outcome) },
    onFresh,
    log
  }, {
    patienceSeconds: settings.collection.maximumDelaySeconds,
    drainSeconds: settings.drain.timeoutSeconds,
    transferSeconds: settings.drain.transferTimeoutSeconds,
    readySeconds: settings.registry.readyTimeoutSeconds,
    uploadsSurvive: facts.secretFixed
  })
  return { pause, onFresh }
}

async function createMemory ({ settings, facts, registry, log }: CollectionNeeds): Promise<Memory> {
  if (facts.cache !== 'redis') return new ProcessMemory(registry, ownCredentials(settings))
  const url = settings.registry.redis.url ?? facts.redisUrl
  if (url === undefined) throw new SetupError('the registry caches in Redis, but its configuration does not name one server. Set registry.redis.url to where Delgate reaches the one that is written to')
  const { RedisMemory } = await import('../registry/redis-memory.js')
  return await RedisMemory.connect(url, registry, err => { log.warn({ err }, 'the connection to the Redis that the registry caches in is broken; it is made anew when it is needed') })
}

function ownCredentials ({ registry: { username, password } }: Settings): { authorization: string } | undefined {
  if (username === undefined) return undefined
  return { authorization: `Basic ${Buffer.from(`${username}:${password ?? ''}`).toString('base64')}` }
}

function planOptionsFor ({ drain, referrers }: Settings, { sessions, leases }: TrafficParts): PlanOptionsFor {
  return (repository, target) => {
    const age = target === 'garbage' || target === 'untagged' ? drain.sessionIdleSeconds : STALE_LINK_SECONDS
    const idleSince = Date.now() - drain.sessionIdleSeconds * 1000
    return {
      referrers,
      leased: digest => leases.isLinkLeased(repository, digest),
      pushed: digest => sessions.leased(repository, digest),
      uploading: upload => upload.cancelled !== true && (sessions.isUploading(repository, upload.id) || upload.modifiedAt > idleSince),
      idleBefore: idleSince,
      staleBefore: Date.now() - age * 1000
    }
  }
}
