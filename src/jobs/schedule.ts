/** Work at set times, by a cron expression. */
import { Cron } from 'croner'

export interface ScheduleParts {
  /** What it is called in the log: `collection`. */
  readonly what: string
  readonly run: () => Promise<unknown>
  readonly log: { info (details: object, message: string): void, error (details: object, message: string): void }
}

export class Schedule {
  readonly #cron: Cron
  #running: Promise<unknown> = Promise.resolve()

  /** @param expression five or six fields, local time; it was checked with the settings */
  constructor (expression: string, private readonly parts: ScheduleParts) {
    this.#cron = new Cron(expression, { paused: true, protect: true, unref: true, catch: error => { parts.log.error({ err: error, what: parts.what }, 'scheduled work could not be done') } }, async () => { await this.#run() })
  }

  /** When the next one is due, ISO 8601; `undefined` when there is none. */
  get next (): string | undefined { return this.#cron.nextRun()?.toISOString() }

  start (): void { this.#cron.resume() }

  /** Resolves when what has begun has ended. */
  async stop (): Promise<void> {
    this.#cron.stop()
    await this.#running
  }

  async #run (): Promise<void> {
    this.parts.log.info({ what: this.parts.what }, 'scheduled work begins')
    const running = this.parts.run()
    this.#running = running.catch(() => {})
    await running
  }
}
