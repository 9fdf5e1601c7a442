/**
 * Keeps the client on the gate: a `Location` that the registry made points at the gate, whatever the registry thinks
 * of its own address (`http.host`, `http.prefix`). Anything else, such as a redirect to object storage, is left alone.
 */
export interface LocationRules {
  /** The registry's `http.prefix`, without the slash at the end. */
  readonly prefix: string
  /** Hosts that mean the registry itself. */
  readonly registryHosts: ReadonlySet<string>
}

/** Where the client is, as it sees it: scheme and host. */
export interface ClientOrigin {
  readonly scheme: string
  readonly host: string
}

/** Rewrites one `Location` header. */
export function rewriteLocation (location: string, client: ClientOrigin, rules: LocationRules): string {
  const absolute = /^(https?):\/\/([^/?#]*)(.*)$/.exec(location)
  if (absolute === null) return withoutPrefix(location, rules.prefix)
  const [, , host, path] = absolute as unknown as [string, string, string, string]
  if (host !== client.host && !rules.registryHosts.has(host)) return location
  if (!path.startsWith(`${rules.prefix}/v2/`)) return location
  return `${client.scheme}://${client.host}${withoutPrefix(path, rules.prefix)}`
}

/** Rewrites a `Link` header of a paged answer (distribution-spec, "Listing Tags"). */
export function rewriteLink (link: string, prefix: string): string {
  return prefix === '' ? link : link.replace(`<${prefix}/v2/`, '</v2/')
}

const withoutPrefix = (path: string, prefix: string): string => prefix !== '' && path.startsWith(`${prefix}/v2/`) ? path.slice(prefix.length) : path

/** The client's view of the gate, from `Forwarded` (RFC 7239), `X-Forwarded-…`, or the request itself. */
export function clientOrigin (headers: Readonly<Record<string, string | string[] | undefined>>, encrypted: boolean): ClientOrigin {
  const forwarded = first(headers.forwarded)
  const scheme = parameter(forwarded, 'proto') ?? first(headers['x-forwarded-proto']) ?? (encrypted ? 'https' : 'http')
  const host = parameter(forwarded, 'host') ?? first(headers['x-forwarded-host']) ?? first(headers.host) ?? 'localhost'
  return { scheme, host }
}

function first (value: string | string[] | undefined): string | undefined {
  const text = Array.isArray(value) ? value[0] : value
  return text?.split(',')[0]!.trim()
}

function parameter (forwarded: string | undefined, name: string): string | undefined {
  const match = forwarded === undefined ? null : new RegExp(`(?:^|;)\\s*${name}=("?)([^";]+)\\1`, 'i').exec(forwarded)
  return match?.[2]
}
