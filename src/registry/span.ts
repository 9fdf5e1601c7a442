/** Which part of a blob an answer carries, and whether another answer can go on where that one stopped. Pure. */
import type { IncomingHttpHeaders } from 'node:http'

/** The head of an answer. */
export interface Head {
  readonly statusCode: number
  readonly headers: IncomingHttpHeaders
}

/** A part of some content. */
export interface Span {
  /** Positions of the first and the last byte; the last is one before the first when there is none. */
  readonly first: number
  readonly last: number
  /** Bytes of the whole content, when the answer says so. */
  readonly total: number | undefined
  /** `Docker-Content-Digest`, when the answer says so. */
  readonly digest: string | undefined
}

const NUMBER = /^\d{1,15}$/
/** RFC 9110, section 14.4. */
const CONTENT_RANGE = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/

/** @returns `undefined` when the answer does not say exactly which bytes it carries, or is no part of a blob at all */
export function spanOf ({ statusCode, headers }: Head): Span | undefined {
  const length = NUMBER.test(headers['content-length'] ?? '') ? Number(headers['content-length']) : undefined
  if (length === undefined || headers['transfer-encoding'] !== undefined || headers['content-encoding'] !== undefined) return undefined
  const given = headers['docker-content-digest']
  const digest = typeof given === 'string' ? given : undefined
  if (statusCode === 200) return { first: 0, last: length - 1, total: length, digest }
  const match = statusCode === 206 ? CONTENT_RANGE.exec(headers['content-range'] ?? '') : null
  if (match === null) return undefined
  const [first, last] = [Number(match[1]), Number(match[2])]
  return last - first + 1 === length ? { first, last, total: match[3] === '*' ? undefined : Number(match[3]), digest } : undefined
}

/**
 * How many bytes of another answer to leave out, so that it goes on with a span.
 * @param sent how many bytes of the span are there already
 * @returns `undefined` when it does not go on with it: then not one byte of it may be used
 */
export function bytesToSkip (span: Span, sent: number, answer: Head): number | undefined {
  const other = spanOf(answer)
  if (other === undefined || other.last < span.last) return undefined
  if (differ(span.total, other.total) || differ(span.digest, other.digest)) return undefined
  const next = span.first + sent
  // A server may leave `Range` aside and send everything (RFC 9110, section 14.2).
  if (answer.statusCode === 200) return next
  return other.first === next ? 0 : undefined
}

const differ = (one: unknown, other: unknown): boolean => one !== undefined && other !== undefined && one !== other
