/** The table of digests, against a plain map. */
import t from 'tap'
import type { Digest } from '../../src/oci/digest.js'
import { NONE } from '../../src/references/cells.js'
import { DigestTable } from '../../src/references/digests.js'
import { Chance } from '../support/random.js'
import { d, d512 } from './repository.js'

const NAMES = [...Array.from({ length: 3_000 }, (_, number) => d(`digest ${number}`)), ...Array.from({ length: 50 }, (_, number) => d512(`digest ${number}`))]

t.test('a number stands for one digest as long as anything counts on it', async t => {
  const chance = new Chance(7)
  const table = new DigestTable(1)
  const model = new Map<Digest, { readonly id: number, count: number }>()
  const wrong: Digest[] = []
  for (let step = 0; step < 60_000; step++) {
    // First more come than go, then more go than come.
    const isComing = chance.happens(step < 20_000 ? 0.7 : 0.4)
    const digest = chance.one(NAMES)
    const known = model.get(digest)
    if (isComing) {
      const id = table.acquire(digest)
      if (known !== undefined && known.id !== id) wrong.push(digest)
      if (known === undefined) model.set(digest, { id, count: 1 })
      else known.count++
    } else if (known !== undefined) {
      table.release(known.id)
      if (--known.count === 0) model.delete(digest)
    }
    if (table.find(digest) !== (model.get(digest)?.id ?? NONE)) wrong.push(digest)
  }
  t.same(wrong, [])
  t.equal(table.cells.count, model.size)
  t.ok(table.cells.end <= NAMES.length + 1, 'numbers are used again')
  t.same([...model].filter(([digest, { id }]) => table.digest(id) !== digest), [])
})

t.test('while it is pinned, no number comes to mean another digest', async t => {
  const table = new DigestTable(0)
  const [a, b, c] = ['a', 'b', 'c'].map(name => table.acquire(d(name)))
  table.pin()
  table.release(a!)
  table.release(b!)
  const others = Array.from({ length: 20 }, (_, number) => table.acquire(d(`other ${number}`)))
  t.same(others.filter(id => [a, b, c].includes(id)), [])
  t.equal(table.acquire(d('b')), b, 'what comes back has the same')
  table.release(b!)
  table.acquire(d('b'))
  table.unpin()
  t.same([table.find(d('a')), table.find(d('b')), table.find(d('c'))], [NONE, b, c])
  t.equal(table.acquire(d('next')), a, 'and after that it is free')
})

t.test('digests that begin alike', async t => {
  const table = new DigestTable(0)
  const alike = Array.from({ length: 300 }, (_, number) => `sha256:${'0'.repeat(60)}${number.toString(16).padStart(4, '0')}` as Digest)
  const ids = alike.map(digest => table.acquire(digest))
  t.same(alike.map(digest => table.find(digest)), ids)
  ids.filter((_, at) => at % 2 === 0).forEach(id => { table.release(id) })
  t.same(alike.map(digest => table.find(digest)), ids.map((id, at) => at % 2 === 0 ? NONE : id))
})
