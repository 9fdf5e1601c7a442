/** The address of the page, as it changes. */
import { useEffect, useState } from 'preact/hooks'
import { parseRoute, type Route } from '../model/route.js'

export function useRoute (): Route {
  const [hash, setHash] = useState(location.hash)
  useEffect(() => {
    const changed = (): void => { setHash(location.hash) }
    addEventListener('hashchange', changed)
    return () => { removeEventListener('hashchange', changed) }
  }, [])
  return parseRoute(hash)
}
