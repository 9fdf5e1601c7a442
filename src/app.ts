/**
 * The composition root: every part is made here and handed what it needs. Read top to bottom it is the way of a
 * request: classified, admitted or held, forwarded or carried out, journalled, collected, answered.
 */
import { readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { join, resolve } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { pino, type Logger } from 'pino'
import { parse } from 'yaml'
import type { Collection } from './collection/request.js'
import { keptBy } from './collection/kept.js'
import type { Choice } from './collection/choice.js'
import { GuardedCollection } from './collection/guarded.js'
import { Outage } from './collection/outage.js'
import type { Pause } from './collection/pause.js'
import { ObservedCollection } from './collection/observed.js'
import { lowerShield } from './collection/shield.js'
import { asksForEach, createAccess, warnIfOpen } from './composition/access.js'
import { createCatalog } from './composition/catalog.js'
import { createCollection } from './composition/collection.js'
import { IndexKeeper } from './composition/index-keeper.js'
import { createJournal } from './composition/journal.js'
import { countJobs, createMetrics, read } from './composition/metrics.js'
import { PullTimesKeeper } from './composition/pull-times.js'
import { createAudit, createNotifier, recordEnds } from './composition/records.js'
import { createSchedules } from './composition/schedules.js'
import { createStorage, listsOf } from './composition/storage.js'
import { createRenewals, readTls, type Tls } from './composition/tls.js'
import { createTracing, traceJobs } from './composition/tracing.js'
import { createTrash } from './composition/trash.js'
import { createTraffic } from './composition/traffic.js'
import { Claims } from './claims/claims.js'
import { Manifests } from './claims/manifests.js'
import { Restorer } from './claims/restore.js'
import { readRegistryConfig, type RegistryFacts } from './config/registry-config.js'
import type { Settings } from './config/schema.js'
import { rehearseDeletion } from './deletion/rehearsal.js'
import { installApi } from './http/api.js'
import { installCors } from './http/cors.js'
import { Decisions } from './http/decisions.js'
import { Gate } from './http/gate.js'
import { installHealth } from './http/health.js'
import { installMetrics } from './http/metrics.js'
import { observeRequests } from './http/observe.js'
import { ManifestRoom } from './http/manifest-room.js'
import { Overwrites } from './http/overwrite.js'
import { renewCertificate } from './http/listener.js'
import { installPage } from './http/page.js'
import { installProxy } from './http/proxy.js'
import { createServer } from './http/server.js'
import { traceRequests } from './http/trace.js'
import { CallerCredentials } from './jobs/credentials.js'
import { Deleter } from './jobs/deleter.js'
import { JobRunner } from './jobs/runner.js'
import { Retainer } from './jobs/retainer.js'
import type { Schedule } from './jobs/schedule.js'
import { Undoer } from './jobs/undoer.js'
import { Protection } from './protection/protection.js'
import type { PemRenewal } from './pem/renewal.js'
import { RegistryClient, isRegistry } from './registry/client.js'
import type { Memory } from './registry/memory.js'
import { SetupError, type RegistryController } from './registry/port.js'
import { createController } from './registry/select.js'
import { Upstream } from './registry/upstream.js'
import { Retention } from './retention/retention.js'
import { Anchor } from './storage/anchor.js'
import { locateTree } from './storage/locate.js'
import { Undo } from './trash/undo.js'

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }

let document: object | undefined
/** The description of the interface, beside the code in the package. Read when somebody asks for it. */
const readDocument = (): object => (document ??= parse(readFileSync(new URL('../docs/openapi.yaml', import.meta.url), 'utf8')) as object)

export interface App {
  /** Begins to serve; resolves to the base URL. */
  listen (): Promise<string>
  /** Ends running requests and the running collection, and stops what was started. Safe to call twice. */
  close (): Promise<void>
  /** What was found out about the registry. */
  readonly facts: RegistryFacts
  /** Who sweeps, and how the registry forgets. */
  readonly choice: Choice
  /** What `GET /delgate/v1/status` shows. */
  status (): object
}

export interface AppOptions {
  readonly logger?: Logger
  /** How often the certificate files are looked at, milliseconds. Default: every few seconds. */
  readonly renewalIntervalMs?: number
}

/**
 * Starts the registry where that is Delgate's task, checks the set-up, and takes up unfinished jobs.
 * @throws SetupError that says what is wrong and what to do
 */
export async function createApp (settings: Settings, options: AppOptions = {}): Promise<App> {
  const log = options.logger ?? pino({ level: settings.log.level, redact: ['req.headers.authorization'] })
  await mkdir(settings.state.directory, { recursive: true }).catch(error => { throw new SetupError(`the state directory ${settings.state.directory} cannot be made: ${(error as Error).message}`) })
  const tls = await readTls(settings)
  const controller = await createController(settings, process.env, log)
  const source = await controller.start()
  try {
    const facts = readRegistryConfig(source.configText, source.environment, source.configFrom)
    log.info({ from: source.configFrom ?? 'assumed defaults', ...facts, redisUrl: undefined }, 'registry configuration')
    refuse(facts)
    const storage = storageOf(settings, facts)
    if (controller.kind === 'process') await mkdir(storage, { recursive: true })
    const root = await locateTree(storage)
    return await compose({ settings, tls, renewalIntervalMs: options.renewalIntervalMs, controller, facts, root, log })
  } catch (error) {
    await controller.stop()
    throw error
  }
}

/** Where Delgate sees the registry's files. A registry that is Delgate's own child sees the same paths. */
function storageOf ({ registry, storage }: Settings, { rootDirectory }: RegistryFacts): string {
  if (storage.root === undefined) return rootDirectory
  if (registry.controller === 'process' && resolve(storage.root) !== resolve(rootDirectory)) {
    throw new SetupError(`storage.root is ${storage.root}, but the registry stores in ${rootDirectory}, by its own configuration. Leave storage.root out, or make the two the same`)
  }
  return storage.root
}

/** Registries that Delgate cannot serve. */
function refuse (facts: RegistryFacts): void {
  if (facts.storageDriver !== 'filesystem') throw new SetupError(`the registry stores on ${facts.storageDriver}; Delgate can only delete on a file system`)
}

interface Found {
  readonly settings: Settings
  readonly tls: Tls
  readonly renewalIntervalMs: number | undefined
  readonly controller: RegistryController
  readonly facts: RegistryFacts
  readonly root: string
  readonly log: Logger
}

async function compose ({ settings, tls, renewalIntervalMs, controller, facts, root, log }: Found): Promise<App> {
  const indexFile = join(settings.state.directory, 'references')
  const metrics = createMetrics(settings)
  const tracing = await createTracing(process.env, version, log)
  const pullTimes = await PullTimesKeeper.open(settings, log)
  const { times } = pullTimes
  const storage = createStorage(root, indexFile, plan => { times.removed(plan) })
  const traffic = createTraffic(settings, metrics)
  const { reader, states, writer, presence, index } = storage
  const { admission, sessions, pulls, leases, tombstones, locks } = traffic
  const base = (): string => controller.url() + facts.prefix
  const origin = (): string => new URL(base()).origin
  const upstream = new Upstream({ ...settings.upstream, resumeSeconds: settings.hold.timeoutSeconds, tls: tls.registry }, origin)
  const registry = new RegistryClient(base, upstream, () => facts.assumed ? undefined : facts)

  const access = await createAccess(settings, facts, registry, log)
  const protection = new Protection(settings.protection.rules)

  const store = await createJournal(settings, log)
  const audit = await createAudit(settings, log)
  const notifier = await createNotifier(settings, log)
  const ends = recordEnds(store, audit, notifier, log)
  if (metrics !== undefined) countJobs(store, metrics)
  if (tracing !== undefined) traceJobs(store, tracing)
  const decisions = new Decisions(audit)
  const { trash, keepUntil } = await createTrash(settings, storage.kept, store, log, metrics)
  const anchor = await Anchor.open(root, join(settings.state.directory, 'storage'), () => { log.warn({ root }, 'the registry\'s tree is another than when Delgate ran last') })
  const { choice, memory, freshness, pause, collection: unguarded, planOptions, onFresh } = await createCollection({ settings, facts, controller, registry, upstream, storage, traffic, protection, trash, abandoned: () => store.abandoned(), metrics, log })
  const guarded = new GuardedCollection(unguarded, anchor, writer)
  const collection = metrics === undefined ? guarded : new ObservedCollection(guarded, metrics)
  const outage = new Outage({ admission, ready: async signal => { await registry.ready(signal) }, log })
  const credentials = new CallerCredentials()
  const isImmediate = choice.collector === 'online' && choice.freshness !== 'restart'
  const runner = new JobRunner(store, collection, { ...settings.collection, ...(isImmediate ? { quietSeconds: 0 } : {}), leftoversSeconds: settings.drain.sessionIdleSeconds }, log, credentials)
  const rehearse = async (plans: Parameters<typeof rehearseDeletion>[0]) => await rehearseDeletion(plans, { reader, writer, keptBy: async (of, references, view) => await keptBy(reader, of, references.users, { view }) })
  const deleter = new Deleter({ reader, states, writer, ...traffic, store, runner, planOptions, anchor, protection, trash, keepUntil, tells: settings.notifications.endpoints.length > 0, rehearse, credentials, log })
  const retention = new Retention(settings.retention.rules, { protection, pulls: times })
  const retainer = new Retainer({ retention, deleter, states, ...traffic, planOptions })
  const undoer = new Undoer({ undo: new Undo({ ...storage, ...traffic, trash, restored: (repository, tags) => { times.restored(repository, tags) } }), trash, store, anchor, log })

  const closing = new AbortController()
  const catalog = await createCatalog({ settings, storage, store, trash, leases, planOptions, lastPull: (repository, of) => of === undefined ? times.lastPullIn(repository) : times.lastPull(repository, of), closing: closing.signal, log })

  const claims = new Claims({ sessions, leases, locks })
  const restorer = new Restorer({ ...traffic, reader, writer, presence, linked: (...manifest) => { index.linked(...manifest) } })
  const mayPush = async (...asked: Parameters<RegistryClient['mayPush']>): Promise<boolean> => await registry.mayPush(...asked)
  const manifests = new Manifests({ ...traffic, claims, presence, writer, restorer, memory, mayPush, linked: (...manifest) => { index.linked(...manifest) }, log })
  const gate = new Gate({
    ...traffic,
    claims,
    manifests,
    overwrites: new Overwrites({ protection, access, decisions, mayPush, current: async (repository, tag) => (await reader.tag(repository, tag)).value?.current }),
    presence,
    stored: async digest => await reader.manifestContent(digest),
    pulled: (repository, reference, digest) => { times.pulled(repository, reference, digest) },
    lists: (manifest, later) => listsOf(reader, manifest, later),
    layerLinked: (repository, digest) => { states.layerLinked(repository, digest) },
    pushed: (repository, reference, digest) => {
      states.pushed(repository, reference, digest)
      catalog.pushed(repository)
      anchor.pushed().catch((err: unknown) => { log.warn({ err }, 'it could not be noted which tree the registry has') })
    },
    manifestSeconds: settings.limits.manifestSeconds,
    manifestRoom: new ManifestRoom()
  })

  const schedules = createSchedules(settings, { collect: async () => await deleter.collect({ type: 'garbage' }), retain: async () => await retainer.run(await retainer.repositories()) }, admission, log)
  const status = (): object => ({
    version,
    registry: { controller: controller.kind, ...publicFacts(facts) },
    ...choice,
    index: index.stats(),
    claims: { longestWaitMs: leases.longestWaitMs, buried: tombstones.size },
    hold: { now: admission.hold, waiting: admission.waiting, longestMs: admission.longestHoldMs, problem: pause.problem ?? outage.problem },
    traffic: { reads: admission.inFlight('read'), downloads: admission.inFlight('download'), writes: admission.inFlight('write'), pushes: sessions.open, pulls: pulls.open },
    jobs: store.counts(),
    trash: trash.stats,
    audit: { problem: audit.problem, lost: audit.lost },
    notifications: notifier.endpoints,
    collections: { running: runner.isRunning, sinceStart: runner.collections, nextScheduledAt: schedules.collection?.next }
  })
  const server = createServer({ ...settings.limits, trustProxy: settings.trustProxy as boolean | string[], certificate: tls.listen }, log)
  const renewals = createRenewals(settings, tls, { listen: pems => { renewCertificate(server.server, pems) }, registry: pems => { upstream.secure(pems) } }, { log, intervalMs: renewalIntervalMs })
  const deletes = { deleter, store, access, decisions, admission, dropPulls: gate.deletes.bind(gate), closing: closing.signal }
  const problem = async (): Promise<string | undefined> => pause.problem ?? outage.problem ?? await registry.check({}).then(answer => isRegistry(answer) ? undefined : 'the registry answers with an error', () => 'the registry cannot be reached')
  if (metrics !== undefined) observeRequests(server, metrics.requestEnded)
  if (tracing !== undefined) traceRequests(server, tracing.requests, tls.listen !== undefined)
  installCors(server, settings.cors.origins)
  installHealth(server, problem)
  if (metrics !== undefined) {
    const reading = { ...traffic, version, problem, directories: { storage: root, state: settings.state.directory }, upstream, store, runner, outage, trash, index, audit, notifier }
    installMetrics(server, { text: async () => await metrics.text(await read(reading)), contentType: metrics.contentType, access: settings.metrics.access === 'interface' ? access : undefined })
  }
  installApi(server, { deletes, access, catalog, audit, trash, undoer, retention: { retainer, rules: retention.rules, schedule: settings.retention.schedule, next: () => schedules.retention?.next, pullsKnownSince: () => retention.pullsKnownSince }, status, document: readDocument, asksForEach: asksForEach(settings, facts), cancel: async id => await runner.cancel(id), origins: settings.cors.origins })
  if (settings.page.enabled) installPage(server)
  installProxy(server, { gate, deletes, upstream, origin, location: { prefix: facts.prefix, registryHosts: registryHosts(facts, base) }, encrypted: tls.listen !== undefined })

  let reason = ''
  await registry.ready(AbortSignal.timeout(settings.registry.readyTimeoutSeconds * 1000), ({ message }) => { reason = message && ` (${message})` }).catch(() => { throw new SetupError(`the registry does not answer at ${base()}/v2/ within ${settings.registry.readyTimeoutSeconds} s${reason}. Is registry.url right, and is the registry running?`) })
  await warnIfOpen(access, settings.listen.host, log)
  await lowerShield(writer)
  await storage.aside.clear()
  if (controller.kind === 'process') await onFresh() // It has just been started.
  const open = await deleter.recover()
  await undoer.recover()
  if (freshness.isStale && controller.kind === 'none') log.warn({}, 'an earlier run ended in the middle of a collection, and the registry may still remember what went; clients of the gate are not deceived. Restart the registry when it suits you')
  else if (freshness.isStale) {
    log.info({}, 'an earlier run ended between a sweep and the restart after it; restarting the registry now')
    await pause.restart().catch(async () => {
      await pause.close()
      throw new SetupError(`the registry at ${base()} does not answer after a restart: see the log. Start it, then start Delgate again`)
    })
  }
  if (open > 0) log.info({ jobs: open }, 'taking up jobs of an earlier run')
  controller.onEnd?.(() => { outage.begin() })
  return { facts, status, choice, ...lifecycle({ server, settings, closing, schedules: Object.values(schedules), runner, collection, pause, outage, admission, upstream, memory, records: [decisions, ends, audit, notifier, ...(tracing === undefined ? [] : [tracing])], trash, keepers: [catalog.usage, new IndexKeeper(index, indexFile, log), pullTimes], renewals, controller }) }
}

interface Lifecycle {
  readonly server: FastifyInstance
  readonly settings: Settings
  readonly closing: AbortController
  readonly schedules: ReadonlyArray<Schedule | undefined>
  readonly runner: JobRunner
  readonly collection: Collection
  readonly pause: Pause
  readonly outage: Outage
  readonly admission: { close (): void }
  readonly upstream: Upstream
  readonly memory: Memory
  readonly records: ReadonlyArray<{ close (): Promise<void> }>
  readonly trash: { close (): void }
  /** What is saved now and then. */
  readonly keepers: ReadonlyArray<{ start (closing: AbortSignal): void, stop (): Promise<void> }>
  readonly renewals: readonly PemRenewal[]
  readonly controller: RegistryController
}

function lifecycle ({ server, settings, closing, schedules, runner, collection, pause, outage, admission, upstream, memory, records, trash, keepers, renewals, controller }: Lifecycle): Pick<App, 'listen' | 'close'> {
  let closed: Promise<void> | undefined
  const close = async (): Promise<void> => {
    closing.abort()
    for (const renewal of renewals) renewal.stop()
    const scheduled = schedules.map(async schedule => { await schedule?.stop() })
    pause.hurry()
    collection.hurry()
    admission.close()
    upstream.hurry()
    const served = server.close()
    await runner.close()
    await pause.close()
    await outage.close()
    await served
    await Promise.all(scheduled)
    trash.close()
    for (const keeper of keepers) await keeper.stop()
    await memory.close()
    await upstream.close()
    for (const record of records) await record.close()
    await controller.stop()
  }
  return {
    async listen () {
      const { host, port: wanted, tls } = settings.listen
      const scheme = tls.certificate === undefined ? 'http' : 'https'
      await server.listen({ host, port: wanted, listenTextResolver: address => `Server listening at ${address.replace(/^http/, scheme)}` })
      for (const renewal of renewals) renewal.start()
      runner.resume()
      for (const schedule of schedules) schedule?.start()
      for (const keeper of keepers) keeper.start(closing.signal)
      const { port, address, family } = server.server.address() as AddressInfo
      return `${scheme}://${family === 'IPv6' ? `[${address}]` : address}:${port}`
    },
    async close () {
      await (closed ??= close())
    }
  }
}

/** Hosts that the registry may put into a `Location` and that mean itself. */
function registryHosts (facts: RegistryFacts, base: () => string): ReadonlySet<string> {
  const hosts = new Set([new URL(base()).host])
  if (facts.host !== undefined && facts.host !== '' && URL.canParse(facts.host)) hosts.add(new URL(facts.host).host)
  return hosts
}

/** Facts without the paths of the machine. */
function publicFacts (facts: RegistryFacts): object {
  const { rootDirectory: _, address: __, host: ___, redisUrl: ____, ...shown } = facts
  return shown
}
