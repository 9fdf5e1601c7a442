/** Which collector and which freshness are in force. */
import t from 'tap'
import { choose, type ChoiceFacts, type Wanted } from '../../src/collection/choice.js'

const facts = (given: Partial<ChoiceFacts> = {}): ChoiceFacts => ({ cache: 'inmemory', deletesEnabled: true, assumed: false, ...given })
const wanted = (given: Partial<Wanted> = {}): Wanted => ({ collector: 'auto', freshness: 'auto', ...given })

t.test('what is chosen', t => {
  const cases: Array<[Partial<Wanted>, Partial<ChoiceFacts>, string]> = [
    [{}, {}, 'online evict'],
    [{}, { deletesEnabled: false }, 'online restart'],
    [{}, { deletesEnabled: false, assumed: true }, 'online restart'],
    [{}, { cache: 'none' }, 'online none'],
    [{}, { cache: 'none', deletesEnabled: false }, 'online none'],
    [{}, { cache: 'redis' }, 'online evict'],
    [{}, { cache: 'redis', deletesEnabled: false }, 'online evict'],
    [{ freshness: 'restart' }, {}, 'online restart'],
    [{ collector: 'registry' }, {}, 'registry restart'],
    [{ collector: 'registry' }, { cache: 'none' }, 'registry none'],
    [{ collector: 'registry', freshness: 'restart' }, { deletesEnabled: false }, 'registry restart'],
    [{ collector: 'online', freshness: 'evict' }, {}, 'online evict']
  ]
  for (const [one, other, expected] of cases) {
    const { collector, freshness, why } = choose(wanted(one), facts(other))
    t.equal(`${collector} ${freshness}`, expected, JSON.stringify([one, other]))
    t.ok(why.length > 10, why)
  }
  t.match(choose(wanted(), facts({ deletesEnabled: false })).why, /REGISTRY_STORAGE_DELETE_ENABLED/, 'it says what to do about it')
  t.end()
})

t.test('what cannot work is refused, with what to do', t => {
  const cases: Array<[Partial<Wanted>, Partial<ChoiceFacts>, RegExp]> = [
    [{ freshness: 'evict' }, { deletesEnabled: false }, /storage\.delete\.enabled/],
    [{ freshness: 'restart' }, { cache: 'redis' }, /Redis.*auto or evict/],
    [{ collector: 'registry' }, { cache: 'redis' }, /collector to online/],
    [{ collector: 'registry', freshness: 'evict' }, {}, /collector to online/]
  ]
  for (const [one, other, message] of cases) t.throws(() => choose(wanted(one), facts(other)), { name: 'SetupError', message })
  t.end()
})
