// Brings a fresh clone, or one that has changed, to where dist/main.js can be run.
import { readFileSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { root, say, show } from './run.mjs'

/** Installs the dependencies when they are missing or not those of package-lock.json. Exits when that fails. */
export async function installDependencies () {
  if (areInstalled()) return
  say('Installing dependencies (npm ci)…')
  if (!await npm('ci')) fail('npm ci failed: see above; it needs the network once.')
}

/** Compiles src/ to dist/ when dist/ is missing or older. Exits when that fails. */
export async function build () {
  const built = modified(join(root, 'dist', 'main.js'))
  const sources = readdirSync(join(root, 'src'), { recursive: true }).map((name) => join(root, 'src', name))
  const newest = Math.max(...[...sources, join(root, 'tsconfig.json'), join(root, 'tsconfig.build.json')].map(modified))
  if (built > newest) return
  say('Building…')
  // It writes dist/main.js last: what that is older than is built again.
  if (!await npm('run', '--silent', 'build')) fail('The build failed: see above.')
}

/** Runs npm; the one that runs this script, where it does. */
async function npm (...args) {
  const path = process.env.npm_execpath
  return path === undefined ? await show('npm', args) : await show(process.execPath, [path, ...args])
}

function areInstalled () {
  const lock = join(root, 'package-lock.json')
  const installed = join(root, 'node_modules', '.package-lock.json')
  if (modified(installed) === 0) return false
  return modified(installed) >= modified(lock) || hasSamePackages(lock, installed)
}

/** A checkout touches package-lock.json without changing it: then nothing needs to be installed again. */
function hasSamePackages (lock, installed) {
  const [wanted, present] = [lock, installed].map((path) => JSON.parse(readFileSync(path, 'utf8')).packages)
  return Object.entries(wanted).every(([name, { version, optional }]) =>
    name === '' || present[name]?.version === version || (optional === true && present[name] === undefined))
}

/** When a file was last changed, in milliseconds; 0 when there is none. */
function modified (path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}

/** Ends the script with a message. */
export function fail (text) {
  say(text)
  process.exit(1)
}
