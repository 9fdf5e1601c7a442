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
import type { Collection } from './collection/request.js'
import { keptBy } from './collection/kept.js'
import type { Choice } from './collection/choice.js'
import { GuardedCollection } from './collection/guarded.js'
import type { Pause } from './collection/pause.js'
import { lowerShield } from './collection/shield.js'
import { createAccess, warnIfOpen } from './composition/access.js'
import { createCollection } from './composition/collection.js'
import { IndexKeeper } from './composition/index-keeper.js'
import { createAudit, createNotifier, recordEnds } from './composition/records.js'
import { createStorage, listsOf } from './composition/storage.js'
import { createRenewals, readTls, type Tls } from './composition/tls.js'
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
import { Overwrites } from './http/overwrite.js'
import { renewCertificate } from './http/listener.js'
import { installProxy } from './http/proxy.js'
import { createServer } from './http/server.js'
import { CallerCredentials } from './jobs/credentials.js'
import { Deleter } from './jobs/deleter.js'
import { JobRunner } from './jobs/runner.js'
import { Schedule } from './jobs/schedule.js'
import { JobStore } from './jobs/store.js'
import { Protection } from './protection/protection.js'
import type { PemRenewal } from './pem/renewal.js'
import { RegistryClient } from './registry/client.js'
import type { Memory } from './registry/memory.js'
import { SetupError, type RegistryController } from './registry/port.js'
import { createController } from './registry/select.js'
import { Upstream } from './registry/upstream.js'
import { Anchor } from './storage/anchor.js'
import { locateTree } from './storage/locate.js'

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }

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
  const controller = createController(settings, process.env, log)
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
  const storage = createStorage(root, indexFile)
  const traffic = createTraffic(settings)
  const { reader, states, writer, presence, index } = storage
  const { admission, sessions, pulls, leases, tombstones, locks } = traffic
  const base = (): string => controller.url() + facts.prefix
  const origin = (): string => new URL(base()).origin
  const upstream = new Upstream({ ...settings.upstream, resumeSeconds: settings.hold.timeoutSeconds, tls: tls.registry }, origin)
  const registry = new RegistryClient(base, upstream, () => facts.assumed ? undefined : facts)

  const access = await createAccess(settings, facts, registry, log)
  const protection = new Protection(settings.protection.rules)

  const store = await JobStore.open(join(settings.state.directory, 'jobs'), settings.jobs, (file, err) => { log.warn({ file, err }, 'a file in the journal is no job; it was left where it is') })
  const audit = await createAudit(settings, log)
  const notifier = await createNotifier(settings, log)
  recordEnds(store, audit, notifier)
  const decisions = new Decisions(audit)
  const anchor = await Anchor.open(root, join(settings.state.directory, 'storage'), () => { log.warn({ root }, 'the registry\'s tree is another than when Delgate ran last') })
  const { choice, memory, freshness, pause, collection: unguarded, planOptions, onFresh } = await createCollection({ settings, facts, controller, registry, upstream, storage, traffic, protection, abandoned: () => store.abandoned(), log })
  const collection = new GuardedCollection(unguarded, anchor)
  const credentials = new CallerCredentials()
  const isImmediate = choice.collector === 'online' && choice.freshness !== 'restart'
  const runner = new JobRunner(store, collection, { ...settings.collection, ...(isImmediate ? { quietSeconds: 0 } : {}), leftoversSeconds: settings.drain.sessionIdleSeconds }, log, credentials)
  const rehearse = async (plans: Parameters<typeof rehearseDeletion>[0]) => await rehearseDeletion(plans, { reader, writer, keptBy: async (of, references, view) => await keptBy(reader, of, references.users, { view }) })
  const deleter = new Deleter({ reader, states, writer, ...traffic, store, runner, planOptions, anchor, protection, rehearse, credentials, log })

  const claims = new Claims({ sessions, leases, locks })
  const restorer = new Restorer({ reader, writer, tombstones })
  const manifests = new Manifests({ ...traffic, claims, presence, writer, restorer, memory, mayPush: async (repository, caller) => await registry.mayPush(repository, caller), linked: (...manifest) => { index.linked(...manifest) }, log })
  const gate = new Gate({
    ...traffic,
    claims,
    manifests,
    overwrites: new Overwrites({ protection, access, decisions, current: async (repository, tag) => (await reader.tag(repository, tag)).value?.current }),
    presence,
    stored: async digest => await reader.manifestContent(digest),
    lists: (manifest, later) => listsOf(reader, manifest, later),
    layerLinked: (repository, digest) => { states.layerLinked(repository, digest) },
    pushed: (repository, reference, digest) => {
      states.pushed(repository, reference, digest)
      anchor.pushed().catch((err: unknown) => { log.warn({ err }, 'it could not be noted which tree the registry has') })
    },
    manifestSeconds: settings.limits.manifestSeconds
  })

  const schedule = settings.collection.schedule === undefined ? undefined : new Schedule(settings.collection.schedule, { collect: async () => await deleter.collect({ type: 'garbage' }), log })
  const status = (): object => ({
    version,
    registry: { controller: controller.kind, ...publicFacts(facts) },
    ...choice,
    index: index.stats(),
    claims: { longestWaitMs: leases.longestWaitMs, buried: tombstones.size },
    hold: { now: admission.hold, waiting: admission.waiting, longestMs: admission.longestHoldMs, problem: pause.problem },
    traffic: { reads: admission.inFlight('read'), downloads: admission.inFlight('download'), writes: admission.inFlight('write'), pushes: sessions.open, pulls: pulls.open },
    jobs: countByState(store),
    audit: { problem: audit.problem, lost: audit.lost },
    notifications: notifier.endpoints,
    collections: { running: runner.isRunning, sinceStart: runner.collections, nextScheduledAt: schedule?.next }
  })
  const server = createServer({ ...settings.limits, trustProxy: settings.trustProxy as boolean | string[], certificate: tls.listen }, log)
  const renewals = createRenewals(settings, tls, { listen: pems => { renewCertificate(server.server, pems) }, registry: pems => { upstream.secure(pems) } }, { log, intervalMs: renewalIntervalMs })
  const closing = new AbortController()
  const deletes = { deleter, store, access, decisions, admission, dropPulls: gate.deletes.bind(gate), closing: closing.signal }
  installCors(server, settings.cors.origins)
  installHealth(server, async () => pause.problem ?? await registry.check({}).then(answer => answer.status >= 500 ? 'the registry answers with an error' : undefined, () => 'the registry cannot be reached'))
  installApi(server, { deletes, access, audit, status, cancel: async id => await runner.cancel(id) })
  installProxy(server, { gate, deletes, upstream, origin, location: { prefix: facts.prefix, registryHosts: registryHosts(facts, base) }, encrypted: tls.listen !== undefined })

  let reason = ''
  await registry.ready(AbortSignal.timeout(settings.registry.readyTimeoutSeconds * 1000), ({ message }) => { reason = message && ` (${message})` }).catch(() => { throw new SetupError(`the registry does not answer at ${base()}/v2/ within ${settings.registry.readyTimeoutSeconds} s${reason}. Is registry.url right, and is the registry running?`) })
  await warnIfOpen(access, settings.listen.host, log)
  await lowerShield(writer)
  await storage.aside.clear()
  if (controller.kind === 'process') await onFresh() // It has just been started.
  const open = await deleter.recover()
  if (freshness.isStale && controller.kind === 'none') log.warn({}, 'an earlier run ended in the middle of a collection, and the registry may still remember what went; clients of the gate are not deceived. Restart the registry when it suits you')
  else if (freshness.isStale) {
    log.info({}, 'an earlier run ended between a sweep and the restart after it; restarting the registry now')
    await pause.restart().catch(async () => {
      await pause.close()
      throw new SetupError(`the registry at ${base()} does not answer after a restart: see the log. Start it, then start Delgate again`)
    })
  }
  if (open > 0) log.info({ jobs: open }, 'taking up jobs of an earlier run')
  return { facts, status, choice, ...lifecycle({ server, settings, closing, schedule, runner, collection, pause, admission, upstream, memory, records: [audit, notifier], keeper: new IndexKeeper(index, indexFile, log), renewals, controller }) }
}

interface Lifecycle {
  readonly server: FastifyInstance
  readonly settings: Settings
  readonly closing: AbortController
  readonly schedule: Schedule | undefined
  readonly runner: JobRunner
  readonly collection: Collection
  readonly pause: Pause
  readonly admission: { close (): void }
  readonly upstream: Upstream
  readonly memory: Memory
  readonly records: ReadonlyArray<{ close (): Promise<void> }>
  readonly keeper: IndexKeeper
  readonly renewals: readonly PemRenewal[]
  readonly controller: RegistryController
}

function lifecycle ({ server, settings, closing, schedule, runner, collection, pause, admission, upstream, memory, records, keeper, renewals, controller }: Lifecycle): Pick<App, 'listen' | 'close'> {
  let closed: Promise<void> | undefined
  const close = async (): Promise<void> => {
    closing.abort()
    for (const renewal of renewals) renewal.stop()
    schedule?.stop()
    pause.hurry()
    collection.hurry()
    admission.close()
    upstream.hurry()
    const served = server.close()
    await runner.close()
    await pause.close()
    await served
    await keeper.stop()
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
      schedule?.start()
      keeper.start(closing.signal)
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

function countByState (store: JobStore): Record<string, number> {
  const counts: Record<string, number> = { queued: 0, running: 0, done: 0, failed: 0, cancelled: 0 }
  for (const { state } of store.list()) counts[state] = (counts[state] ?? 0) + 1
  return counts
}
