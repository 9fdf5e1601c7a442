/**
 * The credentials that `docker login` has left: its configuration file, and the helpers that the file names
 * (docs.docker.com, "docker login", "Credential stores"). Nothing is written.
 */
import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { EXIT, Failure } from './failure.js'

/** A name and a password, or a token that others are got for. */
export type Credentials =
  | { readonly kind: 'password', readonly user: string, readonly password: string }
  | { readonly kind: 'identity-token', readonly token: string }

interface ConfigFile {
  readonly auths?: Readonly<Record<string, { readonly auth?: string, readonly username?: string, readonly password?: string, readonly identitytoken?: string }>>
  readonly credsStore?: string
  readonly credHelpers?: Readonly<Record<string, string>>
}

type Environment = Readonly<Record<string, string | undefined>>

/** How long a helper may take; it may ask the user to unlock something. Milliseconds. */
const HELPER_TIMEOUT_MS = 120_000

/**
 * What docker would send to a host; `undefined` when nobody has logged in there.
 * @param host with its port, as image names have it
 * @throws Failure when the file cannot be read, or a helper fails for another reason than not knowing the host
 */
export async function dockerCredentials (host: string, environment: Environment): Promise<Credentials | undefined> {
  const path = join(environment['DOCKER_CONFIG'] || join(environment['HOME'] || homedir(), '.docker'), 'config.json')
  const config = await readConfig(path)
  const helper = config?.credHelpers?.[host] ?? (config?.credsStore || undefined)
  const helped = helper === undefined ? undefined : await askHelper(helper, host, environment)
  return helped ?? inFile(config?.auths ?? {}, host)
}

async function readConfig (path: string): Promise<ConfigFile | undefined> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
    throw new Failure(EXIT.failed, `${path} cannot be read: ${error.code}; use --user NAME, or name another directory in DOCKER_CONFIG`)
  })
  if (text === undefined) return undefined
  try {
    return JSON.parse(text) as ConfigFile
  } catch {
    throw new Failure(EXIT.failed, `${path} is not JSON: mend it with docker login, or use --user NAME`)
  }
}

/** Older entries are named by a URL. */
const hostOf = (key: string): string => key.replace(/^https?:\/\//, '').replace(/\/.*$/, '')

function inFile (auths: NonNullable<ConfigFile['auths']>, host: string): Credentials | undefined {
  const entry = auths[host] ?? Object.entries(auths).find(([key]) => hostOf(key) === host)?.[1]
  if (entry === undefined) return undefined
  if (entry.identitytoken) return { kind: 'identity-token', token: entry.identitytoken }
  const decoded = Buffer.from(entry.auth ?? '', 'base64').toString().replace(/\0+$/, '')
  const colon = decoded.indexOf(':')
  if (colon > 0) return { kind: 'password', user: decoded.slice(0, colon), password: decoded.slice(colon + 1) }
  return entry.username && entry.password ? { kind: 'password', user: entry.username, password: entry.password } : undefined
}

async function askHelper (name: string, host: string, environment: Environment): Promise<Credentials | undefined> {
  const program = `docker-credential-${name}`
  // A name with a slash would be a path to any program.
  if (!/^[\w.-]+$/.test(name)) throw new Failure(EXIT.failed, `docker's configuration names the credential helper "${name}", which is not a name`)
  const { code, output } = await runHelper(program, host, environment)
  if (code !== 0) {
    if (/credentials not found/i.test(output)) return undefined
    throw new Failure(EXIT.failed, `${program} could not give the credentials for ${host}: ${output.trim().slice(0, 200) || `it ended with ${code}`}`)
  }
  try {
    const { Username: user, Secret: secret } = JSON.parse(output) as { Username: string, Secret: string }
    return user === '<token>' ? { kind: 'identity-token', token: secret } : { kind: 'password', user, password: secret }
  } catch { // its output may hold the secret
    throw new Failure(EXIT.failed, `${program} did not answer with JSON about ${host}`)
  }
}

async function runHelper (program: string, host: string, environment: Environment): Promise<{ code: number | null, output: string }> {
  return await new Promise((resolve, reject) => {
    const child = spawn(program, ['get'], { env: environment, stdio: ['pipe', 'pipe', 'ignore'], timeout: HELPER_TIMEOUT_MS })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => { output += chunk.toString() })
    child.stdin.on('error', () => {}) // It may have ended without reading.
    child.once('error', (error: NodeJS.ErrnoException) => { reject(new Failure(EXIT.failed, `${program}, which docker's configuration names, cannot be run: ${error.code}`)) })
    child.once('close', code => { resolve({ code, output }) })
    child.stdin.end(host)
  })
}
