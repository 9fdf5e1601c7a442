/**
 * One request to the registry. The answer's body goes from the registry's connection straight into the client's
 * response, chunk by chunk: no stream object in between, which at thousands of small answers a second costs as much
 * as the answers themselves. Backpressure holds both ways.
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'

/** Where a body goes: the client's response, or what stands for it. `end` and `destroy` do as a response's do. */
export interface Sink {
  readonly destroyed: boolean
  /** @returns false when no more should come before `drain` */
  write (chunk: Buffer): boolean
  end (): unknown
  destroy (): unknown
  on (event: 'drain', listener: () => void): unknown
  once (event: 'close', listener: () => void): unknown
}

/** The body of the registry's answer; nothing of it is read before `sendTo`. */
export interface AnswerBody {
  /**
   * Sends it as the body of a response, whose head has been written, and ends that.
   * @param broken called when the registry breaks off; the client sees that, too
   */
  sendTo (response: Sink, broken: (error: Error) => void): void
  /** Does without it. */
  destroy (): void
}

/** The registry's answer, as @fastify/reply-from expects it. */
export interface Reached {
  readonly statusCode: number
  readonly headers: IncomingHttpHeaders
  readonly body: AnswerBody
}

/** Told of the registry's answer, or `undefined` when there is none, before the client is. It must not throw. */
export type Answered = (answer: Pick<Reached, 'statusCode' | 'headers'> | undefined) => Promise<void>

export type Callback = (error: Error | null, answer?: Reached) => void

/** @returns a callback that tells somebody else first, if anybody wants to know */
export function tellingFirst (answered: Answered | undefined, callback: Callback): Callback {
  if (answered === undefined) return callback
  return (error, answer) => { answered(answer).then(() => { callback(error, answer) }).catch(() => { answer?.body.destroy() }) }
}

export class Exchange implements Dispatcher.DispatchHandler, AnswerBody {
  #callback: Callback | undefined
  #controller: Dispatcher.DispatchController | undefined
  #response: Sink | undefined
  #broken: ((error: Error) => void) | undefined
  #state: 'running' | 'ended' | 'broken' = 'running'
  #error: Error | undefined
  #unwanted = false

  constructor (callback: Callback) {
    this.#callback = callback
  }

  onRequestStart (controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#unwanted) this.destroy()
  }

  onResponseStart (controller: Dispatcher.DispatchController, statusCode: number, headers: IncomingHttpHeaders): void {
    if (statusCode < 200) return
    controller.pause()
    this.#call(null, { statusCode, headers, body: this })
  }

  onResponseData (controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#response?.write(chunk) === false) controller.pause()
  }

  onResponseEnd (): void {
    this.#state = 'ended'
    this.#response?.end()
  }

  onResponseError (_controller: unknown, error: Error): void {
    this.#state = 'broken'
    this.#error = error
    this.#call(error)
    if (this.#response?.destroyed !== false) return
    this.#broken?.(error)
    this.#response.destroy()
  }

  sendTo (response: Sink, broken: (error: Error) => void): void {
    this.#broken = broken
    if (this.#state === 'ended') {
      response.end()
    } else if (this.#state === 'broken') {
      broken(this.#error!)
      response.destroy()
    } else if (response.destroyed) {
      this.destroy()
    } else {
      this.#response = response
      response.on('drain', () => { this.#controller?.resume() })
      response.once('close', () => { this.destroy() })
      this.#controller?.resume()
    }
  }

  #call (error: Error | null, answer?: Reached): void {
    const callback = this.#callback
    if (callback === undefined) return
    this.#callback = undefined
    callback(error, answer)
  }

  destroy (): void {
    this.#unwanted = true
    if (this.#state === 'running') this.#controller?.abort(new Error('the client does not want the answer any more'))
  }
}
