/** What docs/*.md shows, so that tests can try it as it stands there. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** The blocks of one language in a page, in order, with the lines of the page as they are. */
export async function blocksOf (page: string, language: string): Promise<string[]> {
  const text = await readFile(join('docs', page), 'utf8')
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(([, block]) => block!)
}

/** Puts in one thing for another, which must be there: what has changed is not tried with half of it left as it was. */
export function put (text: string, from: string | RegExp, to: string): string {
  const changed = text.replaceAll(typeof from === 'string' ? from : new RegExp(from, 'g'), () => to)
  if (changed === text && String(from) !== to) throw new Error(`there is no "${String(from)}" in: ${text}`)
  return changed
}
