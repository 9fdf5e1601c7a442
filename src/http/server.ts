/** The HTTP server: Fastify with what holds for every route. */
import fastify, { LogController, type FastifyBaseLogger, type FastifyInstance } from 'fastify'
import { CodedError } from '../errors.js'
import { answer, installErrors } from './errors.js'

export interface ServerSettings {
  readonly bodyBytes: number
  readonly headerBytes: number
  readonly trustProxy: boolean | string[]
}

/** An idle client connection is closed after this long: longer than proxies in front keep theirs. Milliseconds. */
const KEEP_ALIVE_MS = 75_000

export function createServer (settings: ServerSettings, logger: FastifyBaseLogger): FastifyInstance {
  const app = fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    // No logger of its own for each request: one that goes well logs nothing, and making it costs a tenth of forwarding.
    childLoggerFactory: parent => parent,
    trustProxy: settings.trustProxy,
    bodyLimit: settings.bodyBytes,
    keepAliveTimeout: KEEP_ALIVE_MS,
    exposeHeadRoutes: false,
    forceCloseConnections: 'idle',
    // A body that is not understood whole is refused, never trimmed into something else.
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false } },
    // A push may take as long as it takes: no limit on the whole request (Node's own default is 300 s).
    requestTimeout: 0,
    http: { maxHeaderSize: settings.headerBytes },
    frameworkErrors: (error, request, reply) => { void answer(error, request as never, reply as never) },
    clientErrorHandler: clientError
  })
  installErrors(app)
  return app
}

/** What Node could not even parse as a request. */
function clientError (error: Error & { code?: string }, socket: import('node:net').Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) {
    socket.destroy()
    return
  }
  const tooLarge = error.code === 'HPE_HEADER_OVERFLOW'
  const timeout = error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
  const status = tooLarge ? '431 Request Header Fields Too Large' : timeout ? '408 Request Timeout' : '400 Bad Request'
  const message = tooLarge ? 'the request head is too large' : timeout ? 'the request head did not arrive in time' : 'malformed HTTP request'
  const body = JSON.stringify(new CodedError(Number(status.slice(0, 3)), 'REQUEST_INVALID', message))
  socket.end(`HTTP/1.1 ${status}\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`)
}
