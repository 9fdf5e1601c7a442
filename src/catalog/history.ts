/**
 * Disk use over time: one line of JSON a sample, in a file that is only added to, and begun anew now and then with the older
 * one beside it. A line that a crash has cut is left out. Losing it loses a picture, so it is not flushed.
 */
import { appendFile, readFile, rename } from 'node:fs/promises'
import type { Extent } from '../references/weights.js'
import type { Inventory } from './inventory.js'

export interface Sample extends Inventory {
  /** ISO 8601. */
  readonly at: string
  readonly used: Extent
  readonly trashBytes: number
  /** When `garbage`, `single` and `uploads` were measured: ISO 8601. */
  readonly measuredAt: string
}

/** Hours in ninety days. */
const SAMPLES_MAXIMUM = 2160

export class History {
  readonly #samples: Sample[] = []
  #lines = 0

  private constructor (private readonly path: string, private readonly failed: (error: unknown) => void) {}

  /** @param failed told when it cannot be read or written; samples are only kept in memory then */
  static async open (path: string, failed: (error: unknown) => void): Promise<History> {
    const history = new History(path, failed)
    for (const file of [`${path}.1`, path]) {
      const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') failed(error)
        return ''
      })
      const lines = text.split('\n')
      lines.forEach(line => { history.#take(line) })
      history.#lines = lines.length
      // Without the end of its last line, the next one would be lost, too.
      if (file === path && lines.at(-1) !== '') await appendFile(path, '\n').catch(failed)
    }
    return history
  }

  /** The oldest first. */
  get samples (): readonly Sample[] { return this.#samples }

  async add (sample: Sample): Promise<void> {
    this.#push(sample)
    try {
      if (this.#lines >= SAMPLES_MAXIMUM) {
        await rename(this.path, `${this.path}.1`)
        this.#lines = 0
      }
      await appendFile(this.path, `${JSON.stringify(sample)}\n`, { mode: 0o600 })
      this.#lines++
    } catch (error) {
      this.failed(error)
    }
  }

  #push (sample: Sample): void {
    this.#samples.push(sample)
    if (this.#samples.length > SAMPLES_MAXIMUM) this.#samples.shift()
  }

  #take (line: string): void {
    try {
      const sample: unknown = JSON.parse(line)
      if (isSample(sample)) this.#push(sample)
    } catch {
      // Cut off, or empty.
    }
  }
}

const isCount = (value: unknown): boolean => typeof value === 'number' && Number.isFinite(value) && value >= 0
const isTime = (value: unknown): boolean => typeof value === 'string' && Number.isFinite(Date.parse(value))

function isSample (value: unknown): value is Sample {
  const { at, used, garbage, single, uploads, trashBytes, measuredAt } = (value ?? {}) as Partial<Sample>
  return isTime(at) && isTime(measuredAt) && isCount(trashBytes) && [used, garbage, single].every(extent => isCount(extent?.blobs) && isCount(extent?.bytes)) && isCount(uploads?.count) && isCount(uploads?.bytes)
}
