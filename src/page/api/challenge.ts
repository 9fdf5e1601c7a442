/** What a server asks for with 401: the header `WWW-Authenticate` (RFC 9110, section 11.6.1). Pure. */

export type Challenge =
  | { readonly scheme: 'basic' }
  /** A token of a service: distribution's token authentication. */
  | { readonly scheme: 'bearer', readonly realm: string, readonly service: string | undefined, readonly scopes: readonly string[] }
  | { readonly scheme: 'other' }

export function parseChallenge (header: string | null): Challenge {
  const [, scheme = ''] = /^\s*([\w-]+)/.exec(header ?? '') ?? []
  if (scheme.toLowerCase() === 'basic') return { scheme: 'basic' }
  const parameters = new Map([...(header ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, name, value]) => [name!.toLowerCase(), value!.replace(/\\(.)/g, '$1')]))
  const realm = parameters.get('realm')
  if (scheme.toLowerCase() !== 'bearer' || realm === undefined) return { scheme: 'other' }
  return { scheme: 'bearer', realm, service: parameters.get('service'), scopes: parameters.get('scope')?.split(' ').filter(scope => scope !== '') ?? [] }
}
