/**
 * Patterns for names of repositories and tags, the same wherever one is written: `*` stands for any letters but the slash, `?` for
 * one, `[a-c]` for one of these, `[!a-c]` for one of the others, `**` for any. As a whole segment `**` may also stand for
 * none: `team/**` is `team` and all below it. Matched in a time that grows with the pattern times the name, whatever they are, since searches come from outside; libraries make
 * regular expressions of patterns, which may take for ever.
 */

type Part =
  | { readonly kind: 'letter', readonly letter: string }
  /** One letter but the slash. */
  | { readonly kind: 'one', readonly fits: (letter: string) => boolean }
  | { readonly kind: 'some', readonly across: boolean }
  /** The next so many parts may be left out. */
  | { readonly kind: 'maybe', readonly parts: number }

const SOME = { kind: 'some', across: false } as const
const ANY = { kind: 'some', across: true } as const
const SLASH = { kind: 'letter', letter: '/' } as const
const NONE_OR_BOTH = { kind: 'maybe', parts: 2 } as const

/** What a glob of the configuration may consist of: what names do, and the patterns. */
export const GLOB_PATTERN = '^(?:[A-Za-z0-9._/*?-]|\\[[!^]?[A-Za-z0-9._-]+\\])+$'

/** Parses a pattern. @returns whether a name matches it, whole */
export function parseGlob (pattern: string): (name: string) => boolean {
  const tokens = pattern.match(/(?<=^|\/)\*\*+\/|\/\*\*+$|\*\*+|\[[!^]?[\w.-]+\]|[^]/gu) ?? []
  const parts = tokens.flatMap(partsOf)
  return name => matches(parts, name)
}

/** Whether one of the patterns fits a whole name. */
export function parseGlobs (patterns: readonly string[]): (name: string) => boolean {
  const all = patterns.map(parseGlob)
  return name => all.some(matches => matches(name))
}

function partsOf (token: string): Part[] {
  if (token === '?') return [{ kind: 'one', fits: () => true }]
  if (token.length > 1 && token.startsWith('[')) return [{ kind: 'one', fits: classOf(token.slice(1, -1)) }]
  if (token === '*') return [SOME]
  if (!token.includes('*')) return [{ kind: 'letter', letter: token }]
  if (token.endsWith('/')) return [NONE_OR_BOTH, ANY, SLASH]
  return token.startsWith('/') ? [NONE_OR_BOTH, SLASH, ANY] : [ANY]
}

/** @param text what stands between the brackets */
function classOf (text: string): (letter: string) => boolean {
  const isNegated = /^[!^]/.test(text)
  const ranges = text.slice(isNegated ? 1 : 0).match(/[^]-[^]|[^]/gu) ?? []
  return letter => isNegated !== ranges.some(range => letter >= range.at(0)! && letter <= range.at(-1)!)
}

/** Walks all ways at once: `open` are the parts that may come next. */
function matches (parts: readonly Part[], name: string): boolean {
  let open = withSkipped(parts, new Set([0]))
  for (const letter of name) {
    const next = new Set<number>()
    for (const at of open) {
      const part = parts[at]
      if (part === undefined || part.kind === 'maybe') continue
      if (part.kind === 'some' ? part.across || letter !== '/' : part.kind === 'one' ? letter !== '/' && part.fits(letter) : part.letter === letter) next.add(part.kind === 'some' ? at : at + 1)
    }
    open = withSkipped(parts, next)
    if (open.size === 0) return false
  }
  return open.has(parts.length)
}

/** What may stand for nothing may be left out. */
function withSkipped (parts: readonly Part[], open: Set<number>): Set<number> {
  for (const at of open) {
    const part = parts[at]
    if (part?.kind === 'some' || part?.kind === 'maybe') open.add(at + 1)
    if (part?.kind === 'maybe') open.add(at + 1 + part.parts)
  }
  return open
}
