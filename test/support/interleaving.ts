/** Delgate, a door, and a registry behind it, and what tests of interleavings have in common. */
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { pull, push, type ClientOptions } from './client.js'
import { startGate, type Gate, type PartialSettings } from './delgate.js'
import { openDoor, type Door } from './door.js'
import { expectStatus, header, json, request, type Answer } from './http.js'
import { image, type Content } from './images.js'
import { del, jobAt } from './jobs.js'
import { startRegistry, type BareRegistry, type RegistryOptions } from './registry.js'
import { until } from './temporary.js'
import type { RegistryTool } from './tools.js'

export interface Guarded extends Gate {
  readonly door: Door
  readonly registry: BareRegistry
}

export interface GuardedOptions {
  readonly registry?: RegistryOptions
  readonly drain?: PartialSettings['drain']
}

/**
 * Starts all three. Nobody may collect or restart this registry: where Delgate tried to, the command would fail, and
 * its job with it.
 */
export async function startGuarded (t: Test, tool: RegistryTool, options: GuardedOptions = {}): Promise<Guarded> {
  const registry = await startRegistry(t, tool, options.registry)
  const door = await openDoor(t, registry.url)
  const gate = await startBehind(t, { door, registry }, options)
  const status = json(await request(gate.url, 'GET', '/delgate/v1/status'))
  if (status.collector !== 'online' || status.freshness !== 'evict') throw new Error(`not online and evict: ${JSON.stringify(status)}`)
  return { ...gate, door, registry }
}

/** Starts a gate at a door; another one may have been there before. */
export async function startBehind (t: Test, { door, registry }: Pick<Guarded, 'door' | 'registry'>, { drain }: GuardedOptions = {}): Promise<Gate> {
  const command = { collect: ['false'], restart: ['false'] }
  return await startGate(t, registry.tool, { files: registry, settings: { registry: { controller: 'command', url: door.url, config: registry.config, command }, drain: { pullIdleSeconds: 10, ...drain } } })
}

/** Headers by which the gate tells clients apart. */
export const as = (name: string): { readonly headers: { readonly 'user-agent': string } } => ({ headers: { 'user-agent': name } })

/** Waits until a job has run as far as it could, and had to leave something that is leased. */
export async function leavesSomething (base: string, answer: Answer): Promise<void> {
  await until('the job has left something', async () => {
    const job = await jobAt(base, header(answer, 'location')!)
    if (job.state === 'failed' || job.state === 'done') throw new Error(`the job did not leave anything: ${JSON.stringify(job)}`)
    return job.state === 'queued' && job.nextAttemptAt !== undefined
  })
}

/** Asks for a collection of everything that nothing uses. */
export async function collectAll (base: string): Promise<Answer> {
  return expectStatus(await request(base, 'POST', '/delgate/v1/collections'), 202, 'POST collections')
}

/**
 * Keeps collections busy: the one that runs is at the door, telling the registry to forget something in a repository of
 * its own. So a deletion from now on is accepted, and its job waits, until the result is called.
 * @param client where one must log in
 */
export async function busyCollection ({ url, door }: Pick<Guarded, 'url' | 'door'>, client: ClientOptions = {}): Promise<() => void> {
  const busy = { headers: { ...client.headers, ...as('busy').headers } }
  const content = await image('busy')
  await push(url, 'busy', 'v1', content, busy)
  const evicting = door.hold({ method: 'DELETE', path: `/v2/busy/blobs/${content.config.digest}`, when: 'before' })
  expectStatus(await del(url, '/v2/busy', busy), 202, 'DELETE')
  await evicting.arrived
  return evicting.release
}

/** Waits until this many writing requests have come to the gate, those that wait for their turn included. */
export async function writing (base: string, count: number): Promise<void> {
  await until(`${count} requests write`, async () => {
    const { traffic } = json<{ traffic: { writes: number } }>(await request(base, 'GET', '/delgate/v1/status'))
    return traffic.writes >= count
  })
}

/** Pulls from a registry that remembers nothing: what it has is on the disk. */
export async function pullFresh (t: Test, { registry }: Pick<Guarded, 'registry'>, repository: string, reference: string, content: Content): Promise<void> {
  const fresh = await startRegistry(t, registry.tool, {}, registry)
  await pull(fresh.url, repository, reference, content)
  await fresh.stop()
}

/** Whether something is there; the path is relative to `docker/registry/v2`. */
export async function isThere ({ storage }: Pick<Gate, 'storage'>, path: string): Promise<boolean> {
  return await access(join(storage, 'docker/registry/v2', path)).then(() => true, () => false)
}

export const blobPath = (digest: string): string => `blobs/sha256/${digest.slice(7, 9)}/${digest.slice(7)}/data`
export const layerPath = (repository: string, digest: string): string => `repositories/${repository}/_layers/sha256/${digest.slice(7)}/link`

/** Whether Delgate has told the registry to forget this. */
export function wasForgotten ({ log }: Door, digest: string): boolean {
  return log.some(({ method, path }) => method === 'DELETE' && path.endsWith(digest))
}

/** How many uploads have been opened at the registry in a repository. */
export function uploadsOpened ({ log }: Door, repository: string): number {
  return log.filter(({ method, path }) => method === 'POST' && path.startsWith(`/v2/${repository}/blobs/uploads/`)).length
}
