/**
 * The query of a request about an upload, as distribution reads it (registry/handlers/blobupload.go; Go's
 * net/http Request.FormValue and net/url ParseQuery). Pure. Go passes over parts that it cannot decode, takes the first of several
 * values, and before 1.17 took `;` for `&`: what two readers may read differently is refused, and no client sends it.
 */
import { requestInvalid } from '../errors.js'

export type UploadQuery = Readonly<Partial<Record<Key, string>>>

const KEYS = ['digest', 'mount', 'from'] as const
type Key = typeof KEYS[number]

/**
 * @param query without its question mark
 * @returns what is named; an empty value counts as none
 * @throws CodedError 400
 */
export function parseUploadQuery (query: string): UploadQuery {
  const named = new Map<string, string>()
  for (const part of query.split('&')) {
    const [key, value] = part.split(/=(.*)/s, 2).map(decoded) as [string, string | undefined]
    if (!(KEYS as readonly string[]).includes(key)) continue
    if (named.has(key)) throw requestInvalid(`query parameter ${key} is given twice`)
    named.set(key, value ?? '')
  }
  return Object.fromEntries([...named].filter(([, value]) => value !== ''))
}

function decoded (text: string): string {
  try {
    if (!text.includes(';')) return decodeURIComponent(text.replaceAll('+', ' '))
  } catch { /* said below */ }
  throw requestInvalid('the query is not properly encoded')
}

/** Types of bodies in which Go looks for parameters: application/x-www-form-urlencoded before the query, multipart/form-data after it. */
const FORM = /^[^;]*form-(?:urlencoded|data)/i

/** Whether the registry reads a body of this type as parameters, and not as content. */
export const isForm = (contentType: string | undefined): boolean => contentType !== undefined && FORM.test(contentType)
