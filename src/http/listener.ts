/** The server below Fastify: with TLS or without, and the limits that hold before there is a request. */
import { createServer as createHttpServer, type Server } from 'node:http'
import { createServer as createHttpsServer, type Server as HttpsServer } from 'node:https'
import type { FastifyBaseLogger, FastifyServerFactoryHandler } from 'fastify'
import { secureOptions, type Pems } from '../pem/read.js'
import { IdleBodies } from './idle-bodies.js'

export interface ListenerSettings {
  /** Most connections that are open at once. */
  readonly connections: number
  readonly headerBytes: number
  /** How long a client may take to send a request's head, or to agree on TLS, seconds. */
  readonly headSeconds: number
  /** How long a client may send nothing of a body, seconds. */
  readonly bodyIdleSeconds: number
  /** With it, TLS is spoken. */
  readonly certificate: Pems | undefined
}

/** An idle client connection is closed after this long: longer than proxies in front keep theirs. Milliseconds. */
const KEEP_ALIVE_MS = 75_000
/** How often Node looks for heads that are late, at most; it looks more often where less time is given. Milliseconds. */
const CHECKING_MS = 10_000
/** Between two warnings that there are too many connections, milliseconds. */
const WARNING_INTERVAL_MS = 60_000

export function createListener (handler: FastifyServerFactoryHandler, settings: ListenerSettings, log: FastifyBaseLogger): Server {
  const headMs = Math.ceil(settings.headSeconds * 1000)
  const options = {
    keepAliveTimeout: KEEP_ALIVE_MS,
    maxHeaderSize: settings.headerBytes,
    headersTimeout: headMs,
    connectionsCheckingInterval: Math.min(Math.ceil(headMs / 4), CHECKING_MS),
    // A push may take as long as it takes: no limit on the whole request (Node's own default is 300 s).
    requestTimeout: 0
  }
  const server = settings.certificate === undefined
    ? createHttpServer(options, handler)
    : createHttpsServer({ ...options, ...secureOptions(settings.certificate), handshakeTimeout: headMs }, handler) as unknown as Server
  limitConnections(server, settings.connections, log)
  limitBodies(server, settings.bodyIdleSeconds, log)
  endQueued(server)
  return server
}

/** New connections get this certificate; those that are open go on. Only for a server that speaks TLS. */
export function renewCertificate (server: Server, certificate: Pems): void {
  (server as unknown as HttpsServer).setSecureContext(secureOptions(certificate))
}

function limitConnections (server: Server, connections: number, log: FastifyBaseLogger): void {
  server.maxConnections = connections
  let warnedAt = -Infinity
  server.on('drop', data => {
    if (performance.now() - warnedAt < WARNING_INTERVAL_MS) return
    warnedAt = performance.now()
    log.warn({ peer: data?.remoteAddress, connections }, 'a client was turned away: limits.connections are open already')
  })
}

function limitBodies (server: Server, seconds: number, log: FastifyBaseLogger): void {
  const bodies = new IdleBodies(seconds, log)
  server.on('request', request => { bodies.watch(request) })
  server.once('close', () => { bodies.close() })
}

/**
 * A response that stands behind another one in its connection (HTTP pipelining) has no socket yet, and Node does not tell
 * it when the connection ends: whoever waits for its `close` would wait for ever.
 */
function endQueued (server: Server): void {
  server.prependListener('request', ({ socket }, response) => {
    if (response.socket !== null) return
    const end = (): void => {
      if (response.closed || response.socket !== null) return
      response.destroy()
      response.emit('close')
    }
    socket.once('close', end)
    response.once('close', () => { socket.off('close', end) })
  })
}
