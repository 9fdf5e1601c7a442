/** Globs of a search: against what the words mean, and in bounded time whatever is typed. */
import t from 'tap'
import { parseGlob } from '../../src/oci/glob.js'
import { Chance } from '../support/random.js'

const cases: ReadonlyArray<readonly [string, readonly string[], readonly string[]]> = [
  ['', [''], ['a']],
  ['app', ['app'], ['ap', 'apps', 'team/app']],
  ['*', ['', 'app'], ['team/app']],
  ['**', ['', 'app', 'team/app/deep'], []],
  ['team/*', ['team/app', 'team/'], ['team', 'team/app/deep']],
  ['team/**', ['team', 'team/app', 'team/app/deep'], ['teams/app', 'tea']],
  ['**/app', ['app', 'team/app', 'a/b/app'], ['a/apps', 'anapp', 'a/anapp']],
  ['a/**/z', ['a/z', 'a/b/z', 'a/b/c/z'], ['az', 'a/zz', 'a/bz']],
  ['**/**', ['a', 'a/b'], []],
  ['a**z', ['az', 'a/z', 'abcz', 'a/b/z'], ['a']],
  ['**base**', ['base', 'team/base-x/y'], ['bas']],
  ['v?', ['v1'], ['v', 'v12', 'v/']],
  ['*.*', ['1.2', '.', '1.2.3'], ['12']],
  ['a[b]+', ['ab+'], ['ab', 'abb', 'a[b]+']],
  ['v[0-9]*', ['v1', 'v1.2'], ['v', 'va']],
  ['[!a-c._]x', ['dx', '-x'], ['ax', 'cx', '.x', '/x']],
  ['[a-]', ['a', '-'], ['b']],
  ['[z-a]', [], ['z', 'a', 'm']],
  ['[', ['['], ['']],
  ['[]a', ['[]a'], ['a']]
]

t.test('what matches', async t => {
  for (const [pattern, yes, no] of cases) {
    const matches = parseGlob(pattern)
    for (const name of yes) t.ok(matches(name), `${pattern} matches ${name}`)
    for (const name of no) t.notOk(matches(name), `${pattern} does not match ${name}`)
  }
})

t.test('the same as a regular expression that tries all ways', async t => {
  const chance = new Chance(1)
  let matched = 0
  for (let round = 0; round < 3_000; round++) {
    const pattern = Array.from({ length: chance.upTo(6) }, () => chance.one(['a', 'b', '/', '*', '**', '?'])).join('')
    const name = Array.from({ length: chance.upTo(7) }, () => chance.one(['a', 'b', '/'])).join('')
    const truth = new RegExp(`^${pattern.replace(/(?<=^|\/)\*\*+\//g, 'Y').replace(/\/\*\*+$/, 'Z').replace(/\*\*+/g, 'X').replace(/\*/g, '[^/]*').replace(/\?/g, '[^/]').replace(/X/g, '.*').replace(/Y/g, '(.*/)?').replace(/Z/g, '(/.*)?')}$`).test(name)
    if (truth) matched++
    if (parseGlob(pattern)(name) !== truth) t.fail(`${pattern} on ${name} should be ${truth}`)
  }
  t.ok(matched > 300, `${matched} matched`)
})

t.test('many stars take no longer than many letters', async t => {
  const matches = parseGlob(`${'*a'.repeat(200)}b`)
  const start = performance.now()
  t.notOk(matches('a'.repeat(255)))
  t.ok(performance.now() - start < 1_000)
})
