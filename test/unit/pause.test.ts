/** The coordinated pause: when it may come to a stop, and when it has to give up. */
import t from 'tap'
import { Pause, type PauseSettings } from '../../src/collection/pause.js'
import type { RepositoryName } from '../../src/oci/name.js'
import type { RegistryController } from '../../src/registry/port.js'
import { Admission, type Leave } from '../../src/traffic/admission.js'
import { Sessions } from '../../src/traffic/sessions.js'
import { settled, watched } from './clock.js'

const app = 'team/app' as RepositoryName
type Controller = Pick<RegistryController, 'restart' | 'restartsSeamlessly'>
/** As the controllers that stop the registry before they start it. */
const STOPS_FIRST: Controller = { restartsSeamlessly: false, restart: async () => {} }
/** As the controller that starts the new registry before it stops the old one. */
const SEAMLESS: Controller = { restartsSeamlessly: true, restart: async (_signal, switched) => { void switched?.() } }

interface Paused {
  readonly pause: Pause
  readonly admission: Admission
  readonly sessions: Sessions
  /** What happened, in order. */
  readonly log: string[]
}

function paused (settings: Partial<PauseSettings> = {}, controller: Controller = STOPS_FIRST, ready: () => Promise<void> = async () => {}): Paused {
  const admission = new Admission({ maximumRequests: 10, timeoutSeconds: 60 })
  const sessions = new Sessions(60, () => { admission.changed() })
  const said: string[] = []
  const log = { info: () => {}, warn: (_details: object, message: string) => { said.push(message) } }
  const restarting: Controller = {
    restartsSeamlessly: controller.restartsSeamlessly,
    restart: async (signal, switched) => {
      said.push(`restart, held: ${admission.hold}`)
      await controller.restart(signal, switched)
    }
  }
  const parts = { admission, sessions, controller: restarting, ready, onRestarting: () => {}, onRestarted: () => {}, onFresh: async () => { said.push('fresh') }, log }
  const times = { patienceSeconds: 0.01, drainSeconds: 0.05, transferSeconds: 5, readySeconds: 0.05, uploadsSurvive: true }
  return { pause: new Pause(parts, { ...times, ...settings }), admission, sessions, log: said }
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

t.test('restart: everything is held, and what runs may end; downloads go on by themselves', async t => {
  const { pause, admission, log } = paused()
  admission.enter('download')
  const read = admission.enter('read') as Leave
  const write = admission.enter('write') as Leave
  const restarted = pause.restart()
  await settled()
  t.equal(admission.hold, 'all')
  read()
  await settled()
  t.same(log, [])
  write()
  await restarted
  t.same(log, ['restart, held: all', 'fresh'])
  t.equal(admission.hold, 'none')
})

t.test('restart: a request that does not end in time does not stop it', async t => {
  const { pause, admission, log } = paused({ transferSeconds: 0.05 })
  admission.enter('read')
  await pause.restart()
  t.same(log, ['requests did not end in time; restarting the registry under them', 'restart, held: all', 'fresh'])
})

t.test('a seamless restart holds nobody; what is buried stays so while the old registry answers', async t => {
  const { pause, admission, log } = paused({}, SEAMLESS)
  admission.enter('download')
  const read = admission.enter('read') as Leave
  const restarted = pause.restart()
  await settled()
  t.same(log, ['restart, held: none'])
  admission.enter('write')
  admission.enter('read')
  read()
  await restarted
  t.same(log, ['restart, held: none', 'fresh'])
  t.equal(admission.hold, 'none')
})

t.test('a seamless restart: writes that the caller holds stay held until it is over', async t => {
  const { pause, admission, log } = paused({}, SEAMLESS)
  t.equal(await pause.stopWrites(), true)
  const held = watched(admission.enter('write') as Promise<Leave>)
  await pause.restart()
  t.same(log, ['restart, held: writes', 'fresh'])
  await settled()
  t.equal(held.state, 'fulfilled')
})

t.test('a seamless restart that fails: the old registry serves on, writes stay held, and it is tried again', async t => {
  let tries = 0
  let repair = (): void => {}
  const repaired = new Promise<void>(resolve => { repair = resolve })
  const { pause, admission, log } = paused({}, {
    restartsSeamlessly: true,
    restart: async () => {
      if (++tries === 1) throw new Error('no new registry')
      await repaired
    }
  })
  t.teardown(async () => { await pause.close() })
  await pause.stopWrites()
  await t.rejects(pause.restart(), { name: 'RegistryNotBack', message: /the one from before goes on serving/ })
  t.equal(admission.hold, 'writes')
  t.match(pause.problem, /could not be restarted/)
  t.type(admission.enter('read'), 'function')
  t.notOk(log.includes('fresh'))
  repair()
  t.equal(await admission.until(() => admission.hold === 'none', 10), true)
  t.ok(log.includes('fresh'))
  t.equal(pause.problem, undefined)
})

t.test('a new registry that does not answer gets no requests, until it does', async t => {
  let tries = 0
  let answer = (): void => {}
  const answering = new Promise<void>(resolve => { answer = resolve })
  const { pause, admission } = paused({}, SEAMLESS, async () => {
    if (++tries === 1) throw new Error('silent')
    await answering
  })
  t.teardown(async () => { await pause.close() })
  await t.rejects(pause.restart(), { name: 'RegistryNotBack', message: /does not answer/ })
  t.equal(admission.hold, 'all')
  answer()
  t.equal(await admission.until(() => admission.hold === 'none', 10), true)
})
