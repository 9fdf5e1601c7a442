/**
 * Reads that are made again. Registry 2.8 truncates a link before it writes it (registry/storage/driver/filesystem,
 * PutContent), so whoever reads a manifest or a blob at the moment in which the same content is pushed again to its
 * repository gets a 500, "invalid checksum digest format" in the registry's log. A moment later the link is whole.
 */
import type { Dispatcher } from 'undici'
import type { AnswerBody, Callback, Sink } from './exchange.js'

/** What the registry answers then. */
const UNKNOWN_ERROR = 500
/** Before each further try, milliseconds: a busy disk may take a while between the one and the other. */
const PAUSES_MS: readonly number[] = [5, 50, 400]

export class Repeat implements AnswerBody {
  #body: AnswerBody
  #tries = 0
  #unwanted = false

  /**
   * @param dispatch sends a request to the registry
   * @param callback gets the first answer that is not a 500, or the last
   */
  constructor (
    private readonly options: Dispatcher.DispatchOptions,
    private readonly callback: Callback,
    private readonly dispatch: (options: Dispatcher.DispatchOptions, callback: Callback) => AnswerBody
  ) {
    this.#body = this.#try()
  }

  sendTo (response: Sink, broken: (error: Error) => void): void { this.#body.sendTo(response, broken) }

  destroy (): void {
    this.#unwanted = true
    this.#body.destroy()
  }

  #try (): AnswerBody {
    return this.dispatch(this.options, (error, answer) => {
      const pause = PAUSES_MS[this.#tries++]
      if (answer?.statusCode !== UNKNOWN_ERROR || pause === undefined || this.#unwanted) return this.callback(error, answer)
      answer.body.destroy()
      setTimeout(() => {
        // Whoever does not want the answer any more is told the same as by a request that was ended.
        if (this.#unwanted) this.callback(new Error('the client does not want the answer any more'))
        else this.#body = this.#try()
      }, pause)
    })
  }
}
