/** Users of Delgate's own: what a password costs, whom it holds up, and how many are looked at. */
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import bcrypt from 'bcryptjs'
import t, { type Test } from 'tap'
import { Access } from '../../src/access/access.js'
import { Comparer } from '../../src/access/comparer.js'
import { Failures } from '../../src/access/failures.js'
import { Htpasswd } from '../../src/access/htpasswd.js'
import { Turns } from '../../src/access/turns.js'
import { temporaryDirectory } from '../support/temporary.js'

const HERE = '192.0.2.1'
const basic = (user: string, password: string): string => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
const userLine = (cost: number): string => `ann:${bcrypt.hashSync('secret', cost)}\n`

async function usersOf (t: Test, text: string): Promise<{ file: string, users: Htpasswd, problems: unknown[] }> {
  const file = join(await temporaryDirectory(t), 'htpasswd')
  await writeFile(file, text)
  const problems: unknown[] = []
  return { file, users: await Htpasswd.open(file, error => { problems.push(error) }), problems }
}

const accessOf = (htpasswd: Htpasswd, attempts: number): Access => new Access({ registry: {} as never, registryDecides: false, htpasswd, registryChallenges: undefined, perRepository: false, failures: new Failures({ attempts, seconds: 60 }) })

/** How many came to what: `allowed`, `refused`, or a code. */
async function outcomes (attempts: ReadonlyArray<Promise<{ outcome: string }>>): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  const all = await Promise.all(attempts.map(async attempt => await attempt.then(({ outcome }) => outcome, ({ code }: { code: string }) => code)))
  for (const outcome of all) counts[outcome] = (counts[outcome] ?? 0) + 1
  return counts
}

t.test('of wrong passwords that come at once no more are looked at than are let', async t => {
  const { users } = await usersOf(t, userLine(4))
  const access = accessOf(users, 3)
  const got = await outcomes(Array.from({ length: 50 }, async (_, at) => await access.enter({ authorization: basic('ann', `wrong ${at}`), address: HERE })))
  t.same(got, { refused: 3, TOOMANYREQUESTS: 47 })
  await t.rejects(access.enter({ authorization: basic('ann', 'secret'), address: HERE }), { name: 'CodedError', statusCode: 429 }, 'the right one is not told apart')
  t.match(await access.enter({ authorization: basic('ann', 'secret'), address: '192.0.2.2' }), { outcome: 'allowed', user: 'ann' })
})

t.test('right passwords cost no attempts, also many at once', async t => {
  const { users } = await usersOf(t, userLine(4))
  const access = accessOf(users, 2)
  const right = { authorization: basic('ann', 'secret'), address: HERE }
  t.same(await outcomes(Array.from({ length: 30 }, async () => await access.enter(right))), { allowed: 30 })
  t.same(await outcomes([access.enter({ ...right, authorization: basic('ann', 'wrong') }), access.enter({ ...right, authorization: 'Bearer abc' })]), { refused: 2 })
  await t.rejects(access.enter(right), { name: 'CodedError', statusCode: 429 }, 'wrong ones do, and what is no password at all')
})

t.test('nothing stands still while passwords are compared', async t => {
  const { users } = await usersOf(t, userLine(11))
  let [longest, last] = [0, performance.now()]
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last)
    last = performance.now()
  }, 1)
  const began = performance.now()
  await Promise.all(Array.from({ length: 5 }, async (_, at) => await users.verify({ authorization: basic('nobody', String(at)), address: HERE, count: () => () => {} })))
  clearInterval(timer)
  const all = performance.now() - began
  t.ok(longest < all / 4, `${Math.round(longest)} of ${Math.round(all)} ms`)
})

t.test('a user that does not exist takes as long as one that does', async t => {
  for (const cost of [5, 9]) {
    const { users } = await usersOf(t, userLine(cost))
    const time = async (user: string): Promise<number> => {
      let shortest = Infinity
      for (let at = 0; at < 5; at++) {
        const began = performance.now()
        t.equal(await users.verify({ authorization: basic(user, `wrong ${at}`), address: HERE, count: () => () => {} }), undefined)
        shortest = Math.min(shortest, performance.now() - began)
      }
      return shortest
    }
    await time('ann')
    const [known, unknown] = [await time('ann'), await time('nobody')]
    t.ok(unknown < known * 4 && known < unknown * 4, `cost ${cost}: ${known} ms, ${unknown} ms`)
  }
})

t.test('a line whose cost bcrypt does not know, or takes for ever, is no user', async t => {
  const hash = bcrypt.hashSync('secret', 4)
  for (const cost of ['99', '32', '31', '18', '03', '00']) await t.rejects(usersOf(t, `ann:${hash.replace('$04$', `$${cost}$`)}\n`), { name: 'SetupError', message: /line 1 is not "user:bcrypt hash" with a cost of 4 to 17/ }, cost)
  const { file, users, problems } = await usersOf(t, `ann:${hash}\n`)
  await writeFile(file, `ann:${hash}\nbob:${hash.replace('$04$', '$99$')}\n`)
  t.equal(await users.verify({ authorization: basic('ann', 'secret'), address: HERE, count: () => () => {} }), 'ann', 'what was read last holds')
  t.match(problems, [{ name: 'SetupError' }])
  await rm(file)
})

t.test('the thread may end: that comparison fails, the next has another one', async t => {
  const comparer = new Comparer()
  await t.rejects(comparer.compare('secret', `$2b$99$${'a'.repeat(53)}`), /rounds/)
  t.equal(await comparer.compare('secret', bcrypt.hashSync('secret', 4)), true)
  t.equal(await comparer.compare('wrong', bcrypt.hashSync('secret', 4)), false)
})

t.test('turns: one at a time, in their order; too many of one network or in all do not wait', async t => {
  let now = 0
  const turns = new Turns({ each: 2, all: 3, seconds: 10 }, () => now)
  const done: string[] = []
  const ends: Array<() => void> = []
  const take = async (network: string, name: string): Promise<void> => { await turns.take(network, async () => { await new Promise<void>(resolve => { ends.push(resolve) }); done.push(name) }) }
  const first = take('a', 'first')
  const second = take('a', 'second')
  await t.rejects(take('a', 'third'), { name: 'CodedError', statusCode: 429, headers: { 'retry-after': '1' } })
  const other = take('b', 'other')
  await t.rejects(take('c', 'fourth'), { name: 'CodedError', statusCode: 503, headers: { 'retry-after': '1' } })
  await new Promise(setImmediate)
  t.equal(ends.length, 1, 'one is at it')
  ends[0]!()
  await first
  await new Promise(setImmediate)
  t.same([done, ends.length], [['first'], 2])
  now = 10_001
  ends[1]!()
  await second
  await t.rejects(other, { name: 'CodedError', statusCode: 503 }, 'it waited too long')
  await t.rejects(turns.take('a', async () => { throw new Error('no') }), { message: 'no' })
  t.equal(await turns.take('a', async () => 'again'), 'again')
  t.same(done, ['first', 'second'])
})
