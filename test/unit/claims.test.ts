/** Claims that wait for a deletion or a sweep are counted while they do, and how long they did is told. */
import t from 'tap'
import { Claims } from '../../src/claims/claims.js'
import { createTraffic } from '../../src/composition/traffic.js'
import { parseDigest } from '../../src/oci/digest.js'
import { parseRepositoryName } from '../../src/oci/name.js'
import { settled } from './clock.js'

const app = parseRepositoryName('team/app')!
const digest = parseDigest(`sha256:${'0'.repeat(64)}`)!

t.test('a claim waits for a deletion, for a sweep, and for nothing', async t => {
  const waits: number[] = []
  const traffic = createTraffic({ hold: { maximumRequests: 10, timeoutSeconds: 10 }, drain: { timeoutSeconds: 10, sessionIdleSeconds: 60, pullIdleSeconds: 60, transferTimeoutSeconds: 10 } }, { requestHeld: () => {}, claimWaited: seconds => { waits.push(seconds) } })
  const claims = new Claims(traffic)
  const { leases } = traffic

  const free = await claims.begin(app, 'docker', digest, true)
  t.equal(waits.length, 1, 'one that need not wait is told of, too')
  t.equal(leases.waiting, 0)
  free.end()

  const deletion = await traffic.locks.exclusive(app)
  const claiming = claims.begin(app, 'docker', digest, true)
  const pushing = claims.beginManifest(app, 'docker', [digest])
  await settled()
  t.equal(leases.waiting, 2)
  t.equal(waits.length, 1)
  deletion()
  ;(await claiming).end()
  ;(await pushing).end()
  t.equal(leases.waiting, 0)
  t.equal(waits.length, 3)

  const swept = leases.condemn(digest)!
  const checking = claims.begin(app, 'docker', digest, false)
  await new Promise(resolve => { setTimeout(resolve, 5) })
  t.equal(leases.waiting, 1)
  swept()
  await checking
  t.ok(waits[3]! > 0.003, 'seconds')
  t.ok(leases.longestWaitMs >= waits[3]! * 1000)
})
