/** One decision as the log keeps it: one line of JSON. */
import type { Target } from '../deletion/target.js'

export const ACTIONS = ['delete', 'collect', 'cancel', 'undo', 'empty-trash', 'overwrite'] as const
export const OUTCOMES = ['accepted', 'refused', 'done', 'failed', 'cancelled'] as const

export type Action = typeof ACTIONS[number]
export type Outcome = typeof OUTCOMES[number]

/** Who asked, as far as it is known; all of it empty for what Delgate does by itself. */
export interface Who {
  readonly user?: string
  /** Where the request came from. */
  readonly address?: string
  /** `User-Agent`. */
  readonly agent?: string
}

export interface AuditEntry {
  /** ISO 8601. */
  readonly at: string
  readonly action: Action
  readonly outcome: Outcome
  readonly who: Who
  /** What it is about. */
  readonly target: Target | { readonly type: 'trash' }
  /** HTTP status of the answer. */
  readonly status?: number
  /** Code of the error, e.g. `DENIED`. */
  readonly code?: string
  readonly reason?: string
  /** Bytes freed. */
  readonly bytes?: number
  /** Id of the job. */
  readonly job?: string
  /** So many refusals of the address were not written down by themselves: see `Refusals`. */
  readonly leftOut?: number
}

/** Longest text that is kept of what a client says. Characters. */
const TEXT_MAXIMUM = 256
const BREAK = '\n'

/** An entry as a line, its end included. JSON escapes what would break it; what an entry should not have does not go along. */
export function lineOf ({ at, action, outcome, who, target, status, code, reason, bytes, job, leftOut }: AuditEntry): string {
  const { user, address, agent } = who
  const cutWho = { user: cut(user), address: cut(address), agent: cut(agent) }
  return JSON.stringify({ at, action, outcome, who: cutWho, target, status, code, reason: cut(reason), bytes, job, leftOut }) + BREAK
}

/** The entry that a line holds, its end not included; `undefined` when it holds none. */
export function entryOf (line: string): AuditEntry | undefined {
  try {
    const entry = JSON.parse(line) as AuditEntry | null
    return isEntry(entry) ? entry : undefined
  } catch {
    return undefined
  }
}

function isEntry (entry: AuditEntry | null): entry is AuditEntry {
  return typeof entry === 'object' && entry !== null && typeof entry.at === 'string' && !Number.isNaN(Date.parse(entry.at)) &&
    typeof entry.action === 'string' && typeof entry.outcome === 'string' && isObject(entry.who) && isObject(entry.target)
}

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null

/** Cut without leaving half of a character. */
function cut (text: string | undefined): string | undefined {
  return text === undefined || text.length <= TEXT_MAXIMUM ? text : text.slice(0, TEXT_MAXIMUM).replace(/[\uD800-\uDBFF]$/, '')
}
