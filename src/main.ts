#!/usr/bin/env node
/** Process entry: a command of the client, or the gate itself. Each loads only what it needs. */
import { readFileSync } from 'node:fs'
import type { World } from './cli/session.js'

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }

async function main (): Promise<void> {
  const argv = process.argv.slice(2)
  const [command] = argv
  if (command === undefined || command.startsWith('-') || command === 'serve') await startGate(command === 'serve' ? argv.slice(1) : argv)
  else await runClient(argv)
}

async function startGate (argv: readonly string[]): Promise<void> {
  const { serve, startProblem } = await import('./serve.js')
  await serve(argv, version).catch((error: unknown) => {
    process.stderr.write(`delgate: ${startProblem(error)}\n`)
    process.exitCode = 1
  })
}

async function runClient (argv: readonly string[]): Promise<void> {
  const { runCommand } = await import('./cli/program.js')
  const interrupt = new AbortController()
  process.once('SIGINT', () => { interrupt.abort() })
  // Whoever reads has had enough (`delgate ls | head`): that is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => { process.exit(error.code === 'EPIPE' ? 0 : 1) })
  const world: World = { environment: process.env, input: process.stdin, out: process.stdout, err: process.stderr, signal: interrupt.signal }
  process.exitCode = await runCommand(argv, world, {
    settingsHelp: async () => (await import('./config/help.js')).helpText(),
    inspect: async function * (config) { yield * (await import('./inspection/inspect.js')).inspect(config) }
  })
}

main().catch((error: unknown) => {
  process.stderr.write(`delgate: ${(error as Error).message}\n`)
  process.exitCode = 1
})
