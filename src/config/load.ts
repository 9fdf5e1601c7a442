import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { SetupError } from '../setup-error.js'
import { checkSource, completeSettings, mergeTrees } from './check.js'
import type { Settings } from './schema.js'
import { environmentSource, fileSource, flagSource, setIn } from './sources.js'
import type { Source, Tree } from './sources.js'

/** Where the embedded registry's data (`registry/`) and Delgate's own (`delgate/`) go, below the working directory. */
const DEFAULT_DATA_DIRECTORY = './data'

/** Where settings come from. */
export interface LoadInput {
  /** Command-line arguments, without the program and the script. */
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  /** Directory that relative paths start from. */
  readonly cwd: string
}

/**
 * Loads the settings: defaults < file (`--config` or `DELGATE_CONFIG`) < `DELGATE_…` variables < flags.
 * `--help` and `--version` are allowed and ignored: see `requestedText`.
 * @returns all settings, paths made absolute, deeply frozen.
 * @throws SetupError with one line that names the key, where it was set, and what was expected.
 */
export function loadSettings ({ argv, env, cwd }: LoadInput): Settings {
  const flags = flagSource(argv)
  const environment = environmentSource(env)
  const name = flags.config ?? (env['DELGATE_CONFIG'] || undefined)
  const file = name === undefined ? undefined : fileSource(name, readText(name, cwd))
  return combineSettings({ file, environment, flags: flags.source, dataDirectory: env['DELGATE_DATA'] || undefined, cwd })
}

/** The pure part of loading: everything has been read. */
export function combineSettings (input: {
  readonly file: Source | undefined
  readonly environment: Source
  readonly flags: Source
  /** `DELGATE_DATA`: holds the embedded registry's data in `registry/` and Delgate's own in `delgate/`. */
  readonly dataDirectory: string | undefined
  readonly cwd: string
}): Settings {
  const { file, environment, flags, dataDirectory, cwd } = input
  const given = [file, environment, flags].filter((source) => source !== undefined)
  given.forEach(checkSource)
  const together = mergeTrees(given.map(({ tree }) => tree))
  const chosen = dataDirectory === undefined ? {} : dataTree(dataDirectory, together)
  const merged = mergeTrees([dataTree(DEFAULT_DATA_DIRECTORY, together), file?.tree ?? {}, chosen, environment.tree, flags.tree])
  return freezeDeep(withAbsolutePaths(completeSettings(merged), cwd))
}

/** What a data directory stands for. The registry's data only when Delgate also runs that registry, with its own configuration. */
function dataTree (directory: string, given: Tree): Tree {
  const tree: Tree = { state: { directory: join(directory, 'delgate') } }
  const { controller = 'process', config } = (given['registry'] ?? {}) as Tree
  if (controller === 'process' && config === undefined) setIn(tree, ['storage', 'root'], join(directory, 'registry'))
  return tree
}

function withAbsolutePaths (settings: Settings, cwd: string): Settings {
  const { listen, state, storage, registry, audit } = settings
  const absolute = (path: string | undefined) => path === undefined ? undefined : resolve(cwd, path)
  const { binary } = registry.process
  return {
    ...settings,
    listen: { ...listen, tls: { certificate: absolute(listen.tls.certificate), key: absolute(listen.tls.key) } },
    state: { ...state, directory: resolve(cwd, state.directory) },
    storage: { root: absolute(storage.root) },
    audit: { ...audit, file: resolve(cwd, audit.file) },
    registry: {
      ...registry,
      config: absolute(registry.config),
      tls: { ca: absolute(registry.tls.ca), certificate: absolute(registry.tls.certificate), key: absolute(registry.tls.key) },
      process: { ...registry.process, binary: binary?.includes('/') === true ? resolve(cwd, binary) : binary }
    }
  }
}

function readText (name: string, cwd: string): string {
  try {
    return readFileSync(resolve(cwd, name), 'utf8')
  } catch (error) {
    throw new SetupError(`settings file ${name} cannot be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`)
  }
}

function freezeDeep<Value> (value: Value): Value {
  if (typeof value === 'object' && value !== null) {
    Object.values(value).forEach(freezeDeep)
    Object.freeze(value)
  }
  return value
}
