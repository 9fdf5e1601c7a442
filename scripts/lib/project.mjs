// Brings a fresh clone, or one that has changed, to where dist/main.js can be run.
import { readFileSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { root, say, show } from './run.mjs'

/** Installs the dependencies when they are missing or not those of package-lock.json. Exits when that fails. */
export async function installDependencies () {
  if (areInstalled()) return
  say('Installing dependencies (npm ci)…')
  const npm = process.env.npm_execpath
  const done = npm === undefined ? await show('npm', ['ci']) : await show(process.execPath, [npm, 'ci'])
  if (!done) fail('npm ci failed: see above; it needs the network once.')
}

/** Compiles src/ to dist/ when dist/ is missing or older. Exits when that fails. */
export async function build () {
  const built = modified(join(root, 'dist', 'main.js'))
  const sources = readdirSync(join(root, 'src'), { recursive: true }).map((name) => join(root, 'src', name))
  const newest = Math.max(...[...sources, join(root, 'tsconfig.json'), join(root, 'tsconfig.build.json')].map(modified))
  if (built > newest) return
  say('Building…')
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  // The page first: what dist/main.js is older than is built again.
  const steps = [[compiler, '-p', 'src/page'], [join(root, 'scripts', 'build-page.mjs')], [compiler, '-p', 'tsconfig.build.json', '--noEmitOnError']]
  for (const step of steps) if (!await show(process.execPath, step)) fail('The build failed: see above.')
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
