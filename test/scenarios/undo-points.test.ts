/**
 * Delgate is killed, loses its power, or meets a failing disk, at every step of a deletion that is kept and of its undoing:
 * afterwards it can be undone, and then everything is what it was. Here a sample from the seed; more: `npm run faults`.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { manifestStatus } from '../support/client.js'
import { journal, mustBeClean, mustNotDangle } from '../support/faulty/check.js'
import { survives, type Counted, type Fault, type FaultyGate } from '../support/faulty/gate.js'
import { Ground, pullAll } from '../support/faulty/ground.js'
import { pointsOf, type Point } from '../support/faulty/points.js'
import { makeStock, type JobKind, type Stock } from '../support/faulty/stock.js'
import { must } from '../support/fuzz.js'
import { json, request, type Answer } from '../support/http.js'
import type { Job } from '../support/jobs.js'
import { PAIRS, type Pair } from '../support/pairs.js'
import { Chance } from '../support/random.js'
import { until } from '../support/temporary.js'
import { skipWithout, tool, type RegistryTool } from '../support/tools.js'

const SEED = Number(process.env.FAULTS_SEED ?? 1)
/** Points for each kind, with each pair on each registry. */
const POINTS = Math.ceil(Number(process.env.FAULTS_POINTS ?? 4) / 2)
const POINT_MS = 20_000
const JOB_MS = 40_000
const ATTEMPTS = 20
const TRASH = { keepFor: { tag: 1, manifest: 1, repository: 1, untagged: 1 } } as const
/** Which step of a deletion and its undoing is made to fail. */
const PARTS = ['deletion', 'undoing'] as const
/** The only point to try. */
const ONLY = process.env.FAULTS_POINT === undefined ? undefined : (JSON.parse(process.env.FAULTS_POINT) as Point).fault

class UndoStage {
  private constructor (private readonly ground: Ground, private readonly stock: Stock, private readonly kind: JobKind) {}

  get gate (): FaultyGate { return this.ground.gate }

  static async open (t: Test, tool: RegistryTool, pair: Pair, stock: Stock): Promise<UndoStage> {
    return new UndoStage(await Ground.open(t, tool, pair, stock, { trash: TRASH }), stock, stock.kinds.find(({ name }) => name === 'repository')!)
  }

  /** One deletion and its undoing, and a fault in one of them. @returns the steps of that one, and whether the fault came */
  async attempt (part: typeof PARTS[number], fault?: Fault): Promise<Counted> {
    const { gate } = this
    if (!gate.isRunning) await this.ground.start()
    const before = new Set((await journal(gate.options.directory)).map(({ id }) => id))
    const deletion = async (): Promise<Job | undefined> => (await journal(gate.options.directory)).find(({ id, kind }) => kind === 'delete' && !before.has(id))
    const arm = async (armed: typeof PARTS[number]): Promise<void> => { if (part === armed) await gate.arm(fault) }
    await arm('deletion')
    const answer = await this.kind.ask(gate.url).catch(() => undefined)
    await this.#settled(deletion, answer)
    if (part === 'deletion') return await this.#afterwards(fault, deletion, answer?.status === 202)
    const { id } = (await deletion())!
    await arm('undoing')
    const undone = await this.#undo(id).catch(() => undefined)
    return await this.#afterwards(fault, deletion, undone?.status === 202)
  }

  async reset (): Promise<void> { await this.ground.reset() }

  async #afterwards (fault: Fault | undefined, deletion: () => Promise<Job | undefined>, isAccepted: boolean): Promise<Counted> {
    const { gate, stock, kind } = this
    if (!survives(fault?.mode)) await gate.stop()
    const counted = await gate.counted()
    await mustNotDangle(gate.options.storage)
    if (!gate.isRunning) await this.ground.start()
    await until('the deletion ends', async () => (await journal(gate.options.directory)).every(({ kind, state }) => kind === 'undo' || state === 'done'), JOB_MS, 10)
      .catch(async (error: Error) => { throw new Error(`${error.message}: ${JSON.stringify((await journal(gate.options.directory)).filter(({ state }) => state !== 'done'))}\n${gate.output.slice(-3000)}`) })
    const job = await deletion()
    must(!isAccepted || job !== undefined, 'the deletion was accepted, and is not known any more')
    if (job !== undefined) await this.#back(job)
    if (survives(fault?.mode)) {
      // What could not be recorded is found by the next start.
      await gate.stop()
      await this.ground.start()
    }
    const open = (await journal(gate.options.directory)).filter(({ state }) => state !== 'done' && state !== 'failed')
    must(open.length === 0, 'jobs that do not end', open)
    for (const placement of stock.placements) await pullAll(gate.url, placement)
    await until('nothing is left in the trash', async () => {
      const { trash } = json<{ trash: { jobs: number, bytes: number } }>(await request(gate.url, 'GET', '/delgate/v1/status'))
      return trash.jobs + trash.bytes === 0 && !existsSync(join(gate.options.storage, 'docker/registry/v2/delgate-trash'))
    })
    await this.ground.quiet()
    await mustBeClean(gate.options, gate.options.tool, [])
    must(kind.gone.length > 0, 'nothing was deleted')
    return counted
  }

  /** Undone already, or undone now: what was deleted is not there before. */
  async #back (job: Job): Promise<void> {
    if (job.trash?.state === 'undone') return
    must(job.state === 'done' && job.trash?.state === 'kept', 'the deletion cannot be undone', job)
    for (let attempt = 1; ; attempt++) {
      const { status, body } = await this.#undo(job.id)
      if (status === 202) return
      must([500, 503].includes(status) && attempt < ATTEMPTS, 'undoing is refused', `${status} ${body.toString()}`)
    }
  }

  async #undo (id: string): Promise<Answer> { return await request(this.gate.url, 'POST', `/delgate/v1/jobs/${id}/undo`) }

  /** The process has ended, or the job, or the request was refused. */
  async #settled (job: () => Promise<Job | undefined>, answer: Answer | undefined): Promise<void> {
    await until('the job ends', async () => {
      if (!this.gate.isRunning) return true
      const { state } = await job() ?? {}
      return state === undefined ? answer !== undefined && answer.status !== 202 : state === 'done'
    }, JOB_MS, 10).catch(async (error: Error) => { throw new Error(`${error.message}: ${JSON.stringify(await job())}; the answer was ${answer?.status} ${answer?.body.toString()}\n${this.gate.output.slice(-6000)}`) })
    if (answer?.status !== 202 || !this.gate.isRunning) return
    for (const { repository, references } of this.kind.gone) {
      for (const reference of references) {
        // It may be killed in this very moment.
        const status = await manifestStatus(this.gate.url, repository, reference).catch(() => undefined)
        must(status === undefined || status === 404, 'what was deleted is still served', reference)
      }
    }
  }
}

const skip = skipWithout('registry 2.8', 'registry 3.1')
const stock = await makeStock()
for (const pair of PAIRS) {
  await t.test(`undo: ${pair.name}`, { skip }, async t => {
    t.setTimeout(120_000 + POINTS * PARTS.length * 2 * POINT_MS)
    for (const version of ['2.8', '3.1'] as const) {
      const registry: RegistryTool = { ...tool(`registry ${version}`), version }
      const stage = await UndoStage.open(t, registry, pair, stock)
      for (const [number, part] of PARTS.entries()) {
        const { trace: steps } = await stage.attempt(part)
        let [tried, losses] = [0, 0]
        for (const { fault: next, again } of pointsOf(steps, steps, new Chance(SEED * 100 + number), false)) {
          if (tried === POINTS) break
          if (again !== undefined) continue
          const fault = ONLY ?? next
          tried++
          await stage.attempt(part, fault).catch(async (error: Error) => {
            losses++
            t.fail(`${part}, registry ${version}, seed ${SEED}, ${JSON.stringify(fault)}: ${error.message}`)
            await stage.reset()
          })
        }
        t.comment(`${pair.name}, registry ${version}, ${part} with undo: ${tried} points of ${steps.length} steps, ${losses} losses`)
        t.equal(tried, POINTS)
        t.ok(steps.length > 20)
      }
    }
  })
}
