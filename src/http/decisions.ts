/** Writes down what was decided about a request that deletes, or would overwrite: see src/audit. */
import type { FastifyRequest } from 'fastify'
import type { Action, AuditEntry, Who } from '../audit/entry.js'
import type { AuditLog } from '../audit/log.js'
import { Refusals } from '../audit/refusals.js'
import { CodedError } from '../errors.js'
import type { Job } from '../jobs/job.js'

export interface Decision {
  readonly action: Action
  readonly target: AuditEntry['target']
  /** Who the caller is, as far as it was verified. */
  readonly user?: string | undefined
}

export class Decisions {
  readonly #refusals: Refusals

  constructor (private readonly log: Pick<AuditLog, 'record'>) { this.#refusals = new Refusals(log) }

  /** It is carried out. */
  async accepted (request: FastifyRequest, { action, target, user }: Decision, job: Job): Promise<void> {
    await this.log.record({ action, outcome: 'accepted', who: whoOf(request, user), target, job: job.id, status: 202 })
  }

  /** A queued job was cancelled. */
  async cancelled (request: FastifyRequest, job: Job, user: string | undefined): Promise<void> {
    await this.log.record({ action: 'cancel', outcome: 'cancelled', who: whoOf(request, user), target: job.target, job: job.id })
  }

  /** The trash was emptied. @param bytes freed */
  async emptied (request: FastifyRequest, bytes: number, user: string | undefined): Promise<void> {
    await this.log.record({ action: 'empty-trash', outcome: 'done', who: whoOf(request, user), target: { type: 'trash' }, status: 200, bytes })
  }

  /** It is not carried out: by an error, or by the registry's own refusal. */
  async refused (request: FastifyRequest, { action, target, user }: Decision, why: unknown): Promise<void> {
    const { status, code, reason } = reasonOf(why)
    if (isNoDecision(status, request)) return
    await this.#refusals.record({ action, outcome: 'refused', who: whoOf(request, user), target, status, code, reason })
  }

  /** Writes down what was left out up to now. */
  async close (): Promise<void> { await this.#refusals.close() }
}

/** What does not exist, and the challenge to somebody who has not shown any credentials yet. */
const isNoDecision = (status: number, { headers }: FastifyRequest): boolean => status === 404 || (status === 401 && headers.authorization === undefined)

/** Who asked. What a caller only says to be is not taken for it; a refused one is known by its address. */
export function whoOf (request: FastifyRequest, user: string | undefined): Who {
  const agent = request.headers['user-agent']
  return { ...(user === undefined ? {} : { user }), address: request.ip, ...(agent === undefined ? {} : { agent }) }
}

function reasonOf (why: unknown): { status: number, code: string, reason: string } {
  if (why instanceof CodedError) return { status: why.statusCode, code: why.code, reason: why.message }
  return { status: 500, code: 'INTERNAL', reason: (why as Error).message }
}
