import { leaves } from './paths.js'
import { flagSource } from './sources.js'

/** The text of `--help`: every key with its unit and default, from the schema. */
export function helpText (): string {
  const rows = leaves.flatMap(({ key, variable, schema }) => [`  --${key}  (${variable})`, `      ${schema.description ?? ''}`])
  return [
    'Usage: delgate [serve] [--config <file>] [--<key> <value>]…',
    '       delgate <command> …   (delgate help lists the commands: ls, tags, df, rm, gc, jobs, job, undo, prune, doctor and others)',
    '',
    'A gate in front of an unmodified Docker/OCI registry that makes DELETE really delete.',
    'Settings come from defaults < file < environment < flags. In the file (YAML or JSON) a.b is the key b in the section a.',
    '',
    '  --config  (DELGATE_CONFIG)',
    '      Path of the settings file.',
    ...rows,
    '  --help, --version',
    '',
    'Short names: DELGATE_HOST, DELGATE_PORT, DELGATE_REGISTRY_BIN (registry.process.binary),',
    'DELGATE_DATA (directory for the data of the embedded registry and of Delgate).'
  ].join('\n') + '\n'
}

/**
 * The text to print when the command line asks for `--help` or `--version`, otherwise `undefined`.
 * @throws SetupError for a command line that cannot be read.
 */
export function requestedText (argv: readonly string[], version: string): string | undefined {
  const flags = flagSource(argv)
  if (flags.help) return helpText()
  return flags.version ? `delgate ${version}\n` : undefined
}
