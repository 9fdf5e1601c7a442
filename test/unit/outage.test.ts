/** A registry that ended by itself: everything is held until it answers. */
import t from 'tap'
import { Outage } from '../../src/collection/outage.js'
import { Admission } from '../../src/traffic/admission.js'
import { settled } from './clock.js'

/** An outage, and the registry's answers, each of which comes when the test says so. */
function outages () {
  const admission = new Admission({ maximumRequests: 10, timeoutSeconds: 60 })
  const answers: Array<() => void> = []
  const ready = async (signal: AbortSignal): Promise<void> => await new Promise((resolve, reject) => {
    answers.push(resolve)
    signal.addEventListener('abort', () => { reject(new Error('aborted')) })
  })
  return { admission, outage: new Outage({ admission, ready, log: { info: () => {} } }), answers }
}

t.test('everything is held until the registry answers', async t => {
  const { admission, outage, answers } = outages()
  t.equal(outage.problem, undefined)
  outage.begin()
  t.equal(admission.hold, 'all')
  t.match(outage.problem, /ended by itself/)
  answers.shift()!()
  await settled()
  t.equal(admission.hold, 'none')
  t.equal(outage.problem, undefined)
  outage.begin()
  t.equal(admission.hold, 'all', 'and the next time')
  await outage.close()
})

t.test('an answer of a registry that has ended since does not count', async t => {
  const { admission, outage, answers } = outages()
  outage.begin()
  outage.begin()
  answers.shift()!()
  await settled()
  t.equal(admission.hold, 'all')
  answers.shift()!()
  await settled()
  t.equal(admission.hold, 'none')
})

t.test('closing ends the wait, and lets nothing go to a registry that is not there', async t => {
  const { admission, outage } = outages()
  outage.begin()
  await outage.close()
  t.equal(admission.hold, 'all')
  outage.begin()
  t.equal(outage.problem, undefined)
})
