/**
 * What the inspection of a container says about the registry in it. Pure: no engine is asked here.
 */
import { posix } from 'node:path'
import { parse } from 'yaml'
import { SetupError } from './port.js'

/** The part of the Engine API's `ContainerInspect` answer that is used. */
export interface InspectedContainer {
  readonly Id: string
  readonly Name: string
  /** The program that was started, and its arguments: image and run options, entrypoint and command, already merged. */
  readonly Path: string
  readonly Args: readonly string[] | null
  readonly State: { readonly Status: string }
  readonly Config: {
    readonly Image: string
    readonly Env?: readonly string[] | null
    readonly WorkingDir?: string
    readonly Labels?: Readonly<Record<string, string>> | null
  }
  readonly Mounts?: ReadonlyArray<{ readonly Type: string, readonly Name?: string | undefined, readonly Source: string, readonly Destination: string }> | null
}

/** A directory of the host, or a volume, in a container. */
export interface Mount {
  readonly destination: string
  readonly source: string
  /** The volume's name, when it is one. */
  readonly volume: string | undefined
}

/** A container, parsed once. */
export interface Container {
  readonly id: string
  readonly name: string
  readonly image: string
  /** The engine's word: `running`, `exited`, `created`, `paused`, `restarting`, … */
  readonly state: string
  readonly command: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  readonly workingDirectory: string
  readonly labels: Readonly<Record<string, string>>
  readonly mounts: readonly Mount[]
}

/** Where the images keep the configuration: `registry:3`, then `registry:2`. */
export const DEFAULT_CONFIG_PATHS = ['/etc/distribution/config.yml', '/etc/docker/registry/config.yml'] as const

const BINARIES = new Set(['registry', 'docker-registry'])

export function parseContainer (inspected: InspectedContainer): Container {
  return {
    id: inspected.Id,
    name: inspected.Name.replace(/^\//, ''),
    image: inspected.Config.Image,
    state: inspected.State.Status,
    command: [inspected.Path, ...inspected.Args ?? []],
    environment: parseEnvironment(inspected.Config.Env ?? []),
    workingDirectory: inspected.Config.WorkingDir || '/',
    labels: inspected.Config.Labels ?? {},
    mounts: (inspected.Mounts ?? []).map(({ Type, Name, Source, Destination }) => ({ destination: Destination, source: Source, volume: Type === 'volume' ? Name : undefined }))
  }
}

/** `["A=1", "B=x=y"]` to `{ A: "1", B: "x=y" }`; a variable without a value is empty. */
export function parseEnvironment (lines: readonly string[]): Record<string, string> {
  return Object.fromEntries(lines.map(line => {
    const at = line.indexOf('=')
    return at < 0 ? [line, ''] : [line.slice(0, at), line.slice(at + 1)]
  }))
}

/** The registry's program as the command names it (`/bin/registry`); `undefined` when only a script or another program is named. */
export function namedBinary (container: Container): string | undefined {
  const words = commandWords(container.command)
  return words.find((word, index) => BINARIES.has(posix.basename(word)) && (index === 0 || words[index + 1] === 'serve'))
}

/**
 * Paths to look for the configuration at, absolute, most telling first. An argument wins over
 * `REGISTRY_CONFIGURATION_PATH`, as in distribution's `resolveConfiguration`; the images' defaults come last, and only
 * when neither is given.
 */
export function configPaths (container: Container): string[] {
  const words = commandWords(container.command)
  const argument = words.find((word, index) => index > 0 && /\.ya?ml$/i.test(word)) ?? afterServe(words)
  const named = argument ?? container.environment['REGISTRY_CONFIGURATION_PATH']
  return named ? [posix.resolve(container.workingDirectory, named)] : [...DEFAULT_CONFIG_PATHS]
}

/** Whether a file is a registry's configuration: distribution demands `version`; `storage` or `http` tells it from other programs' files. */
export function isRegistryConfig (text: string): boolean {
  try {
    const document: unknown = parse(text)
    return typeof document === 'object' && document !== null && 'version' in document && ('storage' in document || 'http' in document)
  } catch {
    return false
  }
}

/** One line for messages: `registry (image registry:3, running)`. */
export function describe (container: Container): string {
  return `${container.name} (image ${container.image}, ${container.state})`
}

/** @throws SetupError that says how to get the container running. */
export function requireRunning (container: Container): void {
  if (container.state === 'running') return
  const remedies: Record<string, string> = { paused: 'docker unpause', restarting: 'docker logs' }
  const remedy = `${remedies[container.state] ?? 'docker start'} ${container.name}`
  throw new SetupError(`the registry's container ${describe(container)} is not running. Try: ${remedy}`)
}

/** The words of a command; the script of `sh -c "…"` is split too. */
function commandWords (command: readonly string[]): string[] {
  return command.flatMap((word, index) => command[index - 1] === '-c' ? word.trim().split(/\s+/).map(part => part.replace(/^["']|["';]+$/g, '')) : [word])
}

/** The argument of `serve`, whatever its name ends in. */
function afterServe (words: readonly string[]): string | undefined {
  const argument = words[words.indexOf('serve') + 1]
  return words.includes('serve') && argument !== undefined && !argument.startsWith('-') ? argument : undefined
}
