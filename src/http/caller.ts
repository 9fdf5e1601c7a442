/** Who makes a request. */
import type { FastifyRequest } from 'fastify'
import type { Caller } from '../access/access.js'
import { traceOf } from './trace.js'

export const callerOf = (request: FastifyRequest): Caller => ({ authorization: request.headers.authorization, address: request.ip, traceparent: traceOf(request)?.traceparent })
