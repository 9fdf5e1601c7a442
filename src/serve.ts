/** Serves as the gate: settings, app, listen, and a graceful end. */
import closeWithGrace from 'close-with-grace'
import { pino } from 'pino'
import { requestedText } from './config/help.js'
import { loadSettings } from './config/load.js'
import { SetupError } from './setup-error.js'

/** A stop that takes longer than this is ended hard, milliseconds: a running garbage-collect gets its time. */
const CLOSE_TIMEOUT_MS = 120_000

/**
 * Resolves when the gate serves; from then on signals end it.
 * @param argv settings as flags
 * @throws Error that says why it cannot start; `startProblem` has the words
 */
export async function serve (argv: readonly string[], version: string): Promise<void> {
  const text = requestedText(argv, version)
  if (text !== undefined) {
    process.stdout.write(`${text}\n`)
    return
  }
  const settings = loadSettings({ argv, env: process.env, cwd: process.cwd() })
  const logger = pino({ level: settings.log.level, redact: ['req.headers.authorization'] })
  const { createApp } = await import('./app.js')
  const app = await createApp(settings, { logger })
  const grace = closeWithGrace({ delay: CLOSE_TIMEOUT_MS, logger: false }, async ({ err, signal }) => {
    if (err !== undefined) logger.fatal({ err }, 'stopping after an error that nobody expected')
    else logger.info({ signal }, 'stopping')
    await app.close()
  })
  const url = await app.listen().catch(async error => {
    grace.uninstall()
    await app.close()
    throw error
  })
  const host = url.replace(/^https?:\/\//, '')
  const { collector, freshness, why } = app.choice
  process.stdout.write(`Collector: ${collector}; the registry forgets by: ${freshness} (${why})\n`)
  process.stdout.write(`Delgate is ready on ${url} — try: docker push ${host}/team/app:1, then: curl -X DELETE '${url}/v2/team/app/manifests/1'\n`)
}

/** Why it did not start, in one line. */
export function startProblem (error: unknown): string {
  const { message, code } = error as NodeJS.ErrnoException
  return error instanceof SetupError || code === 'EADDRINUSE' || code === 'EACCES' ? message : `could not start: ${message}`
}
