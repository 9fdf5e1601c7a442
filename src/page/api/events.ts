/** The events that say something: an EventSource could not send the login. Pure. */
import { takeEvents as takeAll, type Begun, type Taken } from '../../interface/events.js'

export { NOTHING, type Begun } from '../../interface/events.js'

export function takeEvents (begun: Begun, chunk: string): Taken {
  const { data, rest } = takeAll(begun, chunk)
  return { data: data.filter(one => one !== ''), rest }
}
