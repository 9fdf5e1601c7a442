/** Addresses of the interface, relative to the page, wherever a proxy has put that. Pure. */

/** @param base the page's own address */
export const urlOf = (path: string, base: string): URL => new URL(path, base)

/** Of a dry run: that it is one is said where the server looks for it, whatever the path ends with. */
export function rehearsalUrl (path: string, base: string): URL {
  const url = urlOf(path, base)
  url.searchParams.set('dry-run', 'true')
  return url
}
