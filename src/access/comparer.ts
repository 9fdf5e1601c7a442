/**
 * Compares passwords with bcrypt hashes in a thread of its own: one comparison is made to be slow, and pushes and pulls
 * would stand still meanwhile.
 */
import { createRequire } from 'node:module'
import { Worker } from 'node:worker_threads'

interface Comparison {
  readonly password: string
  /** As bcrypt writes it. */
  readonly hash: string
}

/** A thread that had nothing to do for so long is ended. Milliseconds. */
const IDLE_MS = 60_000
/** What the thread runs: text, since a file would have another name here than where it is compiled to. */
const CODE = `
  const { parentPort, workerData } = require('node:worker_threads')
  const { compareSync } = require(workerData)
  parentPort.on('message', ({ password, hash }) => { parentPort.postMessage(compareSync(password, hash)) })
`
const BCRYPT = createRequire(import.meta.url).resolve('bcryptjs')

export class Comparer {
  #worker: Worker | undefined
  #idle: NodeJS.Timeout | undefined

  /**
   * Callers take turns: not to be called while a comparison is running.
   * @throws what the thread ended of; the next call has another one
   */
  async compare (password: string, hash: string): Promise<boolean> {
    clearTimeout(this.#idle)
    const worker = this.#worker ??= this.#start()
    // Waited for while it is at work; otherwise it keeps no process alive.
    worker.ref()
    try {
      return await answerOf(worker, { password, hash })
    } finally {
      worker.unref()
      this.#idle = setTimeout(() => { this.#end() }, IDLE_MS).unref()
    }
  }

  #start (): Worker {
    const worker = new Worker(CODE, { eval: true, workerData: BCRYPT, execArgv: [], name: 'passwords' })
    const gone = (): void => { if (this.#worker === worker) this.#worker = undefined }
    return worker.on('error', gone).on('exit', gone)
  }

  #end (): void {
    void this.#worker?.terminate()
    this.#worker = undefined
  }
}

async function answerOf (worker: Worker, comparison: Comparison): Promise<boolean> {
  return await new Promise((resolve, reject) => {
    const settle = (end: () => void): void => {
      worker.off('message', answered).off('error', failed as (error: unknown) => void).off('exit', ended)
      end()
    }
    const answered = (isRight: boolean): void => { settle(() => { resolve(isRight) }) }
    const failed = (error: Error): void => { settle(() => { reject(error) }) }
    const ended = (): void => { settle(() => { reject(new Error('the thread that compares passwords has ended')) }) }
    worker.on('message', answered).on('error', failed).on('exit', ended)
    worker.postMessage(comparison)
  })
}
