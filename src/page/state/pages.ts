/** Where in a paged list somebody is: the names after which the pages begin. */

export interface Pages {
  /** After which name each page begins that was gone through; the first page begins at the start. */
  readonly lasts: readonly string[]
}

export const FIRST_PAGE: Pages = { lasts: [] }

export const nextPage = ({ lasts }: Pages, next: string): Pages => ({ lasts: [...lasts, next] })
export const previousPage = ({ lasts }: Pages): Pages => ({ lasts: lasts.slice(0, -1) })

/** A query for such a page; what is `undefined` is left out. */
export function queryOf (parameters: Readonly<Record<string, string | number | undefined>>): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) query.set(name, String(value))
  return query.size === 0 ? '' : `?${query}`
}
