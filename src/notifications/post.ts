/** One attempt to deliver an envelope. What went wrong is said without URL, header or secret. */
import type { Dispatcher } from 'undici'
import { withAbort } from '../deadline.js'
import { EVENTS_MEDIA_TYPE } from './events.js'

export interface Endpoint {
  /** Names it in logs, and the directory of its queue. */
  readonly name: string
  readonly url: string
  readonly secret?: string
  /** Carries the secret: as `Bearer <secret>` in `Authorization`, as it is in another. */
  readonly header: string
  /** How long one attempt may take, seconds. */
  readonly timeoutSeconds: number
}

export type Delivered =
  | { readonly outcome: 'delivered' }
  | { readonly outcome: 'failed', readonly reason: string }

/**
 * Posts an envelope. As for the registry, any 2xx or 3xx is acceptance; a redirection is not followed.
 * @param closing ends the attempt early
 */
export async function post ({ url, secret, header, timeoutSeconds }: Endpoint, text: string, dispatcher: Dispatcher, closing: AbortSignal): Promise<Delivered> {
  const { origin, pathname, search } = new URL(url)
  const headers = { 'content-type': EVENTS_MEDIA_TYPE, 'user-agent': 'delgate', ...(secret === undefined ? {} : { [header]: header.toLowerCase() === 'authorization' ? `Bearer ${secret}` : secret }) }
  try {
    const status = await withAbort([closing], async signal => {
      const { statusCode, body } = await dispatcher.request({ origin, path: pathname + search, method: 'POST', headers, body: text, signal })
      await body.dump().catch(() => {}) // It has answered; what else it says does not matter.
      return statusCode
    }, timeoutSeconds)
    return status >= 200 && status < 400 ? { outcome: 'delivered' } : { outcome: 'failed', reason: `it answered ${status}` }
  } catch (error) {
    return { outcome: 'failed', reason: reasonOf(error) }
  }
}

/** Messages of others may hold what was sent; codes do not. */
function reasonOf (error: unknown): string {
  const { name, code } = error as { name?: string, code?: unknown }
  return name === 'AbortError' ? 'it did not answer in time' : typeof code === 'string' ? code : 'it cannot be reached'
}
