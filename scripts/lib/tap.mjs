// tap, made what .taprc asks for; and run for the scripts that run some of the tests for long.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { fail } from './project.mjs'
import { root, say, show } from './run.mjs'

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

/** Makes tap what .taprc asks for. It would do that itself, but run the tests as before the first time. */
export async function prepareTap () {
  const built = readFileSync(join(root, 'node_modules', '@tapjs', 'test', 'test-built', 'dist', 'esm', 'index.js'), 'utf8')
  if (!built.includes('@tapjs/typescript')) return
  say('Preparing tap…')
  if (!await show(process.execPath, [join(root, 'node_modules', '.bin', 'tap'), 'build'])) fail('tap could not be prepared: see above.')
}
