/**
 * PEM files that are renewed while Delgate runs. They are compared by content, on a timer: so it does not matter whether
 * a file is written, replaced, or another one that a symlink leads to, nor on what kind of file system.
 *
 * A renewal replaces two files, one after the other, and a file may be half written. So what has changed is only taken
 * once it looks the same twice; what cannot be used then is refused, and what is in use stays.
 */
import { createHash } from 'node:crypto'
import { checkPems, readPems, type PemPaths, type Pems } from './read.js'

/** Between two looks at the files, milliseconds. */
const INTERVAL_MS = 5_000

export interface RenewalParts {
  /** Uses the new ones from now on. May throw: then those before stay in use. */
  readonly take: (pems: Pems) => void
  readonly log: { info (fields: object, message: string): void, warn (fields: object, message: string): void }
  /** Between two looks, milliseconds. Default: 5000. */
  readonly intervalMs?: number | undefined
}

interface Look {
  /** Tells contents apart. */
  readonly print: string
  /** @throws SetupError when the files cannot be read, or not be used */
  readonly pems: () => Pems
}

export class PemRenewal {
  /** What has been taken or refused. */
  #judged: string
  #lookedLike: string
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  /**
   * @param section where the settings are, for messages: `listen.tls`
   * @param first what is in use
   */
  constructor (private readonly paths: PemPaths, private readonly section: string, first: Pems, private readonly parts: RenewalParts) {
    this.#judged = this.#lookedLike = printOf(first)
  }

  /** Looks again and again; does not keep the process alive. */
  start (): void {
    if (this.#stopped) return
    this.#timer = setTimeout(() => {
      void this.#look().finally(() => { this.start() })
    }, this.parts.intervalMs ?? INTERVAL_MS).unref()
  }

  stop (): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  async #look (): Promise<void> {
    const { print, pems } = await this.#read()
    const isSettled = print === this.#lookedLike
    this.#lookedLike = print
    if (!isSettled || print === this.#judged || this.#stopped) return
    this.#judged = print
    const { section, parts: { log } } = this
    try {
      this.parts.take(pems())
      log.info({ section }, 'the certificate files have changed: new connections use them')
    } catch (error) {
      log.warn({ section, reason: (error as Error).message }, 'the certificate files have changed, but cannot be used: those before stay in use')
    }
  }

  async #read (): Promise<Look> {
    try {
      const pems = await readPems(this.paths, this.section)
      return { print: printOf(pems), pems: () => { checkPems(pems, this.paths, this.section); return pems } }
    } catch (error) {
      return { print: (error as Error).message, pems: () => { throw error } }
    }
  }
}

function printOf (pems: Pems): string {
  const hash = createHash('sha256')
  for (const name of ['ca', 'certificate', 'key'] as const) hash.update(`${name} ${pems[name]?.length ?? 'none'} `).update(pems[name] ?? '')
  return hash.digest('base64')
}
