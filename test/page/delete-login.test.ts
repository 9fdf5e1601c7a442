/** What somebody does who wants room back, after a login. */
import t from 'tap'
import { testDeletions } from '../support/page-flows.js'

await testDeletions(t, true)
