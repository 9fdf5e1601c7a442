import { parseDocument } from 'yaml'
import { SetupError } from '../setup-error.js'

/** What Delgate needs to know of a registry's own configuration. */
export interface RegistryFacts {
  /** The configuration could not be had: the facts are those of the official images' default configuration. */
  readonly assumed: boolean
  /** `filesystem`, `s3`, `inmemory`, … */
  readonly storageDriver: string
  /** Where the `filesystem` driver keeps `docker/registry/v2`, as the registry sees it. */
  readonly rootDirectory: string
  /** What remembers blobs, and so must be made to forget after a sweep. */
  readonly cache: 'inmemory' | 'redis' | 'none'
  /** The registry accepts DELETE, so it can be told to forget; else it must be restarted for that. */
  readonly deletesEnabled: boolean
  /** Maintenance mode: the registry refuses everything that writes. */
  readonly readOnly: boolean
  /** The registry is a pull-through cache of another one. */
  readonly pullThrough: boolean
  /** `http.addr`, e.g. `:5000`; empty for any port. */
  readonly address: string
  /** `http.prefix`: path that the registry serves under, without the slash at the end; empty for none. */
  readonly prefix: string
  /** `http.host`: the URL that the registry puts into `Location`; `undefined` when it takes the request's. */
  readonly host: string | undefined
  /** The registry answers with relative `Location`s. */
  readonly relativeUrls: boolean
  /** `http.secret` is set, so that uploads survive a restart. */
  readonly secretFixed: boolean
  /** The registry itself serves TLS. */
  readonly tls: boolean
  /** Who may do what: `none`, `htpasswd`, `token`, `silly`, … */
  readonly auth: string
  /** Where the registry caches in Redis, as a URL; `undefined` when it does not say, or not in one place. */
  readonly redisUrl: string | undefined
}

/** What `registry:2` and `registry:3` ship, as far as it matters here. */
const OFFICIAL_DEFAULT = 'storage: { cache: { blobdescriptor: inmemory }, filesystem: { rootdirectory: /var/lib/registry } }\nhttp: { addr: ":5000" }'

/** `storage.filesystem.rootdirectory` when it is not set: registry/storage/driver/filesystem/driver.go. */
const DEFAULT_ROOT_DIRECTORY = '/var/lib/registry'

/** Sections below `storage` that are not a driver: configuration.go, `Storage.Type`. */
const STORAGE_SECTIONS = ['maintenance', 'cache', 'delete', 'redirect', 'tag']

/** Sections of the file that hold free-form parameters: distribution ignores variables that reach into a mapping inside them. */
const PARAMETER_SECTIONS = ['storage', 'auth']

/** Variables that override a key; the parser compares with names in capitals. */
const VARIABLE = /^REGISTRY(_[A-Z0-9]+)+$/

type Mapping = { [key: string]: unknown }

/**
 * Reads a registry's configuration as distribution's `configuration/parser.go` does: the file, then `REGISTRY_…` variables.
 * @param text the file; `undefined` when it cannot be had, then the official images' default stands in for it.
 * @param name what the file is called in messages
 * @throws SetupError when the file or a variable is not YAML, or the root directory is not text.
 */
export function readRegistryConfig (text: string | undefined, environment: Readonly<Record<string, string | undefined>>, name?: string): RegistryFacts {
  const config = parseConfig(text, environment, name)
  return { assumed: text === undefined, ...storageFacts(mapping(config['storage'])), ...httpFacts(mapping(config['http'])), ...accessFacts(config), redisUrl: redisUrl(mapping(config['redis'])) }
}

/**
 * `http.debug.addr`: where the registry serves its metrics and profiles; empty for nowhere.
 * @throws SetupError when the file or a variable is not YAML.
 */
export function debugAddress (text: string, environment: Readonly<Record<string, string | undefined>>, name?: string): string {
  return string(mapping(mapping(parseConfig(text, environment, name)['http'])['debug'])['addr'])
}

function parseConfig (text: string | undefined, environment: Readonly<Record<string, string | undefined>>, name = 'the registry\'s configuration file'): Mapping {
  const config = mapping(parseYaml(text ?? OFFICIAL_DEFAULT, name))
  for (const section of PARAMETER_SECTIONS) config[section] = named(config[section])
  // Sorted, so that REGISTRY_STORAGE comes before REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY.
  for (const name of Object.keys(environment).sort()) {
    const value = environment[name]
    if (!VARIABLE.test(name) || value === undefined) continue
    override(config, name.split('_').slice(1), parseYaml(value, `the registry's variable ${name}`))
  }
  return config
}

function storageFacts (storage: Mapping): Pick<RegistryFacts, 'storageDriver' | 'rootDirectory' | 'cache' | 'deletesEnabled' | 'readOnly'> {
  const storageDriver = Object.keys(storage).find((key) => !STORAGE_SECTIONS.includes(key)) ?? 'filesystem'
  const { rootdirectory = DEFAULT_ROOT_DIRECTORY } = mapping(storage[storageDriver])
  if (typeof rootdirectory === 'object' && rootdirectory !== null) throw new SetupError('the registry\'s configuration: storage.filesystem.rootdirectory is not a path')
  const cache = mapping(storage['cache'])
  // "layerinfo" is the old name, looked at only when the new one is absent: registry/handlers/app.go.
  const kind = 'blobdescriptor' in cache ? cache['blobdescriptor'] : cache['layerinfo']
  return {
    storageDriver,
    rootDirectory: String(rootdirectory),
    cache: kind === 'inmemory' || kind === 'redis' ? kind : 'none',
    deletesEnabled: mapping(storage['delete'])['enabled'] === true,
    readOnly: mapping(mapping(storage['maintenance'])['readonly'])['enabled'] === true
  }
}

function httpFacts (http: Mapping): Pick<RegistryFacts, 'address' | 'prefix' | 'host' | 'relativeUrls' | 'secretFixed' | 'tls'> {
  const tls = mapping(http['tls'])
  return {
    address: string(http['addr']),
    prefix: string(http['prefix']).replace(/\/+$/, ''),
    host: string(http['host']) || undefined,
    relativeUrls: http['relativeurls'] === true,
    secretFixed: string(http['secret']) !== '',
    tls: string(tls['certificate']) !== '' || string(mapping(tls['letsencrypt'])['cachefile']) !== ''
  }
}

/** 2.x has `addr`, 3.x `addrs` (configuration.go, `Redis`); several addresses are a cluster, and a master's name means sentinels. */
function redisUrl (redis: Mapping): string | undefined {
  const addresses = Array.isArray(redis['addrs']) ? redis['addrs'] : [redis['addr']]
  const address = string(addresses[0])
  if (addresses.length !== 1 || address === '' || string(redis['mastername']) !== '') return undefined
  const tls = mapping(redis['tls'])
  const isEncrypted = tls['enabled'] === true || string(tls['certificate']) !== '' || string(tls['key']) !== ''
  const user = encodeURIComponent(string(redis['username']))
  const password = encodeURIComponent(string(redis['password']))
  const login = user === '' && password === '' ? '' : `${user}:${password}@`
  return `${isEncrypted ? 'rediss' : 'redis'}://${login}${address}/${string(redis['db']) || '0'}`
}

function accessFacts (config: Mapping): Pick<RegistryFacts, 'pullThrough' | 'auth'> {
  const auth = Object.keys(mapping(config['auth']))[0]?.toLowerCase()
  return { pullThrough: string(mapping(config['proxy'])['remoteurl']) !== '', auth: auth ?? 'none' }
}

/** Sets one key from the environment: `overwriteFields` of distribution's parser, on plain mappings. */
function override (config: Mapping, path: readonly string[], value: unknown): void {
  const isParameter = PARAMETER_SECTIONS.includes(path[0]!.toLowerCase())
  let target = config
  for (const [depth, name] of path.slice(0, -1).entries()) {
    const key = Object.keys(target).find((one) => one.toUpperCase() === name) ?? name.toLowerCase()
    const next = target[key] ?? {}
    if (typeof next !== 'object' || Array.isArray(next)) return
    // The parser reads such a mapping with keys of any type, and leaves it alone: "map with non-string keys".
    if (isParameter && depth >= 2 && target[key] != null) return
    target[key] = next
    target = next as Mapping
  }
  const isNamed = path.length === 1 && isParameter
  target[path.at(-1)!.toLowerCase()] = isNamed ? named(value) : value
}

/** A kind with parameters may be written as the kind alone: `storage: filesystem`. */
function named (value: unknown): unknown {
  return typeof value === 'string' ? { [value]: {} } : value
}

function parseYaml (text: string, what: string): unknown {
  try {
    // distribution's YAML library reads version 1.1, where `yes` and `on` are booleans.
    const document = parseDocument(text, { version: '1.1', prettyErrors: false })
    if (document.errors[0] !== undefined) throw document.errors[0]
    return document.toJS() as unknown
  } catch (error) {
    throw new SetupError(`${what} is not valid YAML: ${(error as Error).message.split('\n', 1)[0]}`)
  }
}

function mapping (value: unknown): Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value as Mapping : {}
}

/** A list or a mapping where text should be says nothing. */
function string (value: unknown): string {
  return value === undefined || typeof value === 'object' ? '' : String(value)
}
