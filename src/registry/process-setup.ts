import { randomBytes } from 'node:crypto'
import { accessSync, constants, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { delimiter, join } from 'node:path'
import { stringify } from 'yaml'
import { debugAddress, readRegistryConfig } from '../config/registry-config.js'
import { SetupError } from './port.js'

/** Names of the registry's program: upstream's, then Debian's. */
const BINARY_NAMES = ['registry', 'docker-registry']
/** Part of the stop timeout that the registry itself may use to drain; the rest is for its own end. */
const DRAIN_SHARE = 0.9

type Environment = Readonly<Record<string, string | undefined>>

/**
 * The path of the registry's program.
 * @param binary a path or a name; without it the known names are looked up.
 * @throws SetupError when there is none.
 */
export function findBinary (binary: string | undefined, env: Environment): string {
  if (binary?.includes('/') === true) {
    if (isProgram(binary)) return binary
    throw new SetupError(`setting "registry.process.binary": ${binary} is not a program that can be run`)
  }
  const names = binary === undefined ? BINARY_NAMES : [binary]
  const found = names.map((name) => findProgram(name, env)).find((path) => path !== undefined)
  if (found !== undefined) return found
  throw new SetupError(`no registry found: ${names.join(' or ')} is not on the PATH; install one (Debian: apt install docker-registry) or set registry.process.binary (DELGATE_REGISTRY_BIN)`)
}

/** The path of a program, given by its path or by a name to look up; `undefined` when there is none. */
export function findProgram (name: string, env: Environment): string | undefined {
  if (name.includes('/')) return isProgram(name) ? name : undefined
  const directories = (env['PATH'] ?? '').split(delimiter).filter((directory) => directory !== '')
  return directories.map((directory) => join(directory, name)).find(isProgram)
}

function isProgram (path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/** The registry's configuration file, and its text. */
export interface ConfigFile {
  readonly path: string
  readonly text: string
}

/**
 * The user's configuration, or a generated one in the state directory (written anew when it differs).
 * @throws SetupError when the user's cannot be read, or the directory for the data not be made.
 */
export function prepareConfig (config: string | undefined, stateDirectory: string, storageRoot: string): ConfigFile {
  if (config !== undefined) return { path: config, text: readConfig(config) }
  const path = join(stateDirectory, 'registry.yml')
  const text = generatedConfig(storageRoot)
  makeDirectory('storage.root', storageRoot)
  // Only when it changes: on a full disk, where deleting matters most, nothing can be written.
  if (!existsSync(path) || readFileSync(path, 'utf8') !== text) writeFileSync(path, text)
  return { path, text }
}

/** The configuration of a registry whose user has written none. */
export function generatedConfig (storageRoot: string): string {
  return `# Written by Delgate at each start: to change it, copy it and set registry.config.\n${stringify({
    version: 0.1,
    log: { level: 'warn', accesslog: { disabled: true } },
    storage: {
      filesystem: { rootdirectory: storageRoot },
      cache: { blobdescriptor: 'inmemory' },
      delete: { enabled: true }
    },
    http: { headers: { 'X-Content-Type-Options': ['nosniff'] } }
  })}`
}

/**
 * Makes a directory that a setting names, when it is missing.
 * @throws SetupError when that is not possible, or it cannot be written to.
 */
export function makeDirectory (key: string, path: string): void {
  try {
    mkdirSync(path, { recursive: true })
    accessSync(path, constants.W_OK)
  } catch (error) {
    throw new SetupError(`setting "${key}": the directory ${path} cannot be made or written to: ${(error as NodeJS.ErrnoException).code ?? String(error)}`)
  }
}

/** @throws SetupError when the file cannot be read. */
export function readConfig (path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new SetupError(`setting "registry.config": ${path} cannot be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`)
  }
}

/**
 * The registry's environment: the given one, with what Delgate decides. It listens on loopback without TLS, since
 * clients talk to Delgate; SIGTERM lets it finish its requests; and its secret stays, so that uploads survive a restart.
 */
export function registryEnvironment (given: Environment, config: ConfigFile, options: {
  readonly stateDirectory: string
  readonly stopTimeoutSeconds: number
}): Record<string, string | undefined> {
  const kept = Object.entries(given).filter(([name]) => !name.startsWith('REGISTRY_HTTP_TLS'))
  const environment: Record<string, string | undefined> = {
    OTEL_TRACES_EXPORTER: 'none', // 3.x otherwise sends traces to localhost:4318, and logs that nobody is there
    ...Object.fromEntries(kept),
    REGISTRY_HTTP_NET: 'tcp',
    REGISTRY_HTTP_TLS: '', // an empty value makes the whole section empty, on 2.8 and 3.x
    REGISTRY_HTTP_DRAINTIMEOUT: `${Math.ceil(options.stopTimeoutSeconds * DRAIN_SHARE * 1000)}ms`
  }
  if (!readRegistryConfig(config.text, given, config.path).secretFixed) environment['REGISTRY_HTTP_SECRET'] = persistedSecret(options.stateDirectory)
  return environment
}

/** Whether the registry also listens on a port that its configuration names, so that two of them cannot run at once. */
export function takesFixedPort (config: ConfigFile, environment: Environment): boolean {
  const address = debugAddress(config.text, environment, config.path)
  return address !== '' && !/:0*$/.test(address)
}

function persistedSecret (stateDirectory: string): string {
  const path = join(stateDirectory, 'registry-secret')
  try {
    const secret = readFileSync(path, 'utf8').trim()
    if (secret !== '') return secret
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  const secret = randomBytes(32).toString('hex')
  writeFileSync(path, `${secret}\n`, { mode: 0o600 })
  return secret
}

/** Whether a port of 127.0.0.1 is free, and which: `port` itself, or any when it is 0. */
export function freePort (port = 0): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(undefined))
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => {
      const { port: got } = server.address() as AddressInfo
      server.close(() => resolve(got))
    })
  })
}
