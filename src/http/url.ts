/** The two halves of a request's raw URL, as the client sent them. */

/** The path, not decoded. */
export function pathOf (url: string): string {
  const at = url.indexOf('?')
  return at === -1 ? url : url.slice(0, at)
}

/** The query without its question mark; empty where there is none. */
export function queryOf (url: string): string {
  const at = url.indexOf('?')
  return at === -1 ? '' : url.slice(at + 1)
}
