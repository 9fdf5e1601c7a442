/** The clients of the torture test. Each works until it is told that the time is over, and throws on whatever no client may see. */
import { setTimeout as pause } from 'node:timers/promises'
import { beginUpload, commitUpload, followLocation, hasBlob, pullBlob, pullManifest, putManifest, sendChunk, uploadBlob, type ClientOptions } from './client.js'
import { expectStatus, header, request } from './http.js'
import { ACCEPT_ALL, blobsOf, digestOf, image, index, layer, manifestsOf, type Blob, type Content, type Layer } from './images.js'
import { del, jobEnded, type Job } from './jobs.js'
import type { Chance } from './random.js'
import type { RegistryTool } from './tools.js'
import type { Slot, Target, TortureModel } from './torture-model.js'

export interface Arena {
  readonly url: string
  readonly tool: RegistryTool
  readonly model: TortureModel
  /** Layers that many images have. */
  readonly shared: readonly Layer[]
  /** Images that are pushed again and again: also right after they were deleted. */
  readonly stock: readonly Content[]
  readonly isOver: () => boolean
  readonly done: { pushes: number, pulls: number, missed: number, deletions: number, collections: number }
}

/** Content of some shared layers, and one of its own; now and then an index of two such images. */
export async function randomContent (name: string, shared: readonly Layer[], chance: Chance): Promise<Content> {
  const one = async (part: string): Promise<Awaited<ReturnType<typeof image>>> => {
    const layers = chance.some(shared, 0.4)
    if (layers.length === 0 || chance.happens(0.6)) layers.push(await layer(`${name}/${part}`))
    return await image(`${name}/${part}`, { layers })
  }
  return chance.happens(0.25) ? index([await one('amd64'), await one('arm64')]) : await one('only')
}

/** Pushes to any tag, and looks at once whether it is there. */
export async function pusher (arena: Arena, name: string, chance: Chance): Promise<void> {
  const options = { headers: { 'user-agent': name } }
  for (let round = 0; !arena.isOver(); round++) {
    const slot = chance.one(arena.model.slots)
    if (slot.reserved) {
      await pause(1) // Somebody else's turn; there are other tags.
      continue
    }
    slot.reserved = true
    try {
      const content = chance.happens(0.6) ? chance.one(arena.stock) : await randomContent(`${name}/${round}`, arena.shared, chance)
      await push(arena, slot, content, chance, options)
    } finally {
      slot.reserved = false
    }
    await pull(arena, slot, options)
  }
}

/** How often a push is begun again that met a deletion of its whole repository. */
const ATTEMPTS = 20

/** A push into a repository that is being deleted may fail cleanly, and works when repeated (scenario 25); no other may. */
async function push (arena: Arena, slot: Slot, content: Content, chance: Chance, options: ClientOptions): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const isDeleted = arena.model.watchRepository(slot.repository)
    try {
      return await pushOnce(arena, slot, content, chance, options)
    } catch (error) {
      if (attempt === ATTEMPTS || !isDeleted() || !/got 400 .*MANIFEST_BLOB_UNKNOWN/.test((error as Error).message)) throw error
    }
  }
}

async function pushOnce ({ url, model, done }: Arena, slot: Slot, content: Content, chance: Chance, options: ClientOptions): Promise<void> {
  const { repository, tag } = slot
  for (const blob of blobsOf(content)) {
    if (chance.happens(0.15)) await mountBlob(url, repository, chance.one(model.repositories), blob, options)
    else if (!await hasBlob(url, repository, blob.digest, options)) await uploadBlob(url, repository, blob, options)
  }
  for (const child of manifestsOf(content).slice(0, -1)) await putManifest(url, repository, child.digest, child, options)
  const end = model.beginPut(slot, content)
  try {
    await putManifest(url, repository, tag, content, options)
  } catch (error) {
    end(false)
    throw error
  }
  end(true)
  done.pushes++
}

/** Asks for a blob of another repository; sends it where that does not have it. */
async function mountBlob (url: string, repository: string, from: string, blob: Blob, options: ClientOptions): Promise<void> {
  const path = `/v2/${repository}/blobs/uploads/?mount=${blob.digest}&from=${encodeURIComponent(from)}`
  const answer = await request(url, 'POST', path, options)
  if (answer.status === 201) return
  const begun = followLocation(url, path, expectStatus(answer, 202, `POST ${path}`))
  await commitUpload(url, await sendChunk(url, begun, blob.bytes, options), blob.digest, options)
}

/** Pulls any tag, and now and then leaves an upload behind. */
export async function puller (arena: Arena, name: string, chance: Chance): Promise<void> {
  const options = { headers: { 'user-agent': name } }
  while (!arena.isOver()) {
    await pull(arena, chance.one(arena.model.slots), options)
    if (chance.happens(0.02)) await beginUpload(arena.url, chance.one(arena.model.repositories), options)
  }
}

/** Pulls a tag: it has to be what it must be, and a pull that has begun gets every byte, whatever is deleted meanwhile. */
export async function pull (arena: Omit<Arena, 'shared' | 'stock' | 'isOver'>, slot: Slot, options: ClientOptions = {}): Promise<void> {
  const { url, model, done } = arena
  const isUntouched = model.watch(slot)
  const path = `/v2/${slot.repository}/manifests/${slot.tag}`
  const answer = await request(url, 'GET', path, { headers: { accept: ACCEPT_ALL, ...options.headers } })
  if (answer.status !== 404) expectStatus(answer, 200, `GET ${path}`)
  const found = answer.status === 404 ? undefined : content(model, answer.body, header(answer, 'docker-content-digest'), path)
  if (isUntouched()) {
    if (!slot.possible.includes(found)) throw new Error(`GET ${path}: ${answer.status} ${found?.digest ?? ''}, expected ${slot.possible.map(one => one?.digest ?? 'nothing').join(' or ')}`)
    slot.possible = [found]
  }
  if (found === undefined) {
    done.missed++
    return
  }
  if (await pullContent(url, slot.repository, found, options)) done.pulls++
  else await pull(arena, slot, options)
}

/** On a machine that stands still for so long between two requests, a pull's leases may have run out. Milliseconds. */
const STALL_MS = 4_000

/** @returns false when the machine stood still, and what was to come is gone */
async function pullContent (url: string, repository: string, content: Content, options: ClientOptions): Promise<boolean> {
  let last = performance.now()
  let longest = 0
  const step = async (pulling: Promise<void>): Promise<void> => {
    await pulling
    longest = Math.max(longest, performance.now() - last)
    last = performance.now()
  }
  try {
    for (const child of manifestsOf(content).slice(0, -1)) await step(pullManifest(url, repository, child.digest, child, options))
    for (const blob of blobsOf(content)) await step(pullBlob(url, repository, blob, options))
    return true
  } catch (error) {
    longest = Math.max(longest, performance.now() - last)
    if (longest > STALL_MS && (error as Error).message.includes('got 404')) return false
    throw new Error(`${(error as Error).message} (the longest of its requests took ${Math.round(longest)} ms)`)
  }
}

function content (model: TortureModel, bytes: Buffer, said: string | undefined, path: string): Content {
  const digest = digestOf(bytes)
  const known = model.known(digest)
  if (said !== digest || known === undefined) throw new Error(`GET ${path}: bytes of ${digest}, said to be ${said}, which ${known === undefined ? 'nobody pushed' : 'is known'}`)
  return known
}

/** Deletes tags, digests, and repositories, of which at least some are there. */
export async function deleter (arena: Arena, name: string, chance: Chance): Promise<void> {
  const { url, model, done } = arena
  while (!arena.isOver()) {
    await pause(chance.upTo(80)) // So that pushes get ahead now and then.
    const present = model.slots.filter(slot => slot.content !== undefined)
    if (present.length < 3) continue
    const { repository, tag, content } = chance.one(present)
    const target = chance.one<Target>([{ repository, tag }, { repository, tag }, { repository, tag }, { repository, digest: content!.digest }, { repository, digest: content!.digest }, { repository }])
    const path = target.tag !== undefined || target.digest !== undefined
      ? `/v2/${repository}/manifests/${target.tag ?? target.digest}`
      : chance.one([`/v2/${repository}`, `/v2/${repository}/tags/list`])
    const end = model.beginDelete(target)
    const answer = await del(url, path, { headers: { 'user-agent': name } })
    if (answer.status !== 404) expectStatus(answer, 202, `DELETE ${path}`)
    end(answer.status === 202)
    done.deletions++
  }
}

/** Collects all the time. */
export async function collector (arena: Arena): Promise<void> {
  while (!arena.isOver()) {
    const { state, error } = await collect(arena.url)
    if (state !== 'done') throw new Error(`a collection ended ${state}: ${JSON.stringify(error)}`)
    arena.done.collections++
  }
}

export async function collect (url: string): Promise<Job> {
  return await jobEnded(url, expectStatus(await request(url, 'POST', '/delgate/v1/collections'), 202, 'POST collections'))
}
