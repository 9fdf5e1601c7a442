/** What somebody does who wants room back, where nobody is asked for a login. */
import t from 'tap'
import { testDeletions } from '../support/page-flows.js'

await testDeletions(t, false)
