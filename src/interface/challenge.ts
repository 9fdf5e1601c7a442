/** `WWW-Authenticate` (RFC 9110, section 11.6.1), as registries use it: Basic, and Bearer with a realm to get tokens from. Pure. */

export interface Challenge {
  /** In lower case: `basic`, `bearer`. */
  readonly scheme: string
  readonly parameters: Readonly<Record<string, string>>
}

const SCHEME = /^\s*,?\s*([A-Za-z][\w-]*)(?=\s|$)(?!\s*=)/
const PARAMETER = /^\s*,?\s*([A-Za-z][\w-]*)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/

/** Every challenge of a header; what is not understood ends the list. */
export function parseChallenges (header: string | readonly string[] | undefined): Challenge[] {
  const challenges: Challenge[] = []
  for (const value of typeof header === 'string' ? [header] : header ?? []) {
    let rest = value
    for (let scheme = SCHEME.exec(rest); scheme !== null; scheme = SCHEME.exec(rest)) {
      rest = rest.slice(scheme[0].length)
      const parameters: Record<string, string> = {}
      for (let one = PARAMETER.exec(rest); one !== null; one = PARAMETER.exec(rest)) {
        parameters[one[1]!.toLowerCase()] = one[2]?.replaceAll(/\\(.)/g, '$1') ?? one[3]!
        rest = rest.slice(one[0].length)
      }
      challenges.push({ scheme: scheme[1]!.toLowerCase(), parameters })
    }
  }
  return challenges
}

/** The scopes that a challenge asks for, one by one. */
export const scopesOf = ({ parameters }: Challenge): string[] => (parameters['scope'] ?? '').split(' ').filter(scope => scope !== '')

/** What deleting in a repository takes. */
export const deleteScope = (repository: string): string => `repository:${repository}:pull,push,delete`

/** What listing the repositories takes. */
export const CATALOG_SCOPE = 'registry:catalog:*'
