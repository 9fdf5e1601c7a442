/** Tokens of a registry's token service, where this page may ask it: under a strict policy, only on its own origin. */
import { CATALOG_SCOPE } from '../../interface/challenge.js'
import type { Challenge } from './challenge.js'

type Bearer = Extract<Challenge, { scheme: 'bearer' }>

/** Why no token can be had, in words. */
export class NoToken extends Error {}

/** Whether the service can be asked from here. */
export function isReachable ({ realm }: Bearer): boolean {
  return URL.canParse(realm, document.baseURI) && new URL(realm, document.baseURI).origin === location.origin
}

/**
 * A token for these scopes, and for the catalog where the service gives that.
 * @throws NoToken
 */
export async function fetchToken (bearer: Bearer, scopes: readonly string[], basic: string): Promise<string> {
  // Most services give the catalog to some users alone, and others an answer without it, or none at all.
  const first = await ask(bearer, [...scopes, CATALOG_SCOPE], basic)
  const answer = first.ok || first.status === 401 ? first : await ask(bearer, scopes, basic)
  if (answer.status === 401) throw new NoToken('User or password is wrong.')
  const body = answer.ok ? await answer.json() as { token?: string, access_token?: string } : {}
  const token = body.token ?? body.access_token
  if (token === undefined) throw new NoToken(`The registry’s token service answered with status ${answer.status}, without a token.`)
  return token
}

async function ask ({ realm, service }: Bearer, scopes: readonly string[], basic: string): Promise<Response> {
  const url = new URL(realm, document.baseURI)
  if (service !== undefined) url.searchParams.set('service', service)
  for (const scope of scopes) url.searchParams.append('scope', scope)
  return await fetch(url, { headers: { authorization: basic }, credentials: 'omit' })
}
