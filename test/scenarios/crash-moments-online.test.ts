/** Scenario 30: Delgate is killed at one chosen moment of each phase of a job: see test/support/faulty/moments.ts. */
import t from 'tap'
import { tryMoments } from '../support/faulty/moments.js'
import { ONLINE_PAIR } from '../support/pairs.js'

await tryMoments(t, ONLINE_PAIR)
