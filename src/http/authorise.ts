/** Asks whether a caller may delete, and passes a refusal back as it is. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Access } from '../access/access.js'
import { CodedError, unsupported } from '../errors.js'
import type { Asker } from '../jobs/deleter.js'
import type { RepositoryName } from '../oci/name.js'
import { lacksScope, type Answer } from '../registry/client.js'
import { callerOf } from './caller.js'
import { whoOf, type Decision, type Decisions } from './decisions.js'

export interface AuthoriseParts {
  readonly access: Pick<Access, 'delete'>
  readonly decisions: Pick<Decisions, 'refused'>
}

/**
 * Whether the caller may delete in all these repositories. A refusal of the registry is passed back as it is.
 * @param decision what a refusal is written down about; nothing is where it is left out
 * @returns who the caller is; `undefined` when the answer has been sent
 */
export async function authorise (request: FastifyRequest, reply: FastifyReply, repositories: readonly RepositoryName[], { access, decisions }: AuthoriseParts, decision?: Decision): Promise<Asker | undefined> {
  const caller = callerOf(request)
  let user: string | undefined
  for (const repository of repositories) {
    const verdict = await access.delete(repository, caller)
    if (verdict.outcome === 'unsupported') throw unsupported(`${verdict.reason}: nothing can be deleted`)
    if (verdict.outcome === 'refused') {
      if (decision !== undefined) await decisions.refused(request, decision, notHere(verdict.answer))
      await passBack(reply, verdict.answer)
      return undefined
    }
    user = verdict.user
  }
  return { authorization: caller.authorization, user, by: whoOf(request, user), traceparent: caller.traceparent }
}

/**
 * Answers a stranger as the registry does of the repository that is named, without looking for what lies below it: that walks the
 * whole tree. A good token that is for other repositories may be for those below.
 */
export async function isTurnedAway (request: FastifyRequest, reply: FastifyReply, repository: RepositoryName, { access, decisions }: AuthoriseParts, decision: Decision | undefined): Promise<boolean> {
  const caller = callerOf(request)
  const verdict = await access.delete(repository, caller)
  if (verdict.outcome !== 'refused' || (caller.authorization !== undefined && isKnown(verdict.answer))) return false
  if (decision !== undefined) await decisions.refused(request, decision, notHere(verdict.answer))
  await passBack(reply, verdict.answer)
  return true
}

/** Credentials that are right, but not for this. */
const isKnown = (answer: Answer): boolean => answer.status === 403 || lacksScope(answer)

const notHere = ({ status }: Answer): CodedError => new CodedError(status, 'UNAUTHORIZED', 'the caller may not delete here')

/** The registry's own answer, with its challenge. */
export async function passBack (reply: FastifyReply, answer: Answer): Promise<void> {
  for (const name of ['www-authenticate', 'content-type', 'docker-distribution-api-version', 'retry-after']) {
    const value = answer.headers[name]
    if (value !== undefined) reply.header(name, value)
  }
  await reply.code(answer.status).send(answer.body)
}
