/** Every error leaves as OCI error JSON, without a stack trace and without a path of the machine. */
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { CodedError, badGateway, requestInvalid } from '../errors.js'
import { HoldExceeded } from '../traffic/admission.js'
import { RoomExceeded } from './manifest-room.js'

/** How long a client should wait that could not be held, or not any longer, seconds. */
const RETRY_AFTER_SECONDS = 5
/** These retry 429 and give up on 503; docker and crane do it the other way round. */
const RETRIES_429 = /skopeo|containers\/|regclient|regctl|oras/i

/** The words of OpenSSL and of Node for a certificate, or a connection, that one side did not accept. */
const INSECURE = /^ERR_(?:SSL|TLS)_|^EPROTO$|CERT|LEAF_SIGNATURE|^INVALID_(?:CA|PURPOSE)$|^PATH_LENGTH/

/** Installs the handlers for errors and unknown routes. */
export function installErrors (app: FastifyInstance): void {
  app.setErrorHandler((error: FastifyError, request, reply) => { void answer(error, request, reply) })
  app.setNotFoundHandler((_request, reply) => {
    void send(reply, new CodedError(404, 'UNSUPPORTED', 'no such route; the registry is under /v2/, Delgate under /delgate/v1/'))
  })
}

/** Answers with an error, as the client that asks understands it best. */
export async function answer (error: unknown, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  await send(reply, toCoded(error, request))
}

async function send (reply: FastifyReply, error: CodedError): Promise<void> {
  if (reply.sent || reply.raw.headersSent) {
    reply.raw.destroy()
    return
  }
  await reply.code(error.statusCode).headers(error.headers).type('application/json; charset=utf-8').send(error.toJSON())
}

function toCoded (error: unknown, request: FastifyRequest): CodedError {
  if (error instanceof CodedError) return error
  if (error instanceof HoldExceeded || error instanceof RoomExceeded) return later(error, request.headers['user-agent'] ?? '')
  const { statusCode } = error as FastifyError
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) return new CodedError(statusCode, requestInvalid('').code, messageOf(error as FastifyError))
  request.log.error({ err: error }, 'request failed')
  return new CodedError(500, 'INTERNAL', 'Delgate could not do this; its log says why')
}

/** Fastify's own messages of 4xx are written for clients, but some quote what the client sent. */
function messageOf (error: FastifyError): string {
  return error.code === 'FST_ERR_BAD_URL' ? 'the path is not properly encoded' : error.message
}

function later (error: HoldExceeded | RoomExceeded, userAgent: string): CodedError {
  const headers = { 'retry-after': String(RETRY_AFTER_SECONDS) }
  const message = `${error.message}; try again`
  return RETRIES_429.test(userAgent)
    ? new CodedError(429, 'TOOMANYREQUESTS', message, undefined, headers)
    : new CodedError(503, 'UNAVAILABLE', message, undefined, headers)
}

/** The registry did not answer: refused or broken connection 503 (it may come back), anything else 502. */
export function upstreamError (error: Error): CodedError {
  const { code } = (error.cause ?? error) as { code?: string }
  if (code !== undefined && ['ECONNREFUSED', 'ENOTFOUND', 'UND_ERR_CONNECT_TIMEOUT', 'EHOSTUNREACH'].includes(code)) {
    return new CodedError(503, 'UNAVAILABLE', 'the registry cannot be reached', undefined, { 'retry-after': String(RETRY_AFTER_SECONDS) })
  }
  if (code !== undefined && INSECURE.test(code)) return badGateway(`no secure connection to the registry: ${code}`)
  return badGateway('the registry broke the connection')
}
