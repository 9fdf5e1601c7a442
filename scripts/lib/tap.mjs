// Runs tests with tap, for the scripts that run some of them for long.
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { join } from 'node:path'
import { fail } from './project.mjs'
import { root, say } from './run.mjs'

/** Ends the script as tap ends; where tests failed, it says `repeat`. */
export function runTap (args, env, repeat) {
  const tap = join(root, 'node_modules', '.bin', 'tap')
  const child = spawn(process.execPath, [tap, '--disable-coverage', ...args], { cwd: root, env: { ...process.env, ...env }, stdio: 'inherit' })
  // The terminal sends a Ctrl-C to both; what only this process gets is passed on.
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  child.once('error', (error) => fail(error.message))
  child.once('exit', (code, signal) => {
    if (code !== 0) say(`It failed. To repeat: ${repeat}`)
    process.exit(code ?? 128 + constants.signals[signal])
  })
}
