/** What one may ask of the log: `GET /delgate/v1/audit`, parsed, and which entries it means. */
import { requestInvalid } from '../errors.js'
import { isWithin, parseRepositoryName, type RepositoryName } from '../oci/name.js'
import { ACTIONS, OUTCOMES, type Action, type AuditEntry, type Outcome } from './entry.js'

export interface AuditQuery {
  readonly action?: Action | undefined
  readonly outcome?: Outcome | undefined
  readonly user?: string | undefined
  /** Entries that are about this repository: by its name, by one that it lies in, or with all others. */
  readonly repository?: RepositoryName | undefined
  readonly job?: string | undefined
  /** Entries of this time or later, milliseconds since 1970. */
  readonly since?: number | undefined
  /** Entries before this time, milliseconds since 1970. */
  readonly until?: number | undefined
  /** How many at most. */
  readonly limit: number
  /** `next` of the page before: goes on where that ended. */
  readonly before?: Cursor | undefined
}

/** A place in the log, whatever its file is called by now: which file, and where in it a line begins. */
export interface Cursor { readonly file: string, readonly offset: number }

const KEYS = ['action', 'outcome', 'user', 'repository', 'job', 'since', 'until', 'limit', 'before'] as const
const LIMIT_DEFAULT = 100
const LIMIT_MAXIMUM = 1000
/** Longest user or job that is looked for. Characters. */
const TEXT_MAXIMUM = 256
/** A day, or a moment with its distance from UTC. */
const TIME = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d))?$/
const CURSOR = /^([\da-f]{16})-(0|[1-9]\d{0,14})$/

/**
 * Reads the query of a request, without its question mark.
 * @throws CodedError 400 for a key that is not known or given twice, and for a value that makes no sense
 */
export function parseAuditQuery (search: string): AuditQuery {
  const parameters = new URLSearchParams(search)
  for (const key of parameters.keys()) {
    if (!(KEYS as readonly string[]).includes(key)) throw requestInvalid(`unknown query parameter; known here: ${KEYS.join(', ')}`)
    if (parameters.getAll(key).length > 1) throw requestInvalid(`query parameter ${key} is given twice`)
  }
  const read = <T> (key: typeof KEYS[number], parse: (text: string, key: string) => T): T | undefined => {
    const text = parameters.get(key)
    return text === null ? undefined : parse(text, key)
  }
  return {
    action: read('action', oneOf(ACTIONS)),
    outcome: read('outcome', oneOf(OUTCOMES)),
    user: read('user', parseText),
    repository: read('repository', parseRepository),
    job: read('job', parseText),
    since: read('since', parseTime),
    until: read('until', parseTime),
    limit: read('limit', parseLimit) ?? LIMIT_DEFAULT,
    before: read('before', parseCursor)
  }
}

/** Whether an entry is one that is asked for; the limit and the cursor apart. */
export function matches (query: AuditQuery, entry: AuditEntry): boolean {
  const at = Date.parse(entry.at)
  return (query.action === undefined || query.action === entry.action) &&
    (query.outcome === undefined || query.outcome === entry.outcome) &&
    (query.user === undefined || query.user === entry.who.user) &&
    (query.job === undefined || query.job === entry.job) &&
    (query.since === undefined || at >= query.since) &&
    (query.until === undefined || at < query.until) &&
    (query.repository === undefined || isAbout(entry.target, query.repository))
}

/** The cursor as clients hand it back. */
export const cursorText = ({ file, offset }: Cursor): string => `${file}-${offset}`

function isAbout (target: AuditEntry['target'], repository: RepositoryName): boolean {
  switch (target.type) {
    case 'everything': case 'untagged': case 'retention': return true
    case 'garbage': case 'trash': return false
    case 'repository': return target.recursive ? isWithin(repository, target.repository) : target.repository === repository
    default: return target.repository === repository
  }
}

const oneOf = <T extends string> (values: readonly T[]) => (text: string, key: string): T => {
  const value = values.find(value => value === text)
  if (value === undefined) throw requestInvalid(`${key} must be one of ${values.join(', ')}`)
  return value
}

function parseText (text: string, key: string): string {
  if (text === '' || text.length > TEXT_MAXIMUM) throw requestInvalid(`${key} must have 1 to ${TEXT_MAXIMUM} characters`)
  return text
}

function parseRepository (text: string): RepositoryName {
  const name = parseRepositoryName(text)
  if (name === undefined) throw requestInvalid('repository must be the name of a repository')
  return name
}

function parseTime (text: string, key: string): number {
  const time = TIME.test(text) ? Date.parse(text) : NaN
  if (Number.isNaN(time)) throw requestInvalid(`${key} must be a time such as 2026-01-31 or 2026-01-31T12:00:00Z`)
  return time
}

function parseLimit (text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text) || Number(text) > LIMIT_MAXIMUM) throw requestInvalid(`limit must be a number from 1 to ${LIMIT_MAXIMUM}`)
  return Number(text)
}

function parseCursor (text: string): Cursor {
  const [, file, offset] = CURSOR.exec(text) ?? []
  if (file === undefined) throw requestInvalid('before must be what "next" of an earlier answer says')
  return { file, offset: Number(offset) }
}
