/** One thing that was looked at in a set-up. */
export interface Finding {
  readonly level: 'ok' | 'warning' | 'problem'
  /** What was looked at: `storage`, `cache`. */
  readonly what: string
  /** What was found, in plain words. */
  readonly found: string
  /** What to do about it, where `found` does not say it already. */
  readonly mend?: string
}

export const ok = (what: string, found: string): Finding => ({ level: 'ok', what, found })
export const warning = (what: string, found: string, mend: string): Finding => ({ level: 'warning', what, found, mend })
export const problem = (what: string, found: string, mend?: string): Finding => ({ level: 'problem', what, found, ...(mend === undefined ? {} : { mend }) })
