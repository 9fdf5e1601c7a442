/**
 * Patterns for names, as somebody types them into a search: `*` stands for any letters but the slash, `**` for any, `?` for
 * one. Matched in a time that grows with the pattern times the name, whatever they are: they come from outside.
 */

type Part = { readonly kind: 'letter', readonly letter: string } | { readonly kind: 'one' } | { readonly kind: 'some', readonly across: boolean }

/** Parses a pattern. @returns whether a name matches it, whole */
export function parseGlob (pattern: string): (name: string) => boolean {
  const parts: Part[] = (pattern.match(/\*\*+|[^]/gu) ?? []).map(part => part.startsWith('*') ? { kind: 'some', across: part.length > 1 } : part === '?' ? { kind: 'one' } : { kind: 'letter', letter: part })
  return name => matches(parts, name)
}

/** Walks all ways at once: `open` are the parts that may come next. */
function matches (parts: readonly Part[], name: string): boolean {
  let open = withSkipped(parts, new Set([0]))
  for (const letter of name) {
    const next = new Set<number>()
    for (const at of open) {
      const part = parts[at]
      if (part === undefined) continue
      if (part.kind === 'some' ? part.across || letter !== '/' : part.kind === 'one' ? letter !== '/' : part.letter === letter) next.add(part.kind === 'some' ? at : at + 1)
    }
    open = withSkipped(parts, next)
    if (open.size === 0) return false
  }
  return open.has(parts.length)
}

/** What may stand for nothing may be left out. */
function withSkipped (parts: readonly Part[], open: Set<number>): Set<number> {
  for (const at of open) if (parts[at]?.kind === 'some') open.add(at + 1)
  return open
}
