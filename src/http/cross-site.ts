/**
 * A browser that remembers a login sends it along with whatever another site makes it ask. So what changes something
 * is refused when it comes from another site, unless `cors.origins` names that; `*` names none. What is no browser says
 * nothing of sites, and is not concerned.
 */
import type { IncomingHttpHeaders } from 'node:http'

/** No site but this one can make a browser send it without asking first, which `cors.origins` answers. */
const ASKS_FIRST = 'x-requested-with'

/**
 * Whether a request that changes something comes from a page of a site that may not ask for it.
 * @param origins those that may; `*` among them is none
 */
export function isCrossSite (headers: IncomingHttpHeaders, origins: readonly string[]): boolean {
  const { origin, host, 'sec-fetch-site': site } = headers
  if (origin !== undefined && origins.includes(origin)) return false
  if (site !== undefined) return site !== 'same-origin' && site !== 'none'
  // Browsers leave that header out where the page came over plain HTTP; of what changes something they always tell the origin.
  return origin !== undefined && headers[ASKS_FIRST] === undefined && hostOf(origin) !== host
}

/** The host, with its port unless that is the scheme's own, as `Host` has it. Nothing for `null`: a page of no site. */
function hostOf (origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined
}
