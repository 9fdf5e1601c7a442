/** `delgate prune`: the plan of the retention rules, and their run. */
import { utimes } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { atTerminal, cli, cliJson } from '../support/cli.js'
import { push, tagsOf } from '../support/client.js'
import { startGate } from '../support/delgate.js'
import { image } from '../support/images.js'
import { eachRegistry } from '../support/tools.js'

t.setTimeout(900_000)

await eachRegistry(t, 'a plan that says why, nothing without yes, then one job', async (t, tool) => {
  const gate = await startGate(t, tool, { settings: { retention: { rules: [{ name: 'nightly', repositories: ['team/**'], tags: ['**'], keepTags: ['v*'], deleteOlderThanDays: 30 }] } } })
  const then = new Date(Date.now() - 40 * 86_400_000)
  for (const [name, tag] of [['team/app', 'build-1'], ['team/app', 'v1'], ['other', 'build-1']] as const) {
    await push(gate.url, name, tag, await image(`${name}:${tag}`))
    await utimes(join(gate.storage, 'docker/registry/v2/repositories', name, '_manifests/tags', tag, 'current/link'), then, then)
  }
  const url = ['--url', gate.url]
  const dry = await cli(['prune', '--dry-run', ...url])
  t.equal(dry.code, 0, dry.stderr)
  t.match(dry.stdout, /^WHAT +ACTION +RULE +WHY$/m)
  t.match(dry.stdout, /^team\/app:build-1 +delete +nightly +pushed 40 days ago/m)
  t.match(dry.stdout, /^team\/app:v1 +keep +nightly +matches keepTags/m)
  t.match(dry.stdout, /^Nothing was deleted \(dry run\)\. It would delete 1 reference and free 1\d kB\.$/m)
  t.match(await cliJson(['prune', '--dry-run', ...url]), { dryRun: true, receipt: { counts: { tags: 1 } } })
  const piped = await cli(['prune', ...url])
  t.equal(piped.code, 2)
  t.match(piped.stderr, '--yes')
  const declined = atTerminal(['prune', ...url])
  await declined.shows(/Delete 1 reference, which frees 1\d kB\? \[y\/N\] /)
  t.notMatch(declined.output(), 'team/app:v1 ', 'only what goes')
  declined.type('n\r')
  t.equal(await declined.ended(), 1)
  t.same(await tagsOf(gate.url, 'team/app'), ['build-1', 'v1'])
  const done = await cli(['prune', '--yes', '--wait', ...url])
  t.equal(done.code, 0, done.stderr)
  t.match(done.stdout, /^what the retention rules delete: done, 1 tag, 1 manifest, 4 blobs removed, 1\d kB freed$/m)
  t.same(await tagsOf(gate.url, 'team/app'), ['v1'])
  t.same(await tagsOf(gate.url, 'other'), ['build-1'])
  const nothing = atTerminal(['prune', ...url])
  t.equal(await nothing.ended(), 0)
  t.match(nothing.output(), 'The rules delete nothing at the moment.')
})

await eachRegistry(t, 'without rules it says what to do', async (t, tool) => {
  const gate = await startGate(t, tool)
  const { code, stderr } = await cli(['prune', '--yes', '--url', gate.url])
  t.equal(code, 2)
  t.match(stderr, /^delgate: there are no rules: set retention\.rules in the configuration.*\n$/)
})
