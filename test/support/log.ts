/** What a gate in this process logs. */
import { pino, type Logger } from 'pino'

export interface Log {
  readonly logger: Logger
  /** The messages that match, oldest first. */
  said (pattern: RegExp): Array<Record<string, unknown>>
}

/** A log that is kept; it is not printed. */
export function keptLog (level = 'info'): Log {
  const lines: Array<Record<string, unknown>> = []
  const logger = pino({ level }, { write: (line: string) => { lines.push(JSON.parse(line) as Record<string, unknown>) } })
  return { logger, said: pattern => lines.filter(({ msg }) => pattern.test(String(msg))) }
}
