/** Wrong credentials are counted by network, before they are looked at. */
import t from 'tap'
import { Failures } from '../../src/access/failures.js'
import { networkOf } from '../../src/network.js'

t.test('an IPv6 address counts as its /64, whichever way it is written', t => {
  const networks = {
    '192.0.2.1': '192.0.2.1',
    '::ffff:192.0.2.1': '192.0.2.1',
    '::ffff:c000:201': '192.0.2.1',
    '2001:db8:1:2:3:4:5:6': '2001:db8:1:2::/64',
    '2001:DB8:1:2::9': '2001:db8:1:2::/64',
    '2001:0db8:0001:0002::192.0.2.1': '2001:db8:1:2::/64',
    '2001:db8::1': '2001:db8:0:0::/64',
    '2001:db8:1:3::1': '2001:db8:1:3::/64',
    '::1': '0:0:0:0::/64',
    '1::': '1:0:0:0::/64',
    'fe80::1%eth0': 'fe80:0:0:0::/64',
    'the start': 'the start'
  }
  for (const [address, network] of Object.entries(networks)) t.equal(networkOf(address), network, address)
  t.end()
})

t.test('who has a /64 has one number of attempts', t => {
  const failures = new Failures({ attempts: 3, seconds: 60 }, () => 0)
  for (let host = 1; host <= 3; host++) failures.count(`2001:db8::${host}`)
  t.equal(failures.waitSeconds('2001:db8::ffff'), 60)
  t.equal(failures.waitSeconds('2001:db8:0:1::1'), 0, 'the next network')
  t.end()
})

t.test('what was right is taken back', t => {
  let now = 0
  const failures = new Failures({ attempts: 2, seconds: 60 }, () => now)
  const takeBack = failures.count('192.0.2.1')
  failures.count('192.0.2.1')
  t.equal(failures.waitSeconds('192.0.2.1'), 60)
  takeBack()
  t.equal(failures.waitSeconds('192.0.2.1'), 0)
  const late = failures.count('192.0.2.2')
  now = 60_000
  failures.count('192.0.2.2')
  late()
  failures.count('192.0.2.2')
  t.equal(failures.waitSeconds('192.0.2.2'), 60, 'what is taken back late is not taken from the next count')
  t.end()
})
