/**
 * Downloads that go on when the registry goes away: once it answers again, the rest is asked for from the byte that was
 * reached, and goes into the same response. Content is addressed by its digest, so it is the same content; what is not
 * provably the rest of it breaks the client's connection, as a registry that goes away does without Delgate.
 */
import type { Dispatcher } from 'undici'
import type { AnswerBody, Callback, Reached, Sink } from './exchange.js'
import { bytesToSkip, spanOf, type Span } from './span.js'
import { Stretch } from './stretch.js'

/** Between two tries to reach a registry that is away, the first time and at most, milliseconds. */
const RETRY_MINIMUM_MS = 50
const RETRY_MAXIMUM_MS = 1000
/** How often in a row a download is taken up again without getting on. Count. */
const LOSSES_MAXIMUM = 10
/** A download that has got on by this much may be lost as often again. Bytes. */
const PROGRESS_BYTES = 1024 * 1024
/** Something in front of the registry says with these that it is not there (yet). */
const AWAY: ReadonlySet<number> = new Set([502, 503, 504])
/** How a connection ends under a request. Not: a registry that is silent for too long, or Delgate's own closing. */
const LOST: ReadonlySet<string> = new Set(['UND_ERR_SOCKET', 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT'])

/** What a download needs of its surroundings. */
export interface DownloadParts {
  readonly dispatch: (options: Dispatcher.DispatchOptions, callback: Callback) => AnswerBody
  /** Scheme and host of the registry as it is now: another one than before, perhaps. */
  readonly origin: () => string
  /** How long the registry is waited for, seconds. */
  readonly waitSeconds: () => number
  /** Downloads that wait for the registry. */
  readonly waiting: Set<Download>
  /** Told of each download that goes on. */
  readonly onResumed: () => void
}

export class Download implements AnswerBody {
  /** What the first answer promised; there is none yet while it is `undefined`. */
  #span: Span | undefined
  #sent = 0
  #exchange: AnswerBody | undefined
  #stretch: Stretch | undefined
  #response: Sink | undefined
  #broken: ((error: Error) => void) | undefined
  #over = false
  #losses = 0
  #sentAtLoss = 0
  #deadline: NodeJS.Timeout | undefined
  #retry: NodeJS.Timeout | undefined

  /** @param callback gets the first answer, with this download as its body */
  constructor (private readonly options: Dispatcher.DispatchOptions, private readonly callback: Callback, private readonly parts: DownloadParts) {}

  begin (): void {
    this.#exchange = this.parts.dispatch(this.options, (error, answer) => {
      if (answer !== undefined) this.#deliver(answer)
      else if (isLost(error!) || this.parts.origin() !== this.options.origin) this.#lost(error!)
      else this.callback(error)
    })
  }

  sendTo (response: Sink, broken: (error: Error) => void): void {
    this.#response = response
    this.#broken = broken
    if (response.destroyed) {
      this.destroy()
      return
    }
    response.on('drain', () => { this.#stretch?.drained() })
    response.once('close', () => { this.destroy() })
    this.#flow(0)
  }

  /** Ends the download, and the wait for the registry. */
  destroy (): void {
    this.#over = true
    this.#stopWaiting()
    this.#exchange?.destroy()
  }

  /** The client gets no more: it sees a broken connection. */
  giveUp (error: Error): void {
    if (this.#over) return
    this.destroy()
    if (this.#span === undefined) {
      this.callback(error)
      return
    }
    this.#broken?.(error)
    this.#response?.destroy()
  }

  #deliver (answer: Reached): void {
    this.#span = spanOf(answer)
    this.callback(null, this.#span === undefined ? answer : { ...answer, body: this })
  }

  /** From now on what the registry sends goes to the client. */
  #flow (skip: number): void {
    const left = this.#span!.last - this.#span!.first + 1 - this.#sent
    this.#stretch = new Stretch(this.#response!, skip, left, {
      isOver: () => this.#over,
      sent: bytes => { this.#sent += bytes },
      complete: () => {
        this.destroy()
        this.#response!.end()
      },
      lost: error => {
        if (isLost(error)) this.#lost(error)
        else this.giveUp(error)
      }
    })
    this.#exchange!.sendTo(this.#stretch, this.#stretch.failed)
  }

  /** Waits for the registry. */
  #lost (error: Error): void {
    if (this.#over) return
    if (this.#sent - this.#sentAtLoss >= PROGRESS_BYTES) this.#losses = 0
    this.#sentAtLoss = this.#sent
    if (++this.#losses > LOSSES_MAXIMUM) {
      this.giveUp(error)
      return
    }
    this.#deadline = setTimeout(() => { this.giveUp(error) }, this.parts.waitSeconds() * 1000)
    this.parts.waiting.add(this)
    this.#retry = setTimeout(() => { this.#try(RETRY_MINIMUM_MS) }, 0)
  }

  #try (delayMs: number): void {
    this.#exchange = this.parts.dispatch({ ...this.options, origin: this.parts.origin(), headers: this.#headers() }, (_error, answer) => {
      const isAway = answer === undefined || AWAY.has(answer.statusCode)
      if (this.#over || isAway) answer?.body.destroy()
      if (this.#over) return
      if (isAway) this.#retry = setTimeout(() => { this.#try(Math.min(delayMs * 2, RETRY_MAXIMUM_MS)) }, delayMs)
      else this.#back(answer)
    })
  }

  /** The client's own headers, `Authorization` among them; but only for what it does not have yet. */
  #headers (): Dispatcher.DispatchOptions['headers'] {
    if (this.#span === undefined) return this.options.headers
    const headers = { ...this.options.headers as Record<string, string> }
    // It held for the first answer; now it could only turn the rest into the whole.
    delete headers['if-range']
    return { ...headers, range: `bytes=${this.#span.first + this.#sent}-${this.#span.last}` }
  }

  /** The registry answers again. */
  #back (answer: Reached): void {
    this.#stopWaiting()
    if (this.#span === undefined) {
      this.#deliver(answer)
      return
    }
    const skip = bytesToSkip(this.#span, this.#sent, answer)
    if (skip === undefined) {
      this.giveUp(new Error(`the registry went away, and now answers ${answer.statusCode}, which is not the rest of the download`))
      return
    }
    this.parts.onResumed()
    this.#flow(skip)
  }

  #stopWaiting (): void {
    clearTimeout(this.#deadline)
    clearTimeout(this.#retry)
    this.parts.waiting.delete(this)
  }
}

const isLost = (error: Error & { code?: string }): boolean => LOST.has(error.code ?? '')
