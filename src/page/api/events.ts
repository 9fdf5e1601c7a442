/** Server-sent events out of a stream of text: an EventSource could not send the login. Pure. */

export interface Taken {
  /** The data of the events that are whole. */
  readonly data: readonly string[]
  /** The beginning of the next one. */
  readonly rest: string
}

export function takeEvents (text: string): Taken {
  const blocks = text.split(/\r?\n\r?\n/)
  const rest = blocks.pop() ?? ''
  const data = blocks.map(block => block.split(/\r?\n/).filter(line => line.startsWith('data:')).map(line => line.slice(5).trimStart()).join('\n'))
  return { data: data.filter(one => one !== ''), rest }
}
