/** What a server asks for with 401, as far as the page can answer it. Pure. */
import { parseChallenges, scopesOf } from '../../interface/challenge.js'

export type Challenge =
  | { readonly scheme: 'basic' }
  /** A token of a service: distribution's token authentication. */
  | { readonly scheme: 'bearer', readonly realm: string, readonly service: string | undefined, readonly scopes: readonly string[] }
  | { readonly scheme: 'other' }

/** Of several, the first counts. */
export function parseChallenge (header: string | null): Challenge {
  const [first] = parseChallenges(header ?? undefined)
  if (first?.scheme === 'basic') return { scheme: 'basic' }
  const { realm, service } = first?.parameters ?? {}
  return first?.scheme !== 'bearer' || realm === undefined ? { scheme: 'other' } : { scheme: 'bearer', realm, service, scopes: scopesOf(first) }
}
