/** Looks entries up in the log, the newest first, over all of its files. */
import { linesBackwards } from './backwards.js'
import { entryOf, type AuditEntry } from './entry.js'
import { fileOf, identityOf, openToRead } from './files.js'
import { cursorText, matches, type AuditQuery } from './query.js'

export interface Found {
  readonly entries: readonly AuditEntry[]
  /** Where to go on, as `before`; missing when there is nothing more. */
  readonly next?: string
  /** Lines on the way that hold no entry: cut by a crash, or none of the log's. */
  readonly skipped: number
}

/** How far the clock may have been set back within the log: that much further than `since` is looked. Milliseconds. */
const CLOCK_SLACK_MS = 3_600_000

/** Gathers one page. */
class Page {
  readonly entries: AuditEntry[] = []
  skipped = 0
  next: string | undefined
  #last: string | undefined

  constructor (private readonly query: AuditQuery) {}

  /** @returns false when the page is complete */
  add (text: string | undefined, at: { file: string, offset: number }): boolean {
    if (text === '') return true
    const entry = text === undefined ? undefined : entryOf(text)
    if (entry === undefined) {
      this.skipped++
      return true
    }
    if (this.query.since !== undefined && Date.parse(entry.at) < this.query.since - CLOCK_SLACK_MS) return false
    if (!matches(this.query, entry)) return true
    if (this.entries.length === this.query.limit) {
      this.next = this.#last
      return false
    }
    this.entries.push(entry)
    this.#last = cursorText(at)
    return true
  }
}

/**
 * @param file the current file
 * @param keepFiles how many older ones there may be
 */
export async function search (file: string, keepFiles: number, query: AuditQuery): Promise<Found> {
  const page = new Page(query)
  /** Files may get their next name while they are being read. */
  const seen = new Set<string>()
  let isReached = query.before === undefined
  for (let age = 0; age <= keepFiles; age++) {
    const handle = await openToRead(fileOf(file, age))
    if (handle === undefined) continue
    try {
      const identity = await identityOf(handle)
      if (identity === undefined || seen.has(identity)) continue
      seen.add(identity)
      const isStart = !isReached && query.before?.file === identity
      isReached ||= isStart
      if (!isReached) continue
      const { size } = await handle.stat()
      const end = isStart ? Math.min(size, query.before!.offset) : size
      for await (const { text, offset } of linesBackwards(handle, end)) {
        if (!page.add(text, { file: identity, offset })) return result(page)
      }
    } finally {
      await handle.close()
    }
  }
  return result(page)
}

function result ({ entries, skipped, next }: Page): Found {
  return { entries, ...(next === undefined ? {} : { next }), skipped }
}
