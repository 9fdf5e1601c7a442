/** The events of a stream that comes in pieces, remarks included. Pure. */
import { NOTHING, takeEvents } from '../interface/events.js'

export class EventStream {
  #begun = NOTHING

  /** Takes the next piece of the stream. @returns the data of the events that it ends */
  add (text: string): readonly string[] {
    const { data, rest } = takeEvents(this.#begun, text)
    this.#begun = rest
    return data
  }
}
