/**
 * The registry's own event envelope (github.com/distribution/distribution, notifications/event.go), so that whoever
 * listens to a registry understands Delgate too. As there, the event of a tag has no digest: the manifest may live on.
 */
import type { Receipt } from '../deletion/receipt.js'
import { eventId } from './id.js'

export const EVENTS_MEDIA_TYPE = 'application/vnd.docker.distribution.events.v2+json'

/** Events in one envelope at most: bounds what one request brings. */
const EVENTS_MAXIMUM = 100

export interface Event {
  readonly id: string
  /** ISO 8601. */
  readonly timestamp: string
  readonly action: 'delete'
  readonly target: { readonly digest?: string, readonly repository: string, readonly tag?: string, readonly url?: string }
  readonly request: { readonly id: string, readonly addr?: string, readonly host?: string, readonly method: string, readonly useragent: string }
  readonly actor: { readonly name?: string }
  readonly source: Source
}

/** Which Delgate says so. */
export interface Source {
  readonly addr: string
  /** Another one after each start. */
  readonly instanceID: string
}

export interface Envelope { readonly events: readonly Event[] }

/** Who asked for a deletion, as far as it is known; all of it empty for what Delgate does by itself. */
export interface Asker {
  /** Id of the request; the job's where there is none. */
  readonly request?: string
  readonly user?: string
  /** Where the request came from. */
  readonly address?: string
  /** `Host`, as the client sent it. */
  readonly host?: string
  /** `DELETE` when left out. */
  readonly method?: string
  readonly agent?: string
}

/** What there is to tell. */
export interface Deletion {
  /** Id of the job: the same job and target always make the same id of an event. */
  readonly job: string
  /** When it was, ISO 8601. */
  readonly at: string
  readonly receipt: Pick<Receipt, 'tags' | 'manifests'>
  readonly asker: Asker
  /** Where clients reach the registry, e.g. `https://registry.example.org`; without it events have no URL. */
  readonly base?: string
}

/** One event for each tag, and one for each manifest, that a deletion removed. */
export function eventsOf ({ job, at, receipt, asker, base }: Deletion, source: Source): Event[] {
  const { request: id = job, user, address, host, method = 'DELETE', agent = '' } = asker
  const request = { id, ...(address === undefined ? {} : { addr: address }), ...(host === undefined ? {} : { host }), method, useragent: agent }
  const actor = user === undefined ? {} : { name: user }
  const event = (target: Event['target']): Event => ({ id: eventId(job, target.repository, target.tag ?? '', target.digest ?? ''), timestamp: at, action: 'delete', target, request, actor, source })
  return [
    ...receipt.tags.map(({ repository, tag }) => event({ repository, tag })),
    ...receipt.manifests.map(({ repository, digest }) => event({ digest, repository, ...(base === undefined ? {} : { url: `${base}/v2/${repository}/manifests/${digest}` }) }))
  ]
}

/** Events in envelopes of a bounded size, in order. */
export function envelopesOf (events: readonly Event[]): Envelope[] {
  const count = Math.ceil(events.length / EVENTS_MAXIMUM)
  return Array.from({ length: count }, (_, at) => ({ events: events.slice(at * EVENTS_MAXIMUM, (at + 1) * EVENTS_MAXIMUM) }))
}
