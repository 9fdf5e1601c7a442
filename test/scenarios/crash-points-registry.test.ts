/** Delgate is killed, or meets a failing disk, at every step of every kind of job: see test/support/faulty/run.ts. */
import t from 'tap'
import { tryPair } from '../support/faulty/run.js'
import { REGISTRY_PAIR } from '../support/pairs.js'

await tryPair(t, REGISTRY_PAIR)
