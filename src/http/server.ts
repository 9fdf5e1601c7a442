/** The HTTP server: Fastify with what holds for every route. */
import fastify, { LogController, type FastifyBaseLogger, type FastifyInstance } from 'fastify'
import { CodedError } from '../errors.js'
import { answer, installErrors } from './errors.js'
import { Farewell } from './farewell.js'
import { createListener, type ListenerSettings } from './listener.js'

export interface ServerSettings extends ListenerSettings {
  readonly bodyBytes: number
  readonly trustProxy: boolean | string[]
}

export function createServer (settings: ServerSettings, logger: FastifyBaseLogger): FastifyInstance {
  const app = fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    // No logger of its own for each request: one that goes well logs nothing, and making it costs a tenth of forwarding.
    childLoggerFactory: parent => parent,
    trustProxy: settings.trustProxy,
    bodyLimit: settings.bodyBytes,
    exposeHeadRoutes: false,
    forceCloseConnections: 'idle',
    // A body that is not understood whole is refused, never trimmed into something else.
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false } },
    serverFactory: handler => createListener(handler, settings, logger),
    frameworkErrors: (error, request, reply) => { void answer(error, request as never, reply as never) },
    clientErrorHandler: clientError
  })
  installErrors(app)
  const farewell = new Farewell(app.server)
  app.addHook('preClose', async () => { farewell.begin() })
  return app
}

/** What Node could not even parse as a request. Where TLS was not agreed on, there is nobody to understand an answer. */
function clientError (error: Error & { code?: string }, socket: import('node:net').Socket): void {
  const isHttp = error.code?.startsWith('HPE_') === true || error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
  if (!isHttp || socket.destroyed || !socket.writable) {
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
