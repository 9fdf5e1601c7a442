/** Server-sent events, as far as the gate uses them: data alone. Pure. */

export class EventStream {
  /** Of the event that has not ended: joined once, since it may be large and come in many pieces. */
  #pieces: string[] = []
  #endsLine = false

  /** Takes the next piece of the stream. @returns the data of the events that it ends */
  add (text: string): string[] {
    const ended: string[] = []
    let from = 0
    if (this.#endsLine && text.startsWith('\n')) {
      ended.push(this.#take())
      from = 1
    }
    for (let at; (at = text.indexOf('\n\n', from)) >= 0; from = at + 2) {
      this.#pieces.push(text.slice(from, at))
      ended.push(this.#take())
    }
    if (from < text.length) {
      this.#pieces.push(text.slice(from))
      this.#endsLine = text.endsWith('\n')
    }
    return ended
  }

  #take (): string {
    const block = this.#pieces.join('')
    this.#pieces = []
    this.#endsLine = false
    return block.split('\n').filter(line => line.startsWith('data:')).map(line => line.slice(5).trimStart()).join('\n')
  }
}
