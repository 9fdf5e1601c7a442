/** Where in the page somebody is: the part of the address after `#`. Pure. */
import { parseRepositoryName } from '../../oci/name.js'

export type Route =
  | { readonly view: 'repositories' }
  | { readonly view: 'repository', readonly name: string }
  | { readonly view: 'jobs' }
  | { readonly view: 'job', readonly id: string }
  | { readonly view: 'trash' }
  | { readonly view: 'disk' }

/**
 * What an address means; the list of repositories when it means nothing. Anybody can make an address, so what is no name
 * of a repository does not get further than this.
 */
export function parseRoute (hash: string): Route {
  const path = hash.replace(/^#\/?/, '')
  const [head = '', ...rest] = path.split('/')
  const below = rest.join('/')
  const name = decode(below)
  if (head === 'repositories' && parseRepositoryName(name) !== undefined) return { view: 'repository', name }
  if (head === 'jobs' && below !== '') return { view: 'job', id: decode(below) }
  if (head === 'jobs' || head === 'trash' || head === 'disk') return { view: head }
  return { view: 'repositories' }
}

export function hrefOf (route: Route): string {
  switch (route.view) {
    case 'repository': return `#/repositories/${route.name}`
    case 'job': return `#/jobs/${route.id}`
    default: return `#/${route.view}`
  }
}

/** A `%` that begins nothing is meant as it is. */
function decode (text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
