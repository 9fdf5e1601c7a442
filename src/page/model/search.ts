/** What somebody types, as a glob that the interface takes: `*` within a segment of a name, `**` across. Pure. */

/** A glob for names that contain the text, wherever; a glob that is typed is taken as it is. Nothing for no text. */
export function searchGlob (typed: string): string | undefined {
  const text = typed.trim()
  if (text === '') return undefined
  return /[*?]/.test(text) ? text : `**${text}**`
}
