// Before npm test: dependencies, build, and the real programs that the tests run. Says one line for each program.
import { homedir } from 'node:os'
import { join } from 'node:path'
import { build, installDependencies } from './lib/project.mjs'
import { buildWithGo, cacheDirectory, findRegistry, unpackDebian } from './lib/registry-binary.mjs'
import { prepareTap } from './lib/tap.mjs'
import { findProgram, isRoot, read, say, show } from './lib/run.mjs'

await installDependencies()
await build()
await prepareTap()

const go = findProgram('go', ['/usr/local/go/bin'])
const goPath = (go && read(go, ['env', 'GOPATH'])?.trim()) || join(homedir(), 'go')
const directories = [join(goPath, 'bin'), cacheDirectory]
let isUpdated = false

async function apt (name) {
  if (!isRoot || findProgram('apt-get') === undefined) return undefined
  // Tests start what they need themselves: a package's service stays off (invoke-rc.d honours it).
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  if (!isUpdated) isUpdated = await show('apt-get', ['update', '-qq'], { env })
  return await show('apt-get', ['install', '-y', '-qq', '--no-install-recommends', name], { env })
}

const isVersion = (prefix) => (version) => version.startsWith(prefix)
const tools = [
  {
    name: 'registry 2.8',
    find: () => findRegistry(isVersion('2.8.'), directories)?.path,
    install: unpackDebian,
    hint: 'Debian: apt-get install docker-registry'
  },
  {
    name: 'registry 3.1',
    find: () => findRegistry(isVersion('3.1.'), directories)?.path,
    install: () => buildWithGo(),
    hint: 'install Go; or go install github.com/distribution/distribution/v3/cmd/registry@v3.1.1'
  },
  {
    name: 'crane',
    find: () => findProgram('crane', directories),
    install: () => buildWithGo('github.com/google/go-containerregistry/cmd/crane@latest', 'crane'),
    hint: 'install Go; or go install github.com/google/go-containerregistry/cmd/crane@latest'
  },
  { name: 'skopeo', find: () => findProgram('skopeo'), install: () => apt('skopeo'), hint: 'Debian: apt-get install skopeo' },
  { name: 'curl', find: () => findProgram('curl'), install: () => apt('curl'), hint: 'Debian: apt-get install curl' },
  { name: 'openssl', find: () => findProgram('openssl'), install: () => apt('openssl'), hint: 'Debian: apt-get install openssl' },
  { name: 'redis-server', find: () => findProgram('redis-server'), install: () => apt('redis-server'), hint: 'Debian: apt-get install redis-server' },
  // A daemon is nothing to install on somebody's machine unasked, nor what would serve its port 80.
  { name: 'dockerd', find: () => findProgram('dockerd', ['/usr/sbin']), install: () => undefined, hint: 'Debian: apt-get install docker.io' },
  { name: 'nginx', find: () => findProgram('nginx', ['/usr/sbin']), install: () => undefined, hint: 'Debian: apt-get install nginx' },
  { name: 'caddy', find: () => findProgram('caddy'), install: () => undefined, hint: 'Debian: apt-get install caddy' },
  { name: 'systemd-analyze', find: () => findProgram('systemd-analyze'), install: () => undefined, hint: 'Debian: apt-get install systemd' }
]

const missing = []
for (const { name, find, install, hint } of tools) {
  const found = find()
  if (found === undefined) await install()
  const path = found ?? find()
  const state = path === undefined ? `missing: the tests that need it are skipped (${hint})` : `${found === undefined ? 'installed' : 'found'}: ${path}`
  say(`${name.padEnd(15)} ${state}`)
  if (path === undefined) missing.push(name)
}
if (process.env.CI === 'true' && missing.length > 0) {
  say(`Missing in CI, where nothing may be skipped: ${missing.join(', ')}`)
  process.exit(1)
}
