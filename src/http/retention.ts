/** Runs of the retention rules, by request. */
import type { FastifyInstance } from 'fastify'
import { requestInvalid } from '../errors.js'
import type { Retainer } from '../jobs/retainer.js'
import type { RuleSettings } from '../retention/rules.js'
import { authorise } from './authorise.js'
import { decide, sendJob, type Deciding, type DeleteParts } from './delete.js'
import { parseDeleteQuery, parseWait } from './prefer.js'
import { queryOf } from './url.js'

export interface RetentionApi {
  readonly retainer: Pick<Retainer, 'repositories' | 'rehearse' | 'run'>
  readonly rules: readonly RuleSettings[]
  /** The cron expression, where there is one. */
  readonly schedule: string | undefined
  /** When the next run is due, ISO 8601. */
  readonly next: () => string | undefined
  /** What has no last pull counts from then, milliseconds since the epoch. */
  readonly pullsKnownSince: () => number
}

export function installRetention (api: FastifyInstance, { deletes, retention }: { readonly deletes: DeleteParts, readonly retention: RetentionApi }): void {
  const { retainer, rules, schedule, next, pullsKnownSince } = retention
  api.get('/retention', async () => ({ rules, schedule, nextScheduledAt: next(), pullsKnownSince: new Date(pullsKnownSince()).toISOString() }))
  api.post('/retention/runs', async (request, reply) => {
    const wait = parseWait(request.headers.prefer)
    const { dryRun } = parseDeleteQuery(queryOf(request.raw.url!), ['dry-run'])
    if (rules.length === 0) throw requestInvalid('there are no rules: set retention.rules in the configuration, and start Delgate again')
    const decision: Deciding = { action: 'delete', target: { type: 'retention' } }
    const noted = dryRun ? undefined : decision
    const job = await decide(request, reply, noted, deletes, async () => {
      const repositories = await retainer.repositories()
      const asker = await authorise(request, reply, repositories, deletes, noted)
      if (asker === undefined) return undefined
      if (dryRun) {
        await reply.code(200).send({ dryRun: true, ...await retainer.rehearse(repositories) })
        return undefined
      }
      decision.user = asker.user
      return await retainer.run(repositories, asker)
    })
    if (job === undefined) return
    await deletes.decisions.accepted(request, decision, job)
    request.log.info({ jobId: job.id }, 'a run of the retention rules was asked for')
    await sendJob(reply, job, wait, deletes)
  })
}
