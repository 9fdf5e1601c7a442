/** A real registry: its configuration file, and the registry on its own without Delgate. */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { mustRun, run, stop, type Ended } from './processes.js'
import { request } from './http.js'
import { freePort, temporaryDirectory, until } from './temporary.js'
import type { RegistryTool } from './tools.js'

/** Users of a registry with `auth: 'htpasswd'`; the hashes are bcrypt with the lowest cost, for speed. */
export const USERS = { alice: 'wonderland', bob: 'builder' } as const
const HTPASSWD = [
  'alice:$2y$04$WyE8Abvbs9mUgrOE5UIAOuhF4gIlWDpWA4vG2ot.lzCHe1TDjEvha',
  'bob:$2y$04$okMTRG71ipeheUO.i590SOeECyDxMfPs3Q4rS8O3/slxDptHPKZXK',
  ''
].join('\n')

/** What `auth.token` of the registry needs. */
export interface TokenAuth {
  readonly realm: string
  readonly service: string
  readonly issuer: string
  readonly rootcertbundle: string
}

export interface RegistryOptions {
  readonly auth?: 'htpasswd' | TokenAuth
  /** Whether the registry itself allows DELETE. Default: true. */
  readonly delete?: boolean
  readonly readonly?: boolean
  /** URL of the registry that this one is a pull-through cache of. */
  readonly proxy?: string
  readonly relativeurls?: boolean
  readonly prefix?: string
  readonly host?: string
  /** Port of the Redis that it caches in; otherwise it caches in its own memory. */
  readonly redis?: number
  /** Whether it remembers which blobs exist. Default: true. */
  readonly cache?: boolean
  /** Where it stores. Default: a place of its own. */
  readonly storage?: string
  /** It speaks TLS; with `clientcas`, only to those that show a certificate of such an authority. Paths of PEM files. */
  readonly tls?: { readonly certificate: string, readonly key: string, readonly clientcas?: readonly string[] }
}

/** The files of one registry. */
export interface RegistryFiles {
  readonly directory: string
  /** `storage.filesystem.rootdirectory`. */
  readonly storage: string
  readonly config: string
}

/** Writes `config.yml` (as JSON, which is YAML) and what it names. The cache is the default of the official images. */
export async function writeRegistryConfig (directory: string, options: RegistryOptions = {}, port = 0): Promise<RegistryFiles> {
  const storage = options.storage ?? join(directory, 'registry')
  const config = join(directory, 'config.yml')
  await mkdir(storage, { recursive: true })
  await writeFile(join(directory, 'htpasswd'), HTPASSWD)
  await writeFile(config, JSON.stringify({
    version: '0.1',
    log: { level: 'warn', accesslog: { disabled: true } },
    storage: {
      filesystem: { rootdirectory: storage },
      ...(options.cache === false ? {} : { cache: { blobdescriptor: options.redis === undefined ? 'inmemory' : 'redis' } }),
      delete: { enabled: options.delete ?? true },
      ...(options.readonly === true ? { maintenance: { readonly: { enabled: true } } } : {})
    },
    http: {
      addr: `127.0.0.1:${port}`,
      secret: 'only for tests',
      ...(options.relativeurls === undefined ? {} : { relativeurls: options.relativeurls }),
      ...(options.prefix === undefined ? {} : { prefix: options.prefix }),
      ...(options.host === undefined ? {} : { host: options.host }),
      ...(options.tls === undefined ? {} : { tls: options.tls })
    },
    // 2.8 has one address, 3.1 a list; each ignores the other's.
    ...(options.redis === undefined ? {} : { redis: { addr: `127.0.0.1:${options.redis}`, addrs: [`127.0.0.1:${options.redis}`] } }),
    ...authSection(directory, options.auth),
    ...(options.proxy === undefined ? {} : { proxy: { remoteurl: options.proxy } })
  }, null, 2))
  return { directory, storage, config }
}

function authSection (directory: string, auth: RegistryOptions['auth']): object {
  if (auth === undefined) return {}
  if (auth === 'htpasswd') return { auth: { htpasswd: { realm: 'test realm', path: join(directory, 'htpasswd') } } }
  return { auth: { token: { ...auth } } }
}

/** A registry without Delgate. */
export interface BareRegistry extends RegistryFiles {
  readonly url: string
  readonly tool: RegistryTool
  /** Stops it; its files stay until the test ends. */
  stop (): Promise<void>
}

/** Starts a registry by itself and waits until it answers. `files` lets it serve an existing tree. */
export async function startRegistry (t: Test, tool: RegistryTool, options: RegistryOptions = {}, files?: { readonly directory: string }): Promise<BareRegistry> {
  const port = await freePort()
  const written = await writeRegistryConfig(files?.directory ?? await temporaryDirectory(t), options, port)
  const child = spawn(tool.path, ['serve', written.config], { stdio: ['ignore', 'ignore', 'pipe'], env: registryEnvironment() })
  const said: Buffer[] = []
  child.stderr.on('data', (chunk: Buffer) => said.push(chunk))
  t.teardown(() => stop(child))
  const url = `http://127.0.0.1:${port}`
  await until(`registry ${tool.version} answers`, () => answers(url, child, said, options.prefix))
  return { ...written, url, tool, stop: () => stop(child) }
}

async function answers (url: string, child: ChildProcess, said: Buffer[], prefix = '/'): Promise<boolean> {
  if (child.exitCode !== null) throw new Error(`the registry ended: ${Buffer.concat(said).toString().slice(-2000)}`)
  try {
    return [200, 401].includes((await request(url, 'GET', `${prefix}v2/`, { timeout: 2_000 })).status)
  } catch {
    return false
  }
}

/** The environment without variables that would override the configuration, or export traces. */
function registryEnvironment (): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('REGISTRY_') && !name.startsWith('OTEL_'))
  return { ...Object.fromEntries(kept), OTEL_TRACES_EXPORTER: 'none' }
}

/** Runs the registry's own collector for real. */
export async function collectGarbage (tool: RegistryTool, config: string): Promise<Ended> {
  return mustRun(tool.path, ['garbage-collect', config])
}

/** What the registry's own collector finds. */
export interface DryRun {
  readonly marked: number
  readonly blobs: number
  readonly manifests: number
  /** 3.x also names `_layers` links that no manifest of their repository uses. */
  readonly layerLinks: number
}

/** `garbage-collect --dry-run`, read exactly; throws on output that it does not know. */
export async function dryRunGarbage (tool: RegistryTool, config: string): Promise<DryRun> {
  const ended = await run(tool.path, ['garbage-collect', '--dry-run', config])
  // A registry that never stored a blob has no such directory, and both release lines take that for an error.
  if (ended.code !== 0 && /Path not found: \/docker\/registry\/v2\/(?:blobs|repositories)\b/.test(ended.stderr)) {
    return { marked: 0, blobs: 0, manifests: 0, layerLinks: 0 }
  }
  const counts = /^(\d+) blobs marked, (\d+) blobs and (\d+) manifests eligible for deletion$/m.exec(ended.stdout)
  if (ended.code !== 0 || counts === null) throw new Error(`garbage-collect --dry-run ended with ${ended.code}\n${ended.stdout}\n${ended.stderr}`)
  const layerLinks = ended.stdout.match(/^.*: layer link eligible for deletion: /gm)?.length ?? 0
  return { marked: Number(counts[1]), blobs: Number(counts[2]), manifests: Number(counts[3]), layerLinks }
}
