/** Remembers the last pulls over restarts: saved now and then, and at the end. */
import { join } from 'node:path'
import type { Settings } from '../config/schema.js'
import { readPullTimes, savePullTimes } from '../pull-times/file.js'
import { PullTimes } from '../pull-times/pull-times.js'
import type { Log } from './collection.js'

/** How often they are saved when there were any: what a crash takes away is no older. Milliseconds. */
const SAVE_EVERY_MS = 30_000

export class PullTimesKeeper {
  #timer: NodeJS.Timeout | undefined
  #saved = -1
  #saving: Promise<void> = Promise.resolve()
  #isFailing = false

  private constructor (readonly times: PullTimes, private readonly path: string, private readonly log: Log, private readonly everyMs: number) {}

  /** Goes on with what an earlier process saved. Where there is nothing, or it cannot be used, the record begins now. */
  static async open ({ state }: Pick<Settings, 'state'>, log: Log, { now = Date.now(), everyMs = SAVE_EVERY_MS } = {}): Promise<PullTimesKeeper> {
    const path = join(state.directory, 'pulls')
    const read = await readPullTimes(path)
    if (read.outcome === 'damaged') log.warn({ path, reason: read.reason }, 'the record of the last pulls cannot be used: it begins anew, and all that is stored counts as pulled now')
    const times = read.outcome === 'read' ? read.times : new PullTimes(now)
    const keeper = new PullTimesKeeper(times, path, log, everyMs)
    if (read.outcome === 'read') keeper.#saved = times.version
    else await keeper.#save()
    return keeper
  }

  /** Does not keep the process alive. */
  start (): void { this.#timer = setInterval(() => { void this.#save() }, this.everyMs).unref() }

  /** Saves them for the last time. */
  async stop (): Promise<void> {
    clearInterval(this.#timer)
    await this.#save()
  }

  /** One at a time; what fails is tried again. */
  async #save (): Promise<void> {
    this.#saving = this.#saving.then(async () => {
      const { version } = this.times
      if (version === this.#saved) return
      try {
        await savePullTimes(this.path, this.times)
        this.#saved = version
        if (this.#isFailing) this.log.info({}, 'the last pulls can be saved again')
        this.#isFailing = false
      } catch (err) {
        if (!this.#isFailing) this.log.warn({ err }, 'the last pulls could not be saved; it is tried again')
        this.#isFailing = true
      }
    })
    await this.#saving
  }
}
