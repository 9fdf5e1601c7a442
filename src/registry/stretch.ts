import type { Sink } from './exchange.js'

export interface StretchParts {
  readonly isOver: () => boolean
  readonly sent: (bytes: number) => void
  /** Everything has been sent. */
  readonly complete: () => void
  readonly lost: (error: Error) => void
}

/** One answer's share in a download, in the place of the client's response. */
export class Stretch implements Sink {
  #drained: (() => void) | undefined
  #error = new Error('the registry ended its answer too early')

  /**
   * @param skip bytes of the answer that the client has already
   * @param left bytes that the client still has to get
   */
  constructor (private readonly response: Sink, private skip: number, private left: number, private readonly parts: StretchParts) {}

  get destroyed (): boolean { return this.parts.isOver() }

  readonly failed = (error: Error): void => { this.#error = error }

  drained (): void { this.#drained?.() }

  /** The download itself listens to the response, for one stretch after the other; it also ends the answer. */
  on (event: 'drain' | 'close', listener: () => void): void {
    if (event === 'drain') this.#drained = listener
  }

  once (): void {}

  write (chunk: Buffer): boolean {
    let bytes = chunk
    if (this.skip > 0) {
      bytes = chunk.subarray(this.skip)
      this.skip -= chunk.length - bytes.length
      if (bytes.length === 0) return true
    }
    if (bytes.length > this.left) bytes = bytes.subarray(0, this.left)
    this.left -= bytes.length
    this.parts.sent(bytes.length)
    const isReady = this.response.write(bytes)
    // More than was asked for: the whole content instead of a range of it.
    if (this.left === 0 && bytes.length < chunk.length) this.parts.complete()
    return isReady
  }

  end (): void {
    if (this.left === 0) this.parts.complete()
    else this.parts.lost(this.#error)
  }

  destroy (): void { this.end() }
}
