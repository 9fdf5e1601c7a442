/**
 * The end of a server, without waiting for connections on which nobody waits: those that a browser has opened ahead and not
 * used, which Node takes for busy, and those that come to rest only after the end has begun, which Node would keep for as long
 * as it keeps any that rest.
 */
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { Server as TlsServer } from 'node:tls'

/** Between two looks, milliseconds. */
const LOOK_MS = 50

export class Farewell {
  /** Connections on which no request has come. */
  readonly #unused = new Set<Socket>()

  /** @param server from its beginning */
  constructor (private readonly server: Server) {
    // With TLS, it is the encrypted connection that requests come on.
    server.on(server instanceof TlsServer ? 'secureConnection' : 'connection', (socket: Socket) => {
      this.#unused.add(socket)
      socket.once('close', () => { this.#unused.delete(socket) })
    })
    server.on('request', ({ socket }) => { this.#unused.delete(socket) })
  }

  /** To be called when the server is about to close: until it has, connections go as soon as nobody waits on them. */
  begin (): void {
    // One that never came to listen has no connections, and tells of no end.
    if (!this.server.listening) return
    const look = (): void => {
      this.server.closeIdleConnections()
      for (const socket of this.#unused) socket.destroy()
    }
    const timer = setInterval(look, LOOK_MS)
    this.server.once('close', () => { clearInterval(timer) })
  }
}
