/**
 * One registry and the Delgate before it, on which one fault after the other is tried. After each what went is pushed
 * again, so that the next one meets the same content, with a journal that has grown and a cache that has seen a lot.
 */
import type { Test } from 'tap'
import { manifestStatus, pullManifest, push } from '../client.js'
import { must } from '../fuzz.js'
import { ociError, request, type Answer } from '../http.js'
import { blobsOf } from '../images.js'
import type { Job } from '../jobs.js'
import type { Pair } from '../pairs.js'
import { startRegistry, type BareRegistry } from '../registry.js'
import { memoryDirectory, until } from '../temporary.js'
import type { RegistryTool } from '../tools.js'
import { journal, mustBeClean, mustNotDangle } from './check.js'
import { survives, type Counted, type FaultyGate, type Fault, type Step } from './gate.js'
import { Ground, pullAll } from './ground.js'
import { serversOf } from './strays.js'
import type { Point } from './points.js'
import { ageAll, digestsGone, type JobKind, type Placement, type Stock } from './stock.js'

/** For a job to end after a fault. */
const JOB_MS = 40_000
const ATTEMPTS = 20

export class Stage {
  #last: Counted | undefined

  private constructor (private readonly ground: Ground, private readonly bare: BareRegistry, private readonly stock: Stock) {}

  get gate (): FaultyGate { return this.ground.gate }
  /** Whether Delgate runs the registry. */
  get isManaged (): boolean { return this.ground.isManaged }

  /** Pushes the stock. Everything ends with the test. */
  static async open (t: Test, tool: RegistryTool, pair: Pair, stock: Stock): Promise<Stage> {
    const ground = await Ground.open(t, tool, pair, stock)
    // It reads everything from the disk each time: what another registry would serve that begins with an empty cache.
    const bare = await startRegistry(t, tool, { cache: false, storage: ground.gate.options.storage }, { directory: await memoryDirectory(t) })
    return new Stage(ground, bare, stock)
  }

  /** The steps of a job from its request to the end of the process, and of the start after it. Nothing fails. */
  async record (kind: JobKind): Promise<{ steps: readonly Step[], recovery: readonly Step[] }> {
    const { trace: steps } = await this.#run(kind)
    const { trace: recovery } = await this.gate.counted()
    return { steps, recovery }
  }

  /**
   * Tries a point.
   * @returns what happened; not `fired` where the job took fewer steps this time
   * @throws what was lost
   */
  async attempt (kind: JobKind, { fault, again }: Point): Promise<Counted> {
    this.#last = undefined
    return await this.#run(kind, fault, again).catch((error: Error) => { throw new Error(`${this.#last?.label ?? 'before the fault'}: ${error.stack}`) })
  }

  /** The whole stock pulls byte for byte from a registry that remembers nothing. */
  async pullBare (): Promise<void> {
    for (const placement of this.stock.placements) await pullAll(this.bare.url, placement)
  }

  /** Begins anew with the stock as it was pushed, after something was lost. */
  async reset (): Promise<void> { await this.ground.reset() }

  async #run (kind: JobKind, fault?: Fault, again?: Fault): Promise<Counted> {
    const { gate } = this
    const { storage, directory } = gate.options
    if (!gate.isRunning) await this.ground.start()
    await kind.lay?.(storage)
    const before = new Set((await journal(directory)).map(({ id }) => id))
    await gate.arm(fault)
    const answer = await kind.ask(gate.url).catch(() => undefined)
    const fresh = async (): Promise<Job[]> => (await journal(directory)).filter(({ id }) => !before.has(id))
    await this.#settled(fresh, answer)
    // What is left of the steps is the end of the process.
    if (!survives(fault?.mode)) await gate.stop()
    const counted = this.#last = await gate.counted()
    await mustNotDangle(storage)
    if (answer !== undefined && answer.status !== 202) must([500, 502, 503].includes(answer.status) && ociError(answer).message !== '', 'a refusal that clients do not understand', `${answer.status} ${answer.body.toString()}`)
    let fired = counted.fired
    if (again !== undefined) fired = await this.#interruptStart(again) && fired
    if (!gate.isRunning) await this.ground.start()
    await until('the registry serves', async () => (await request(gate.url, 'GET', '/v2/')).status === 200, JOB_MS)
    await this.#verify(kind, { fresh, isAccepted: answer?.status === 202 })
    return { ...counted, ...(fired === undefined ? {} : { fired }) }
  }

  /** The process has ended, or the job, or the request was refused. */
  async #settled (fresh: () => Promise<Job[]>, answer: Answer | undefined): Promise<void> {
    await until('the job ends', async () => {
      if (!this.gate.isRunning) return true
      const jobs = await fresh()
      return jobs.length > 0 ? jobs.every(({ state }) => state === 'done') : answer !== undefined && answer.status !== 202
    }, JOB_MS, 10).catch((error: Error) => { throw new Error(`${error.message}; the answer was ${answer?.status} ${answer?.body.toString()}\n${this.gate.output.slice(-3000)}`) })
  }

  /** @returns whether the fault came */
  async #interruptStart (fault: Fault): Promise<boolean> {
    const { gate } = this
    const isReady = await gate.start(fault)
    if (isReady) await this.#jobsEnd()
    await gate.stop()
    await mustNotDangle(gate.options.storage)
    return (await gate.counted()).fired === true
  }

  /** By the journal, so that no request is among the steps. */
  async #jobsEnd (): Promise<void> {
    await until('every job ends', async () => !this.gate.isRunning || (await journal(this.gate.options.directory)).every(({ state }) => state === 'done'), JOB_MS, 10)
  }

  async #verify (kind: JobKind, { fresh, isAccepted }: { fresh: () => Promise<Job[]>, isAccepted: boolean }): Promise<void> {
    const { gate, stock } = this
    await this.#jobsEnd().catch(async (error: Error) => { throw new Error(`${error.message}: ${JSON.stringify((await fresh()).filter(({ state }) => state !== 'done'))}\n${gate.output.slice(-3000)}`) })
    const jobs = await fresh()
    must(!isAccepted || jobs.length > 0, 'the job was accepted, and is not known any more')
    if (jobs.length === 0) await this.#again(kind)
    const kept = stock.placements.filter(one => !kind.gone.includes(one))
    for (const placement of kept) await pullAll(gate.url, placement)
    await Promise.all(kept.map(async placement => { await pullTop(this.bare.url, placement) }))
    for (const { repository, references } of kind.gone) {
      for (const reference of references) must(await manifestStatus(gate.url, repository, reference) === 404, 'what was deleted is still served', { repository, reference })
    }
    const gone = digestsGone(stock, kind)
    await mustBeClean(gate.options, gate.options.tool, gone)
    await until('one registry runs', async () => await serversOf(gate.options.config) === 1, 10_000)
    const uploaded = await this.#push(kind.gone)
    must(gone.every(digest => !isBlob(kind, digest) || uploaded.has(digest)), 'what is gone is believed to be there', { gone, uploaded: [...uploaded] })
    await this.ground.quiet()
    if (kind.name === 'untagged') await ageAll(gate.options.storage)
  }

  /** Nothing had been recorded: everything is there, and asking again is enough. */
  async #again (kind: JobKind): Promise<void> {
    for (const placement of kind.gone) await pullAll(this.gate.url, placement)
    await this.ground.quiet()
    for (let attempt = 1; ; attempt++) {
      const answer = await kind.ask(this.gate.url)
      if (answer.status === 202) break
      must(answer.status === 503 && attempt < ATTEMPTS, 'asking again is refused', `${answer.status} ${answer.body.toString()}`)
    }
    await this.#jobsEnd()
  }

  /** Pushes, and pulls what was pushed. @returns the blobs that were uploaded */
  async #push (placements: readonly Placement[]): Promise<Set<string>> {
    const all = new Set<string>()
    for (const { repository, references, content } of placements) {
      const { uploaded } = await push(this.gate.url, repository, references, content)
      uploaded.forEach(digest => all.add(digest))
    }
    for (const placement of placements) await pullAll(this.gate.url, placement)
    return all
  }
}

const isBlob = ({ gone }: JobKind, digest: string): boolean => gone.some(({ content }) => blobsOf(content).some(blob => blob.digest === digest))

async function pullTop (url: string, { repository, references, content }: Placement): Promise<void> {
  for (const reference of references) await pullManifest(url, repository, reference, content)
}
