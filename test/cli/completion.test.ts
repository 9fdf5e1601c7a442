/** What a shell completes: commands, flags, their values, and the names of repositories. */
import { readdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import t, { type Test } from 'tap'
import { cli } from '../support/cli.js'
import { push } from '../support/client.js'
import { startGate } from '../support/delgate.js'
import { startFalseGate } from '../support/false-gate.js'
import { image } from '../support/images.js'
import { mustRun, run } from '../support/processes.js'
import { temporaryDirectory } from '../support/temporary.js'
import { eachRegistry } from '../support/tools.js'

t.setTimeout(300_000)

/** What bash offers for the last of these words. */
async function completed (t: Test, words: readonly string[], url = 'http://127.0.0.1:1', { directory, before = '' }: { directory?: string, before?: string } = {}): Promise<string[]> {
  directory ??= await temporaryDirectory(t)
  await writeFile(join(directory, 'delgate'), `#!/bin/sh\n${before}\nexec '${process.execPath}' '${resolve('dist/main.js')}' "$@"\n`, { mode: 0o755 })
  const script = `set -e; source <(delgate completion bash); complete -p delgate >/dev/null
    COMP_WORDS=(delgate ${words.map(word => `'${word}'`).join(' ')}); COMP_CWORD=${words.length}
    _delgate || true; printf '%s\\n' "\${COMPREPLY[@]}"`
  const { stdout } = await mustRun('bash', ['-c', script], { env: { PATH: `${directory}:${process.env['PATH']}`, DELGATE_URL: url, DOCKER_CONFIG: '/nonexistent' } })
  return stdout.split('\n').filter(line => line !== '').sort()
}

t.test('bash', async t => {
  t.same(await completed(t, ['']), ['cancel', 'completion', 'df', 'doctor', 'empty-trash', 'gc', 'help', 'job', 'jobs', 'ls', 'prune', 'rm', 'serve', 'tags', 'undo'])
  t.same(await completed(t, ['jo']), ['job', 'jobs'])
  t.same(await completed(t, ['rm', '--a']), ['--all', '--all-tags'])
  t.ok((await completed(t, ['rm', '-'])).includes('--dry-run'))
  t.same(await completed(t, ['empty-trash', '--d']), ['--dry-run'])
  t.same(await completed(t, ['cancel', '--r']), ['--repository'])
  t.same(await completed(t, ['ls', '--sort', '']), ['bytes', 'name'])
  t.same(await completed(t, ['jobs', '--state', 'd']), ['done'])
  t.same(await completed(t, ['completion', '']), ['bash', 'fish', 'zsh'])
  t.same(await completed(t, ['help', 'd']), ['df', 'doctor'])
  t.same(await completed(t, ['ls', '--url', '']), [], 'an address is nothing to guess')
  t.same(await completed(t, ['doctor', '--config', 'package.j']), ['package.json'])
  t.same(await completed(t, ['tags', '']), [], 'no gate: no names, and no message')
})

await eachRegistry(t, 'names of repositories come from the gate', async (t, tool) => {
  const gate = await startGate(t, tool)
  for (const name of ['team/app', 'team/base', 'other']) await push(gate.url, name, 'v1', await image(name))
  t.same(await completed(t, ['tags', 'team/'], gate.url), ['team/app', 'team/base'])
  t.same(await completed(t, ['rm', 'other', 'te'], gate.url), ['team/app', 'team/base'])
})

t.test('a name of a false gate is no command', async t => {
  const directory = await temporaryDirectory(t)
  const evil = [`$(touch ${directory}/run)`, `\`touch ${directory}/run\``, `x;touch\t${directory}/run`, 'x$HOME', 'x *']
  const { url } = await startFalseGate(t, () => ({ repositories: ['app', ...evil].map(name => ({ name })), complete: true }))
  t.same(await completed(t, ['tags', ''], url, { directory }), ['app'])
  t.same(await completed(t, ['rm', evil[0]!.slice(0, 3)], url, { directory }), [])
  const before = `[ "$1" = ls ] && { printf '%s\\n' app ${evil.map(name => `'${name}'`).join(' ')}; exit; }`
  t.same(await completed(t, ['tags', ''], url, { directory, before }), ['app'], 'the script itself takes names alone, too')
  t.same(await readdir(directory), ['delgate'])
})

t.test('zsh and fish get theirs, and understand it where they are installed', async t => {
  for (const shell of ['zsh', 'fish']) {
    const { code, stdout } = await cli(['completion', shell])
    t.equal(code, 0)
    for (const word of ['ls', 'rm', 'dry-run', 'ca-file', 'untagged']) t.match(stdout, word, shell)
    const checked = await run(shell, ['-n', '-c', stdout]).catch(() => undefined)
    if (checked !== undefined) t.equal(checked.code, 0, `${shell} -n: ${checked.stderr}`)
  }
})

t.test('help says what there is, and serve has all settings', async t => {
  const help = await cli(['help'])
  t.equal(help.code, 0)
  for (const name of ['ls', 'tags', 'df', 'rm', 'gc', 'jobs', 'job', 'cancel', 'undo', 'empty-trash', 'prune', 'doctor', 'serve', 'completion']) t.match(help.stdout, new RegExp(`^ {2}${name}\\b`, 'm'))
  t.match((await cli(['help', 'rm'])).stdout, /--dry-run/)
  t.equal((await cli(['rm', '--help'])).stdout, (await cli(['help', 'rm'])).stdout)
  for (const args of [['help', 'serve'], ['serve', '--help'], ['--help']]) t.match((await cli(args)).stdout, /--listen\.port {2}\(DELGATE_LISTEN_PORT\)/, args.join(' '))
  const serve = await cli(['serve', '--listen.prot', '1'])
  t.equal(serve.code, 1)
  t.match(serve.stderr, /^delgate: unknown flag --listen\.prot; did you mean --listen\.port\?\n$/)
})
