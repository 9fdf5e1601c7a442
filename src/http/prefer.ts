/** `Prefer: wait=<seconds>` (RFC 7240, section 4.3) and the query of a DELETE. */
import { requestInvalid } from '../errors.js'

/** Longest wait that is granted, seconds. */
const WAIT_MAXIMUM_SECONDS = 3600

/**
 * How long the client wants to wait for the job; `undefined` when it does not. Other preferences are ignored.
 * @throws CodedError 400 when `wait` is malformed
 */
export function parseWait (header: string | string[] | undefined): number | undefined {
  const preferences = (Array.isArray(header) ? header.join(',') : header ?? '').split(',').map(preference => preference.trim())
  for (const preference of preferences) {
    const [name, value] = preference.split(';', 1)[0]!.split(/=(.*)/s, 2).map(part => part.trim())
    if (name?.toLowerCase() !== 'wait') continue
    if (value === undefined || !/^(\d{1,9}|"\d{1,9}")$/.test(value)) throw requestInvalid('malformed Prefer header: expected wait=<seconds>')
    return Math.min(Number(value.replaceAll('"', '')), WAIT_MAXIMUM_SECONDS)
  }
  return undefined
}

export interface DeleteQuery { readonly dryRun: boolean, readonly recursive: boolean }

/**
 * Reads the query of a DELETE. A key that is not known is refused: a mistyped `dry-run` must not delete.
 * @param allowed keys that make sense for this request
 * @throws CodedError 400
 */
export function parseDeleteQuery (search: string, allowed: ReadonlyArray<'dry-run' | 'recursive' | 'confirm'>): DeleteQuery & { confirm: string | undefined } {
  const query = new URLSearchParams(search)
  for (const key of query.keys()) {
    if (!(allowed as readonly string[]).includes(key)) throw requestInvalid(`unknown query parameter; known here: ${allowed.join(', ')}`)
    if (query.getAll(key).length > 1) throw requestInvalid(`query parameter ${key} is given twice`)
  }
  const flag = (key: string): boolean => {
    const value = query.get(key)
    if (value === null || value === 'false') return false
    if (value === 'true') return true
    throw requestInvalid(`query parameter ${key} must be true or false`)
  }
  return { dryRun: flag('dry-run'), recursive: flag('recursive'), confirm: query.get('confirm') ?? undefined }
}
