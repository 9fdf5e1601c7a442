/** Server-sent events out of a stream of text: data alone, which is all that the gate uses. Pure. */

const END = /\r?\n\r?\n/
/** So many letters of an end may have come: `\r\n\r`. */
const SEAM = 3

/** An event that is not whole yet. */
export interface Begun {
  readonly text: string
  /** The last of it, where its end may have begun. */
  readonly seam: string
}

export const NOTHING: Begun = { text: '', seam: '' }

export interface Taken {
  /** The data of the events that are whole; empty for a remark. */
  readonly data: readonly string[]
  /** The beginning of the next one. */
  readonly rest: Begun
}

/** Looks at what came before only when an event is whole: a large one comes in many chunks. */
export function takeEvents (begun: Begun, chunk: string): Taken {
  const added = begun.seam + chunk
  if (!END.test(added)) return { data: [], rest: { text: begun.text + chunk, seam: added.slice(-SEAM) } }
  const blocks = (begun.text + chunk).split(END)
  const text = blocks.pop()!
  const data = blocks.map(block => block.split(/\r?\n/).filter(line => line.startsWith('data:')).map(line => line.slice(5).trimStart()).join('\n'))
  return { data, rest: { text, seam: text.slice(-SEAM) } }
}
