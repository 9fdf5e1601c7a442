/** The coordinated pause: when it may come to a stop, and when it has to give up. */
import t from 'tap'
import { Pause, type PauseSettings } from '../../src/collection/pause.js'
import type { RepositoryName } from '../../src/oci/name.js'
import { Admission, type Leave } from '../../src/traffic/admission.js'
import { Sessions } from '../../src/traffic/sessions.js'

const app = 'team/app' as RepositoryName

function paused (settings: Partial<PauseSettings> = {}): { pause: Pause, admission: Admission, sessions: Sessions } {
  const admission = new Admission({ maximumRequests: 10, timeoutSeconds: 60 })
  const sessions = new Sessions(60, () => { admission.changed() })
  const log = { info: () => {}, warn: () => {} }
  const parts = { admission, sessions, controller: { restart: async () => {} }, ready: async () => {}, onFresh: async () => {}, log }
  const times = { patienceSeconds: 0.01, drainSeconds: 0.05, transferSeconds: 0.05, readySeconds: 1, uploadsSurvive: true }
  return { pause: new Pause(parts, { ...times, ...settings }), admission, sessions }
}

t.test('an open upload is no hindrance where it survives the restart', async t => {
  const { pause, admission, sessions } = paused()
  sessions.uploadOpened(app, 'docker', 'an-upload')
  t.equal(await pause.stopWrites(), true)
  t.equal(admission.hold, 'writes')
})

t.test('where it does not survive, the pause is put off, and nobody is held', async t => {
  const { pause, admission, sessions } = paused({ uploadsSurvive: false })
  sessions.uploadOpened(app, 'docker', 'an-upload')
  t.equal(await pause.stopWrites(), false)
  t.equal(admission.hold, 'none')
  sessions.uploadClosed(app, 'an-upload')
  t.equal(await pause.stopWrites(), true, 'once it is over')
})

t.test('a request that still writes puts it off', async t => {
  const { pause, admission } = paused()
  const leave = admission.enter('write') as Leave
  t.equal(await pause.stopWrites(), false)
  t.equal(admission.hold, 'none')
  leave()
  t.equal(await pause.stopWrites(), true)
})
