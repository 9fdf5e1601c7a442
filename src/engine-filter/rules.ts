/**
 * What Delgate may ask of a Docker Engine, about one container: look at it, read its registry's configuration, run that
 * registry's garbage-collect in it, restart it. Pure. Everything that is not recognised is refused, and what is let through
 * is written anew from what was understood of it, so nothing else can travel along.
 * (Docker Engine API: ContainerInspect, ContainerArchive, ContainerRestart, ContainerExec, ExecStart, ExecInspect.)
 */

/** A call that may be let through, if it is about the right container. */
export type Call =
  | { readonly kind: 'ping' }
  | { readonly kind: 'inspect', readonly container: string }
  | { readonly kind: 'read', readonly container: string, readonly path: string }
  | { readonly kind: 'restart', readonly container: string, readonly seconds: string | undefined }
  | { readonly kind: 'exec', readonly container: string, readonly command: readonly string[] }
  | { readonly kind: 'start' | 'state', readonly exec: string }

/** What is sent to the engine. */
export interface EngineRequest {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly body?: object
}

export interface Rules {
  /** Paths of the registry's configuration in its container. */
  readonly configs: readonly string[]
  /** Whether garbage-collect may be run. */
  readonly mayCollect: boolean
}

/** A name or an id, as the engine has them; nothing that is encoded. */
const ON_CONTAINER = /^(?:\/v1\.\d{1,3})?\/containers\/([a-zA-Z0-9][a-zA-Z0-9_.-]*)\/(json|archive|restart|exec)$/
const ON_EXEC = /^(?:\/v1\.\d{1,3})?\/exec\/([0-9a-f]{64})\/(start|json)$/
const PING = /^(?:\/v1\.\d{1,3})?\/_ping$/

/**
 * Understands a call.
 * @param target path and query, as they came
 * @param body what came with it; `undefined` where it is no JSON
 * @returns `undefined` for what is not allowed
 */
export function understand (method: string, target: string, body: unknown, rules: Rules): Call | undefined {
  const [path = '', query = ''] = split(target)
  if (PING.test(path) && (method === 'GET' || method === 'HEAD')) return { kind: 'ping' }
  const [, container, deed] = ON_CONTAINER.exec(path) ?? []
  if (container !== undefined) return onContainer(`${method} ${deed}`, container, new URLSearchParams(query), body, rules)
  const [, exec, step] = ON_EXEC.exec(path) ?? []
  if (exec === undefined || !rules.mayCollect) return undefined
  if (method === 'POST' && step === 'start') return { kind: 'start', exec }
  return method === 'GET' && step === 'json' ? { kind: 'state', exec } : undefined
}

/**
 * @param id the container's, as the engine knows it
 * @returns what to send for an allowed call
 */
export function requestFor (call: Call, id: string): EngineRequest {
  switch (call.kind) {
    case 'ping': return { method: 'GET', path: '/_ping' }
    case 'inspect': return { method: 'GET', path: `/containers/${id}/json` }
    case 'read': return { method: 'GET', path: `/containers/${id}/archive?path=${encodeURIComponent(call.path)}` }
    case 'restart': return { method: 'POST', path: `/containers/${id}/restart${call.seconds === undefined ? '' : `?t=${call.seconds}`}` }
    case 'exec': return { method: 'POST', path: `/containers/${id}/exec`, body: { Cmd: call.command, AttachStdout: true, AttachStderr: true, Tty: false } }
    case 'start': return { method: 'POST', path: `/exec/${call.exec}/start`, body: { Detach: false, Tty: false } }
    case 'state': return { method: 'GET', path: `/exec/${call.exec}/json` }
  }
}

function onContainer (deed: string, container: string, query: URLSearchParams, body: unknown, { configs, mayCollect }: Rules): Call | undefined {
  switch (deed) {
    case 'GET json': return { kind: 'inspect', container }
    case 'GET archive': {
      const path = query.get('path')
      return path !== null && configs.includes(path) ? { kind: 'read', container, path } : undefined
    }
    case 'POST restart': {
      const seconds = query.get('t') ?? undefined
      return seconds === undefined || /^\d{1,5}$/.test(seconds) ? { kind: 'restart', container, seconds } : undefined
    }
    case 'POST exec': {
      const command = commandOf(body)
      return mayCollect && command !== undefined && isCollection(command, configs) ? { kind: 'exec', container, command } : undefined
    }
    default: return undefined
  }
}

/** `registry garbage-collect <its configuration>`, and nothing else. */
function isCollection ([binary = '', deed, config = '', ...more]: readonly string[], configs: readonly string[]): boolean {
  return /^(?:\/[a-zA-Z0-9_./-]*\/)?(?:docker-)?registry$/.test(binary) && deed === 'garbage-collect' && configs.includes(config) && more.length === 0
}

function commandOf (body: unknown): readonly string[] | undefined {
  const command = (body as { Cmd?: unknown } | undefined | null)?.Cmd
  return Array.isArray(command) && command.every(word => typeof word === 'string') ? command : undefined
}

function split (target: string): [path: string, query: string] {
  const at = target.indexOf('?')
  return at === -1 ? [target, ''] : [target.slice(0, at), target.slice(at + 1)]
}
