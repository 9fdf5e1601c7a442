/** The grammars of digests, repository names and tags. */
import t from 'tap'
import { IMPOSSIBLE_DIGEST, algorithmOf, hexOf, parseDigest } from '../../src/oci/digest.js'
import { isWithin, parseRepositoryName, parseTag } from '../../src/oci/name.js'
import { repository } from './repository.js'

t.test('digests', t => {
  for (const [algorithm, length] of [['sha256', 64], ['sha384', 96], ['sha512', 128]] as const) {
    const text = `${algorithm}:${'0f'.repeat(length / 2)}`
    const digest = parseDigest(text)
    t.equal(digest, text)
    t.equal(algorithmOf(digest!), algorithm)
    t.equal(hexOf(digest!), '0f'.repeat(length / 2))
    for (const bad of [text.slice(0, -1), `${text}0`, text.toUpperCase(), ` ${text}`, `${text}\n`, `${text} `, text.replace(':', ''), text.replace(':', '-'), `${algorithm}:`, `${algorithm}:${'0g'.repeat(length / 2)}`]) {
      t.equal(parseDigest(bad), undefined, JSON.stringify(bad.slice(0, 20)))
    }
  }
  t.end()
})

t.test('a digest of one algorithm does not have the length of another', t => {
  t.equal(parseDigest(`sha512:${'a'.repeat(64)}`), undefined)
  t.equal(parseDigest(`sha256:${'a'.repeat(128)}`), undefined)
  t.end()
})

t.test('what is no digest at all', t => {
  for (const bad of ['', ':', 'sha256', 'sha256:', 'latest', `md5:${'a'.repeat(32)}`, `sha1:${'a'.repeat(40)}`, `__proto__:${'a'.repeat(64)}`, undefined, null, 42, {}, [`sha256:${'a'.repeat(64)}`]]) {
    t.equal(parseDigest(bad), undefined, String(bad))
  }
  t.end()
})

t.test('the impossible digest is well-formed', t => {
  t.equal(parseDigest(IMPOSSIBLE_DIGEST), IMPOSSIBLE_DIGEST)
  t.end()
})

t.test('repository names', t => {
  for (const good of ['a', '0', 'app', 'team/app', 'a/b/c/d/e', 'a.b', 'a_b', 'a__b', 'a-b', 'a---b', '0/0/0-x', 'a'.repeat(255), `${'a/'.repeat(127)}a`]) t.equal(parseRepositoryName(good), good)
  for (const bad of ['', '/', 'a/', '/a', 'a//b', 'A', 'a/B', '.', '..', 'a/..', '../a', 'a/./b', '.a', 'a.', 'a..b', '-a', 'a-', '_a', 'a_', 'a___b', 'a._b', 'a b', 'a\n', '\na', 'a\0', 'ü', 'a:b', 'a@b', 'a\\b', 'a%2fb', 'a'.repeat(256), `${'a/'.repeat(128)}a`]) {
    t.equal(parseRepositoryName(bad), undefined, JSON.stringify(bad.slice(0, 20)))
  }
  t.end()
})

t.test('a name that is nearly right is refused as quickly as a right one', t => {
  const started = process.hrtime.bigint()
  for (let round = 0; round < 1000; round++) {
    parseRepositoryName(`${'a_'.repeat(127)}!`)
    parseRepositoryName(`a${'-'.repeat(250)}!`)
    parseRepositoryName(`${'a__b'.repeat(63)}_`)
  }
  // Exponential backtracking would not end in a lifetime.
  t.ok(process.hrtime.bigint() - started < 20_000_000_000n)
  t.end()
})

t.test('tags', t => {
  for (const good of ['a', '1.0', 'latest', '_x', 'A-B.c_d', 'v1..2', 'a.', 't'.repeat(128)]) t.equal(parseTag(good), good)
  for (const bad of ['', '.', '..', '.a', '-a', 'a/b', 'a:b', 'a b', 'a\n', 'a\0', 'ü', 'a+b', 't'.repeat(129)]) t.equal(parseTag(bad), undefined, JSON.stringify(bad.slice(0, 20)))
  t.end()
})

t.test('what lies under a name', t => {
  const root = repository('a/b')
  for (const inside of ['a/b', 'a/b/c', 'a/b/c/d']) t.equal(isWithin(repository(inside), root), true, inside)
  for (const outside of ['a', 'a/bc', 'a/b-c', 'a/b.c', 'x/a/b', 'a/c', 'b']) t.equal(isWithin(repository(outside), root), false, outside)
  t.end()
})
