/** Which rule stands in the way of what. */
import t from 'tap'
import type { RepositoryName, Tag } from '../../src/oci/name.js'
import { Protection, type RuleSettings } from '../../src/protection/protection.js'

const rule = (name: string, parts: Partial<RuleSettings> = {}): RuleSettings => ({ name, repositories: ['**'], users: [], overwrite: false, ...parts })
const name = (text: string): RepositoryName => text as RepositoryName
const tags = (...names: string[]) => names.map(one => ({ tag: one as Tag }))

t.test('globs are about whole names: * within a segment, ** across', async t => {
  const ruleFor = (...repositories: string[]) => (repository: string) => new Protection([rule('r', { repositories })]).deleting({ repository: name(repository), tags: [] }, undefined)?.rule
  for (const [globs, inside, outside] of [
    [['team/app'], ['team/app'], ['team/app/x', 'team/apps', 'x/team/app', 'team']],
    [['team/*'], ['team/a', 'team/b-c.d'], ['team', 'team/a/b', 'teams/a']],
    [['team/**'], ['team', 'team/a', 'team/a/b'], ['teams/a']],
    [['**'], ['a', 'a/b/c'], []],
    [['a', 'b/*'], ['a', 'b/c'], ['c', 'b']]
  ] as const) {
    for (const repository of inside) t.equal(ruleFor(...globs)(repository), 'r', `${globs.join()} is about ${repository}`)
    for (const repository of outside) t.equal(ruleFor(...globs)(repository), undefined, `${globs.join()} is not about ${repository}`)
  }
})

t.test('a rule with tags is about what loses one of them, a rule without about everything', async t => {
  const protection = new Protection([rule('releases', { repositories: ['team/*'], tags: ['v*', 'latest'] }), rule('frozen', { repositories: ['golden'] })])
  t.equal(protection.deleting({ repository: name('team/app'), tags: tags('dev', 'test') }, undefined), undefined)
  t.same(protection.deleting({ repository: name('team/app'), tags: tags('dev', 'v1.2') }, undefined), { rule: 'releases', repository: 'team/app', tag: 'v1.2' })
  t.equal(protection.deleting({ repository: name('other'), tags: tags('v1') }, undefined), undefined)
  t.same(protection.deleting({ repository: name('golden'), tags: [] }, undefined), { rule: 'frozen', repository: 'golden' })
})

t.test('a rule does not hold for its users, others still do', async t => {
  const protection = new Protection([rule('mine', { users: ['alice'] }), rule('ours', { repositories: ['a'], users: ['bob', 'alice'] }), rule('theirs', { repositories: ['b'] })])
  const ruleFor = (repository: string, user?: string) => protection.deleting({ repository: name(repository), tags: [] }, user)?.rule
  t.same([ruleFor('a'), ruleFor('a', 'bob'), ruleFor('a', 'alice'), ruleFor('b', 'alice'), ruleFor('a', '')], ['mine', 'mine', undefined, 'theirs', 'mine'])
})

t.test('overwriting: unless the rule says so', async t => {
  const protection = new Protection([rule('moving', { tags: ['latest'], overwrite: true }), rule('fixed', { tags: ['v*'], users: ['alice'] })])
  const ruleFor = (tag: string, user?: string) => protection.overwriting(name('a'), tag as Tag, user)?.rule
  t.same([ruleFor('latest'), ruleFor('v1'), ruleFor('v1', 'alice'), ruleFor('dev')], [undefined, 'fixed', undefined, undefined])
})
