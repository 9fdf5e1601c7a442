/** One forwarded request, from its admission to its end. */
import type { FastifyRequest } from 'fastify'
import type { Claim } from '../claims/claims.js'
import type { Pushing } from '../claims/manifests.js'
import type { CodedError } from '../errors.js'
import type { Digest } from '../oci/digest.js'
import type { Route } from '../oci/route.js'
import type { AnswerBody } from '../registry/exchange.js'

/** The part of the registry's answer that the gate looks at. */
export interface UpstreamAnswer {
  readonly statusCode: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly stream: AnswerBody
}

/** How a request is forwarded where that differs from how it came. */
export interface Changes {
  /** Its body, where that was read. */
  readonly body?: Buffer
  /** Without its query. */
  readonly bare?: boolean
}

export interface Passage {
  readonly route: Route
  readonly client: string
  claim: (Claim & { readonly digest: Digest | undefined }) | undefined
  pushing: Pushing | undefined
  changes: Changes
  /** What the client gets instead of the registry's answer, which is not true. */
  instead: CodedError | undefined
  /** The status that the registry answered with. */
  status: number
  /** The registry has read what a manifest GET asks for. */
  readEnded: (() => void) | undefined
  readonly ends: Array<() => void>
  /** The client has its answer, or has gone. */
  closed: boolean
  /** The gate or the registry is at work on it: what it holds must not be given back in the middle. */
  busy: boolean
}

const kPassage = Symbol('passage')
type Carrier = FastifyRequest & { [kPassage]?: Passage }
const UNCHANGED: Changes = {}

/** A request comes in. */
export function openPassage (request: FastifyRequest, route: Route): Passage {
  const passage: Passage = { route, client: clientOf(request), claim: undefined, pushing: undefined, changes: UNCHANGED, instead: undefined, status: 0, readEnded: undefined, ends: [], closed: false, busy: false }
  ;(request as Carrier)[kPassage] = passage
  return passage
}

export const passageOf = (request: FastifyRequest): Passage | undefined => (request as Carrier)[kPassage]

/** Ends a passage when nobody has anything to do with it any more: not its client, the gate, or the registry. */
export function endPassage (passage: Passage): void {
  if (passage.closed && !passage.busy) passage.ends.splice(0).reverse().forEach(step => { step() })
}

/** Clients are told apart by address and program: one push is one of them at work in one repository. */
export const clientOf = (request: FastifyRequest): string => `${request.ip} ${request.headers['user-agent'] ?? ''}`

/** A header that comes once. */
export function headerOf (upstream: Pick<UpstreamAnswer, 'headers'>, name: string): string | undefined {
  const value = upstream.headers[name]
  return Array.isArray(value) ? value[0] : value
}
