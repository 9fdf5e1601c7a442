/** The page at `/delgate/`: static files that the build has made. It needs no login; what it asks for does. */
import { fileURLToPath } from 'node:url'
import statics from '@fastify/static'
import type { FastifyInstance } from 'fastify'

/** Where the build puts them, seen from the sources and from the compiled modules alike. */
const DIRECTORY = fileURLToPath(new URL('../../dist/page/', import.meta.url))
/** The build names the directory of what never changes after its content. */
const IS_LASTING = /[\\/]assets-[0-9a-f]+[\\/]/
const LASTING = 'public, max-age=31536000, immutable'

const HEADERS = {
  'content-security-policy': "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff'
}

/** Serves the page, and nothing else of the directory's surroundings: each file is a route of its own, found at the start. */
export function installPage (app: FastifyInstance): void {
  void app.register(async page => {
    page.addHook('onRequest', async (_request, reply) => { reply.headers(HEADERS) })
    // Relative, so that it also leads there below a path that a proxy has put in front.
    page.get('/delgate', async (_request, reply) => await reply.code(308).header('location', 'delgate/').send())
    await page.register(statics, {
      root: DIRECTORY,
      prefix: '/delgate/',
      wildcard: false,
      decorateReply: false,
      cacheControl: false,
      setHeaders: (reply, path) => { void reply.header('cache-control', IS_LASTING.test(path) ? LASTING : 'no-cache') }
    })
  })
}
