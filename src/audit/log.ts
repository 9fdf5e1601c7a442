/**
 * The log of decisions: lines that are only ever added. It must never stand in the way of a deletion, least of all when
 * the disk is full: what cannot be written waits, within bounds, and goes with the next entry.
 */
import { unavailable } from '../errors.js'
import { lineOf, type AuditEntry } from './entry.js'
import { append, endsWithin, openToAppend, rotate } from './files.js'
import type { AuditQuery } from './query.js'
import { search, type Found } from './search.js'

export interface AuditSettings {
  readonly file: string
  /** A new file is begun before the current one becomes larger than this. Bytes. */
  readonly maximumBytes: number
  /** How many older files are kept. */
  readonly keepFiles: number
}

/** An entry; without `at` it is of now. */
export type NewEntry = Omit<AuditEntry, 'at'> & { readonly at?: string }

/** Lines that wait while none can be written; beyond that the oldest are lost. */
const WAITING_MAXIMUM = 1000
/** How much is written at once. Bytes. */
const CHUNK_BYTES = 1024 * 1024

export class AuditLog {
  #waiting: string[] = []
  #last: Promise<void> = Promise.resolve()
  /** The write that takes along what is recorded from now on. */
  #next: Promise<void> | undefined
  #problem: string | undefined
  #lost = 0

  private constructor (private readonly settings: AuditSettings, private readonly onProblem: (problem: string | undefined) => void) {}

  /**
   * Opens the log; closes off a line that a crash has cut.
   * @param onProblem told when the log cannot be written, and why; and with `undefined` when it can be again
   */
  static async open (settings: AuditSettings, onProblem: (problem: string | undefined) => void = () => {}): Promise<AuditLog> {
    const log = new AuditLog(settings, onProblem)
    await log.#flush()
    return log
  }

  /** Why the log cannot be written; `undefined` when it can. */
  get problem (): string | undefined { return this.#problem }
  /** Entries that were lost since the start, because too many had to wait. */
  get lost (): number { return this.#lost }

  /** Resolves when the entry has been written, or could not be: see `problem`. Never rejects. */
  async record (entry: NewEntry): Promise<void> {
    this.#waiting.push(lineOf({ ...entry, at: entry.at ?? new Date().toISOString() }))
    await this.#flush()
  }

  /**
   * Entries, the newest first.
   * @throws CodedError 503 when the log cannot be read
   */
  async query (query: AuditQuery): Promise<Found> {
    return await search(this.settings.file, this.settings.keepFiles, query).catch(error => {
      const { code } = error as NodeJS.ErrnoException
      throw code === undefined ? error : unavailable(`the log of decisions cannot be read (${code})`)
    })
  }

  /** Resolves when all that was recorded has been written, or could not be. */
  async close (): Promise<void> { await this.#last }

  async #flush (): Promise<void> {
    if (this.#next === undefined) {
      const next = this.#last.then(async () => {
        this.#next = undefined
        await this.#writeAll()
      })
      this.#next = this.#last = next
    }
    await this.#next
  }

  async #writeAll (): Promise<void> {
    let lines = this.#waiting
    this.#waiting = []
    try {
      do {
        lines = lines.slice(await this.#write(lines))
      } while (lines.length > 0)
      this.#say(undefined)
    } catch (error) {
      this.#putBack(lines)
      this.#say(`the log of decisions cannot be written (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`)
    }
  }

  /** Writes as many as the file and one piece hold, and at least one. @returns how many */
  async #write (lines: readonly string[]): Promise<number> {
    const { file, maximumBytes, keepFiles } = this.settings
    let handle = await openToAppend(file)
    try {
      let { size } = await handle.stat()
      if (size > 0 && lines.length > 0 && size + Buffer.byteLength(lines[0]!) > maximumBytes) {
        await handle.close()
        await rotate(file, keepFiles)
        handle = await openToAppend(file)
        size = 0
      }
      const start = await endsWithin(handle, size) ? '\n' : ''
      const count = fitting(lines, Math.min(CHUNK_BYTES, maximumBytes - size))
      const text = start + lines.slice(0, count).join('')
      if (text === '') return 0
      await append(handle, text).catch(async error => {
        // Half of it may be there; it comes again.
        await handle.truncate(size).catch(() => {})
        throw error
      })
      return count
    } finally {
      await handle.close()
    }
  }

  #putBack (lines: readonly string[]): void {
    const waiting = [...lines, ...this.#waiting]
    this.#lost += Math.max(0, waiting.length - WAITING_MAXIMUM)
    this.#waiting = waiting.slice(-WAITING_MAXIMUM)
  }

  #say (problem: string | undefined): void {
    if (problem === this.#problem) return
    this.#problem = problem
    this.onProblem(problem)
  }
}

/** How many lines fit; one always does. */
function fitting (lines: readonly string[], room: number): number {
  let count = 0
  for (let bytes = 0; count < lines.length; count++) {
    bytes += Buffer.byteLength(lines[count]!)
    if (bytes > room && count > 0) break
  }
  return count
}
