/** Builds the reference index beside running traffic, and saves it now and then, so that the next start is quick. */
import type { ReferenceIndex } from '../references/index.js'
import type { Log } from './collection.js'

/** How often it is saved when it has changed, milliseconds. */
const SAVE_EVERY_MS = 300_000

export class IndexKeeper {
  #timer: NodeJS.Timeout | undefined

  constructor (private readonly index: ReferenceIndex, private readonly path: string, private readonly log: Log) {}

  /** @param closing ends the building */
  start (closing: AbortSignal): void {
    this.index.build(closing).then(async () => {
      this.log.info(this.index.stats(), 'reference index complete')
      await this.#save()
      if (!closing.aborted) this.#timer = setInterval(() => { void this.#save() }, SAVE_EVERY_MS).unref()
    }, (error: unknown) => {
      if (!closing.aborted) this.log.warn({ err: error }, 'the reference index could not be built; the next collection tries again')
    })
  }

  /** Saves it for the last time. */
  async stop (): Promise<void> {
    clearInterval(this.#timer)
    await this.#save()
  }

  async #save (): Promise<void> {
    await this.index.save(this.path).catch((error: unknown) => { this.log.warn({ err: error }, 'the reference index could not be saved; the next start reads the registry anew') })
  }
}
