/** What is measured for one answer: so much and no more, and what is not stored does not stand in the way of the rest. */
import t from 'tap'
import { Measure } from '../../src/catalog/measure.js'
import type { Digest } from '../../src/oci/digest.js'
import { d } from './repository.js'

const ALL = ['a', 'b', 'c', 'd', 'e'].map(d)
const GONE = [d('gone/1'), d('gone/2'), d('gone/3')]

function setUp (looks: number, digests: readonly Digest[]) {
  const sizes = new Map<Digest, number>()
  const looked: Digest[] = []
  const stored = new Set(ALL)
  const reader = { blobSize: async (digest: Digest) => { looked.push(digest); return stored.has(digest) ? 10 : undefined } }
  const measure = new Measure(reader, { measured: (digest, bytes) => { sizes.set(digest, bytes) } }, looks)
  const weigh = (some = digests) => ({ bytes: [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0), unmeasured: some.filter(digest => !sizes.has(digest)) })
  return { measure, weigh, looked, stored }
}

t.test('one answer looks at so many, the next ones at the rest', async t => {
  const { measure, weigh, looked } = setUp(2, ALL)
  const sums = []
  for (let answer = 0; answer < 4; answer++) {
    const { bytes, measured } = await measure.weigh(weigh, measure.allowance())
    sums.push([bytes, measured, looked.length])
  }
  t.same(sums, [[20, false, 2], [40, false, 4], [50, true, 5], [50, true, 5]])
})

t.test('all that is in one answer shares what is allowed for it', async t => {
  const { measure, weigh, looked } = setUp(3, ALL)
  const allowance = measure.allowance()
  const [first, second] = await Promise.all([measure.weigh(() => weigh(ALL.slice(0, 2)), allowance), measure.weigh(() => weigh(ALL.slice(2)), allowance)])
  t.same([first.measured, second.measured, looked.length], [true, false, 3])
})

t.test('what is not stored is looked for last, and does not count as not measured for ever', async t => {
  const { measure, weigh, looked, stored } = setUp(2, [...GONE, ...ALL])
  const answer = async () => await measure.weigh(weigh, measure.allowance())
  for (let tries = 0; tries < 3; tries++) t.equal((await answer()).measured, false)
  t.same(looked, [...GONE, ...ALL.slice(0, 3)])
  t.match(await answer(), { bytes: 50, measured: true })
  looked.length = 0
  t.match(await answer(), { bytes: 50, measured: true })
  t.same(looked, GONE.slice(0, 2), 'it may have come back')
  stored.add(GONE[0]!)
  t.match(await answer(), { bytes: 60, measured: true })
})
