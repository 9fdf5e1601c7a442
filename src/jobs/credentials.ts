/**
 * In whose name the registry is told to forget what a job removed. Kept in memory while the job is open, and nowhere
 * else: never in the journal, never in a log.
 */
export class CallerCredentials {
  readonly #byJob = new Map<string, string>()

  remember (jobId: string, authorization: string | undefined): void {
    if (authorization !== undefined) this.#byJob.set(jobId, authorization)
  }

  of (jobId: string): string | undefined { return this.#byJob.get(jobId) }

  /** The job has ended. */
  forget (jobId: string): void { this.#byJob.delete(jobId) }
}
