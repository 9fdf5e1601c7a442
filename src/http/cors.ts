/**
 * Web user interfaces of registries run in a browser on another origin: they need the preflight of a DELETE answered
 * and `Docker-Content-Digest` exposed. Off unless origins are configured.
 */
import cors from '@fastify/cors'
import type { FastifyInstance } from 'fastify'

const EXPOSED = ['Docker-Content-Digest', 'Location', 'Link', 'WWW-Authenticate', 'Retry-After', 'Preference-Applied', 'Content-Range', 'Range']

/**
 * Any origin at all (`*`) is never let use what a browser remembers: each page that its user looks at could then delete with
 * the user's login. Such a page has to bring credentials of its own in `Authorization`.
 * @param origins those that may call; `*` means any
 */
export function installCors (app: FastifyInstance, origins: readonly string[]): void {
  if (origins.length === 0) return
  const isAny = origins.includes('*')
  void app.register(cors, {
    origin: isAny ? '*' : [...origins],
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    allowedHeaders: ['Authorization', 'Accept', 'Content-Type', 'Prefer'],
    exposedHeaders: EXPOSED,
    credentials: !isAny
  })
}
