/** `GET /metrics`: what Prometheus scrapes. It names no repository, so it may be open where the interface is not. */
import type { FastifyInstance } from 'fastify'
import type { Access } from '../access/access.js'
import { callerOf } from './caller.js'
import { passBack } from './authorise.js'

export interface MetricsParts {
  readonly text: () => Promise<string>
  readonly contentType: string
  /** Who is asked whether the caller is let in; `undefined`: everybody is. */
  readonly access: Pick<Access, 'enter'> | undefined
}

export function installMetrics (app: FastifyInstance, { text, contentType, access }: MetricsParts): void {
  app.get('/metrics', async (request, reply) => {
    const verdict = await access?.enter(callerOf(request))
    if (verdict?.outcome === 'refused') return await passBack(reply, verdict.answer)
    return await reply.type(contentType).send(await text())
  })
}
