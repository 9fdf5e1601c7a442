/** What Node tells of the process. It is watched once, however many gates there are in it. */
import { Registry, collectDefaultMetrics } from 'prom-client'

let watched: Registry | undefined

export function processRegistry (): Registry {
  if (watched === undefined) collectDefaultMetrics({ register: watched = new Registry() })
  return watched
}
