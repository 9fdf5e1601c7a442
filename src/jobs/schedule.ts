/** Collections of everything at set times, by a cron expression. */
import { Cron } from 'croner'

export interface ScheduleParts {
  /** Queues a collection of everything that nothing uses. */
  readonly collect: () => Promise<unknown>
  readonly log: { info (details: object, message: string): void, error (details: object, message: string): void }
}

export class Schedule {
  readonly #cron: Cron

  /** @param expression five or six fields, local time; it was checked with the settings */
  constructor (expression: string, private readonly parts: ScheduleParts) {
    this.#cron = new Cron(expression, { paused: true, protect: true, unref: true, catch: error => { parts.log.error({ err: error }, 'a scheduled collection could not be queued') } }, async () => { await this.#collect() })
  }

  /** When the next one is due, ISO 8601; `undefined` when there is none. */
  get next (): string | undefined { return this.#cron.nextRun()?.toISOString() }

  start (): void { this.#cron.resume() }
  stop (): void { this.#cron.stop() }

  async #collect (): Promise<void> {
    this.parts.log.info({}, 'a scheduled collection begins')
    await this.parts.collect()
  }
}
