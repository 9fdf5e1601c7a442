/**
 * Where the Docker Engine is, and what its errors mean to the person who sets Delgate up. Pure.
 */
import { SetupError } from './port.js'

export const DEFAULT_SOCKET = '/var/run/docker.sock'

/** How to connect; `host` and `socketPath` exclude each other. */
export interface Endpoint {
  /** For messages: `unix:///var/run/docker.sock`, `tcp://10.0.0.1:2375`. */
  readonly name: string
  readonly connect: { readonly socketPath: string, readonly host: undefined } | { readonly host: string, readonly port: string, readonly protocol: 'http' | 'https' }
}

/**
 * Parses the setting: a path, `unix://path`, `tcp://host:port`, `http(s)://host:port`; unset means `DOCKER_HOST`, and
 * without that the usual socket. As for the docker command, `DOCKER_TLS_VERIFY` makes `tcp` mean TLS.
 * @throws SetupError for anything else.
 */
export function parseEndpoint (setting: string | undefined, environment: Readonly<Record<string, string | undefined>>): Endpoint {
  const text = setting ?? (environment['DOCKER_HOST'] || DEFAULT_SOCKET)
  const path = text.startsWith('unix://') ? text.slice('unix://'.length) || DEFAULT_SOCKET : text
  if (path.startsWith('/')) return { name: `unix://${path}`, connect: { socketPath: path, host: undefined } }
  const address = /^(tcp|http|https):\/\/(.+)$/.exec(text)
  if (address === null) throw new SetupError(`the Docker Engine's address "${text}" is not understood. Set registry.docker.socket (or DOCKER_HOST) to the path of its socket, or to tcp://host:port`)
  const url = new URL(`http://${address[2]}`)
  const isSecure = address[1] === 'https' || (address[1] === 'tcp' && Boolean(environment['DOCKER_TLS_VERIFY']))
  return { name: text, connect: { host: url.hostname, port: url.port || (isSecure ? '2376' : '2375'), protocol: isSecure ? 'https' : 'http' } }
}

/** A SetupError when `error` means that there is no engine to talk to; `undefined` when the engine itself answered. */
export function explainEngineError (error: unknown, endpoint: Endpoint): SetupError | undefined {
  if (statusOf(error) !== undefined || !(error instanceof Error) || !('code' in error)) return undefined
  const isSocket = endpoint.connect.host === undefined
  const mount = `In a container, mount the socket: -v ${DEFAULT_SOCKET}:${DEFAULT_SOCKET}`
  switch (error.code) {
    case 'ENOENT':
      return new SetupError(`no Docker Engine at ${endpoint.name}: there is no such socket. Start Docker, or set registry.docker.socket to the engine's socket. ${mount}`)
    case 'EACCES':
    case 'EPERM':
      return new SetupError(`no permission to use the Docker Engine at ${endpoint.name}. Run Delgate as root, or as a member of the group that owns the socket (usually "docker")`)
    case 'ECONNREFUSED':
      return new SetupError(`nothing answers at the Docker Engine's address ${endpoint.name}. Start Docker, or set registry.docker.socket to where it listens${isSocket ? `. ${mount}` : ''}`)
    default:
      return new SetupError(`the Docker Engine at ${endpoint.name} cannot be reached (${String(error.code)}). Check registry.docker.socket and DOCKER_HOST`)
  }
}

/** The HTTP status of an engine's error answer. */
export function statusOf (error: unknown): number | undefined {
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined
  return typeof status === 'number' ? status : undefined
}
