// Finds a registry binary (CNCF distribution), or obtains one without changing the system.
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findProgram, isProgram, isRoot, read, root, say, show } from './run.mjs'

/** Where obtained programs go. */
export const cacheDirectory = join(root, '.cache', 'bin')
/** The registry that `go install` builds. */
const goPackage = 'github.com/distribution/distribution/v3/cmd/registry@v3.1.1'

/** The version of a registry binary, e.g. `3.1.1`; `undefined` when it is no registry: other programs have that name too. */
export function registryVersion (path) {
  const text = isProgram(path) ? read(path, ['--version']) : undefined
  return /(?:docker|distribution)\/distribution\S* v?(\d+\.\d+\.\d+)/.exec(text ?? '')?.[1]
}

/**
 * A registry that is there already: `registry` or `docker-registry`, on the PATH, in the directories given, or in the cache.
 * @param accept which versions will do.
 * @returns `{ path, version }`, or `undefined`.
 */
export function findRegistry (accept = () => true, moreDirectories = []) {
  const onPath = ['registry', 'docker-registry'].map((name) => findProgram(name, moreDirectories))
  const cached = ['registry', 'docker-registry'].map((name) => join(cacheDirectory, name))
  for (const path of [...onPath, ...cached]) {
    const version = path === undefined ? undefined : registryVersion(path)
    if (version !== undefined && accept(version)) return { path, version }
  }
  return undefined
}

/** Builds registry 3.1.1 with Go into the cache; returns its path, or `undefined` when there is no Go or it fails. */
export async function buildWithGo (target = goPackage, name = 'registry') {
  const go = findProgram('go', ['/usr/local/go/bin'])
  if (go === undefined) return undefined
  say(`Building ${name} with Go (a minute or two, once)…`)
  mkdirSync(cacheDirectory, { recursive: true })
  const built = await show(go, ['install', target], { env: { ...process.env, GOBIN: cacheDirectory, CGO_ENABLED: '0', GOFLAGS: '' } })
  return built ? join(cacheDirectory, name) : undefined
}

/** Unpacks the Debian package docker-registry (2.8) into the cache: nothing is installed and no service is started. */
export async function unpackDebian () {
  if (findProgram('apt-get') === undefined || findProgram('dpkg') === undefined) return undefined
  say('Fetching the Debian package docker-registry…')
  const directory = mkdtempSync(join(tmpdir(), 'delgate-'))
  try {
    const download = () => read('apt-get', ['download', 'docker-registry'], { cwd: directory })
    let isDownloaded = download() !== undefined
    if (!isDownloaded && isRoot && await show('apt-get', ['update', '-q'])) isDownloaded = download() !== undefined
    if (!isDownloaded) return undefined
    const [file] = readdirSync(directory)
    if (read('dpkg', ['-x', join(directory, file), join(directory, 'package')]) === undefined) return undefined
    const path = join(cacheDirectory, 'docker-registry')
    mkdirSync(cacheDirectory, { recursive: true })
    copyFileSync(join(directory, 'package', 'usr', 'bin', 'docker-registry'), path)
    return registryVersion(path) === undefined ? undefined : path
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/**
 * The registry to run: DELGATE_REGISTRY_BIN, `registry` or `docker-registry` on the PATH, a cached one, Go, the Debian package.
 * @returns its path.
 * @throws Error that says what to install.
 */
export async function obtainRegistry () {
  const given = process.env.DELGATE_REGISTRY_BIN
  if (given) {
    const path = given.includes('/') ? given : findProgram(given)
    if (path !== undefined && registryVersion(path) !== undefined) return path
    throw new Error(`DELGATE_REGISTRY_BIN=${given} is not a registry: "${given} --version" should name docker/distribution or distribution/distribution.`)
  }
  const found = findRegistry()?.path ?? await buildWithGo() ?? await unpackDebian()
  if (found !== undefined) return found
  throw new Error([
    'No registry was found, and none could be obtained. One of these helps:',
    '  - Debian or Ubuntu: apt-get install docker-registry',
    `  - with Go: go install ${goPackage}, and its directory on the PATH`,
    '  - any other way to a registry binary, then: DELGATE_REGISTRY_BIN=/path/to/registry npm run up',
    '  - with Docker, without a binary: docker compose up'
  ].join('\n'))
}
