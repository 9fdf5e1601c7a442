/** Certificate files that cannot be used: the start names the setting, before a registry is started. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { createApp } from '../../src/app.js'
import { loadSettings } from '../../src/config/load.js'
import { authority } from '../support/certificates.js'
import { mustRun } from '../support/processes.js'
import { temporaryDirectory } from '../support/temporary.js'
import { skipWithout, tool } from '../support/tools.js'

const skip = skipWithout('openssl')

t.test('what the files must hold', { skip }, async t => {
  const cwd = await temporaryDirectory(t)
  const known = await authority(t)
  const [mine, other] = [await known.issue('mine'), await known.issue('other')]
  const garbage = join(cwd, 'garbage.pem')
  await writeFile(garbage, 'not PEM')
  const locked = join(cwd, 'locked.key')
  await mustRun(tool('openssl').path, ['pkey', '-in', mine.key, '-aes256', '-passout', 'pass:secret', '-out', locked])
  const short = { certificate: join(cwd, 'short.pem'), key: join(cwd, 'short.key') }
  await mustRun(tool('openssl').path, ['req', '-x509', '-newkey', 'rsa:512', '-nodes', '-subj', '/CN=short', '-keyout', short.key, '-out', short.certificate])
  const towards = ['--registry.controller=command', '--registry.url=https://127.0.0.1:1', '--registry.command.collect=true', '--registry.command.restart=true']
  const listen = (certificate: string, key: string): string[] => [`--listen.tls.certificate=${certificate}`, `--listen.tls.key=${key}`]
  const cases: ReadonlyArray<readonly [string, readonly string[], string]> = [
    ['no file', listen(mine.certificate, 'none.key'), `"listen.tls.key": ${join(cwd, 'none.key')} cannot be read: ENOENT`],
    ['no certificate', listen(garbage, mine.key), `"listen.tls.certificate": ${garbage} holds no certificate in PEM`],
    ['no key', listen(mine.certificate, garbage), `"listen.tls.key": ${garbage} holds no private key in PEM`],
    ['a key with a passphrase', listen(mine.certificate, locked), `"listen.tls.key": ${locked} holds no private key in PEM, or one with a passphrase`],
    ['the key of another', listen(mine.certificate, other.key), `"listen.tls.key": ${other.key} is not the key of the first certificate in ${mine.certificate}`],
    ['a key that is too short', listen(short.certificate, short.key), `"listen.tls.certificate": ${short.certificate} cannot be used: `],
    ['no authority', [...towards, `--registry.tls.ca=${garbage}`], `"registry.tls.ca": ${garbage} holds no certificate in PEM`],
    ['the key of another, towards the registry', [...towards, `--registry.tls.certificate=${mine.certificate}`, `--registry.tls.key=${other.key}`], '"registry.tls.key": ']
  ]
  for (const [name, argv, says] of cases) {
    const settings = loadSettings({ argv: ['--log.level=silent', ...argv], env: {}, cwd })
    const message = await createApp(settings).then(() => 'no error', (error: Error) => `${error.name}: ${error.message}`)
    const expected = `SetupError: setting ${says}`
    t.equal(message.slice(0, expected.length), expected, `${name}: ${message}`)
    t.notOk(message.includes('\n'), 'one line')
  }
})
