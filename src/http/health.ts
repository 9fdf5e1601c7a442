/** `GET /healthz`: the process is alive. `GET /readyz`: it can serve. */
import type { FastifyInstance } from 'fastify'

/**
 * @param problem why requests cannot be served at the moment; `undefined` when they can
 */
export function installHealth (app: FastifyInstance, problem: () => Promise<string | undefined>): void {
  app.get('/healthz', async () => ({ status: 'ok' }))
  app.get('/readyz', async (_request, reply) => {
    const reason = await problem()
    return await reply.code(reason === undefined ? 200 : 503).send(reason === undefined ? { status: 'ready' } : { status: 'not ready', reason })
  })
}
