#!/usr/bin/env node
/** Process entry: settings, app, listen, and a graceful end. */
import closeWithGrace from 'close-with-grace'
import { pino } from 'pino'
import { createApp } from './app.js'
import { requestedText } from './config/help.js'
import { loadSettings } from './config/load.js'
import { SetupError } from './setup-error.js'
import { readFileSync } from 'node:fs'

/** A stop that takes longer than this is ended hard, milliseconds: a running garbage-collect gets its time. */
const CLOSE_TIMEOUT_MS = 120_000

async function main (): Promise<void> {
  const argv = process.argv.slice(2)
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
  const text = requestedText(argv, version)
  if (text !== undefined) {
    process.stdout.write(`${text}\n`)
    return
  }
  const settings = loadSettings({ argv, env: process.env, cwd: process.cwd() })
  const logger = pino({ level: settings.log.level, redact: ['req.headers.authorization'] })
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

main().catch((error: unknown) => {
  const known = error instanceof SetupError || (error as NodeJS.ErrnoException).code === 'EADDRINUSE' || (error as NodeJS.ErrnoException).code === 'EACCES'
  process.stderr.write(`delgate: ${known ? (error as Error).message : `could not start: ${(error as Error).message}`}\n`)
  process.exitCode = 1
})
