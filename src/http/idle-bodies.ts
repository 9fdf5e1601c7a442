/**
 * Clients that announce a body and then send nothing of it: Node has no limit for them where a request may take as long
 * as it takes, and each keeps a connection to the registry. All are looked at together: no timer for each request.
 */
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'

/** How often in its time an idle body is looked at. */
const LOOKS = 5

interface Progress {
  /** Kept here: undici takes it from the request when it is done with the body. */
  readonly socket: Socket
  /** What the connection had received. */
  bytes: number
  /** When it was seen to receive something, or did not have to, milliseconds. */
  at: number
}

export class IdleBodies {
  readonly #open = new Map<IncomingMessage, Progress>()
  readonly #timer: NodeJS.Timeout

  /** @param seconds how long a client may send nothing of a body; then the request is broken off, at most a fifth of that later */
  constructor (private readonly seconds: number, private readonly log: { warn (fields: object, message: string): void }) {
    this.#timer = setInterval(() => { this.#look(performance.now()) }, seconds * 1000 / LOOKS).unref()
  }

  /** A request has begun. */
  watch (request: IncomingMessage): void {
    const { 'content-length': length, 'transfer-encoding': encoding } = request.headers
    if (encoding === undefined && (length === undefined || length === '0')) return
    const { socket } = request
    this.#open.set(request, { socket, bytes: socket.bytesRead, at: performance.now() })
    request.once('close', () => { this.#open.delete(request) })
  }

  close (): void {
    clearInterval(this.#timer)
    this.#open.clear()
  }

  #look (now: number): void {
    for (const [request, progress] of this.#open) {
      const { socket } = progress
      if (request.complete || socket.destroyed) {
        this.#open.delete(request)
      } else if (socket.bytesRead !== progress.bytes || request.readableLength > 0) {
        // What has come and was not taken yet is not the client's fault: the registry is slow, or the request is held.
        progress.bytes = socket.bytesRead
        progress.at = now
      } else if (now - progress.at >= this.seconds * 1000) {
        this.#open.delete(request)
        this.log.warn({ url: request.url, peer: socket.remoteAddress, seconds: this.seconds }, 'a client sent nothing of a body that it had announced; the connection was closed')
        socket.destroy()
      }
    }
  }
}
