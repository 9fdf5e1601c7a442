/** Every way to get the settings wrong: one line that names the key, the place, and what to write instead. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import type { Test } from 'tap'
import { loadSettings } from '../../src/config/load.js'
import { SetupError } from '../../src/setup-error.js'
import { temporaryDirectory } from '../support/temporary.js'

interface Given { readonly argv?: readonly string[], readonly env?: Record<string, string>, readonly file?: string }

async function messageOf (t: Test, { argv = [], env = {}, file }: Given): Promise<string> {
  const cwd = await temporaryDirectory(t)
  if (file !== undefined) await writeFile(join(cwd, 'delgate.yml'), file)
  const config = file === undefined ? [] : ['--config', 'delgate.yml']
  try {
    loadSettings({ argv: [...config, ...argv], env, cwd })
  } catch (error) {
    t.type(error, SetupError)
    const { message } = error as Error
    t.notOk(message.includes('\n'), 'one line')
    return message
  }
  return 'no error'
}

const docker = ['--registry.controller=docker']
const command = ['--registry.controller=command', '--registry.url=http://localhost:1']
const commands = ['--registry.command.collect=true', '--registry.command.restart=true']
const secure = ['--registry.controller=command', '--registry.url=https://localhost:1', ...commands]

const cases: ReadonlyArray<readonly [string, Given, string]> = [
  ['unknown key in a file', { file: 'listen:\n  host: ::1\n  prot: 1\n' }, 'unknown setting "listen.prot" (delgate.yml, line 3); did you mean listen.port?'],
  ['unknown key at the top of a file', { file: 'colection: {}' }, 'unknown setting "colection" (delgate.yml, line 1); did you mean collection?'],
  ['key in the wrong section', { file: 'log: {}\nport: 5000' }, 'unknown setting "port" (delgate.yml, line 2); did you mean listen.port?'],
  ['unknown key, nothing near', { file: 'zzzzzzzz: 1' }, 'unknown setting "zzzzzzzz" (delgate.yml, line 1); --help lists all'],
  ['prototype in a file', { file: '{"__proto__": {"listen": 1}}' }, 'unknown setting "__proto__" (delgate.yml, line 1); --help lists all'],
  ['unknown variable', { env: { DELGATE_HOLD_TIMEOUT: '3' } }, 'unknown environment variable DELGATE_HOLD_TIMEOUT; did you mean DELGATE_HOLD_TIMEOUT_SECONDS?'],
  ['unknown variable, nothing near', { env: { DELGATE_XYZ: '3' } }, 'unknown environment variable DELGATE_XYZ; --help lists all'],
  ['misspelt variable', { env: { DELGATE_LISTEN_PROT: '3' } }, 'unknown environment variable DELGATE_LISTEN_PROT; did you mean DELGATE_LISTEN_PORT?'],
  ['unknown flag', { argv: ['--listen.prot', '1'] }, 'unknown flag --listen.prot; did you mean --listen.port?'],
  ['flag in the wrong case', { argv: ['--hold.timeoutseconds=1'] }, 'unknown flag --hold.timeoutseconds; did you mean --hold.timeoutSeconds?'],
  ['a section as a flag', { argv: ['--listen=x'] }, 'unknown flag --listen; did you mean --listen.host?'],
  ['flag without value', { argv: ['--listen.port'] }, 'flag --listen.port needs a value: --listen.port=…'],
  ['flag before another flag', { argv: ['--listen.port', '--log.level=info'] }, 'flag --listen.port needs a value: --listen.port=…'],
  ['argument that is no flag', { argv: ['serve'] }, 'unexpected argument "serve": settings are given as --key value, see --help'],
  ['wrong type in a file', { file: 'listen:\n  port: "5000"\n' }, 'setting "listen.port" (delgate.yml, line 2): expected an integer from 0 to 65535, got "5000"'],
  ['wrong type in a variable', { env: { DELGATE_PORT: 'http' } }, 'setting "listen.port" (environment variable DELGATE_PORT): expected an integer from 0 to 65535, got "http"'],
  ['out of range in a flag', { argv: ['--listen.port=70000'] }, 'setting "listen.port" (flag --listen.port): expected an integer from 0 to 65535, got 70000'],
  ['negative time', { argv: ['--hold.timeoutSeconds=-1'] }, 'setting "hold.timeoutSeconds" (flag --hold.timeoutSeconds): expected a number greater than 0, at most 2000000, got -1'],
  ['not one of the words', { env: { DELGATE_REFERRERS: 'drop' } }, 'setting "referrers" (environment variable DELGATE_REFERRERS): expected one of purge, keep, got "drop"'],
  ['an unknown key in a list of sections, in a file', { file: 'notifications:\n  endpoints:\n    - name: a\n      url: http://a\n    - name: b\n      url: http://b\n      secrte: hush\n' }, 'unknown setting "notifications.endpoints.1.secrte" (delgate.yml, line 7); did you mean notifications.endpoints.1.secret?'],
  ['an unknown key in a list of sections, in a variable', { env: { DELGATE_NOTIFICATIONS_ENDPOINTS: '[{"name":"a","url":"http://a","x":1}]' } }, 'unknown setting "notifications.endpoints.0.x" (environment variable DELGATE_NOTIFICATIONS_ENDPOINTS); --help lists all'],
  ['a missing key in a list of sections', { argv: ['--notifications.endpoints=[{"name":"a","secret":"hush"}]'] }, 'setting "notifications.endpoints.0" (flag --notifications.endpoints): expected a section with the keys name, url, secret, header, timeoutSeconds (needed: name, url), got something else (not repeated here, since it may hold a secret)'],
  ['a list of sections that is none', { argv: ['--notifications.endpoints=[{"secret":"hush"'] }, 'setting "notifications.endpoints" (flag --notifications.endpoints): expected a list of sections with the keys name, url, secret, header, timeoutSeconds, got something else'],
  ['a value in a list of sections', { file: 'notifications: { endpoints: [{ name: a, url: http://a, timeoutSeconds: hush }] }' }, 'setting "notifications.endpoints.0.timeoutSeconds" (delgate.yml, line 1): expected a number greater than 0, at most 2000000, got something else'],
  ['a section with a list in it that is a list', { file: 'notifications: [{ secret: hush }]' }, 'setting "notifications" (delgate.yml, line 1): expected a section with the keys endpoints, queueMaximum, retryMaximumSeconds, got something else'],
  ['a secret of a wrong type', { file: 'registry: { password: [hush] }' }, 'setting "registry.password" (delgate.yml, line 1): expected a non-empty text, got something else'],
  ['a section that is a value', { file: 'listen: 5000' }, 'setting "listen" (delgate.yml, line 1): expected a section with the keys host, port, tls, got 5000'],
  ['a list that is none', { argv: ['--registry.command.collect=[oops'] }, 'setting "registry.command.collect" (flag --registry.command.collect): expected a list of non-empty texts, got "[oops"'],
  ['an item of a wrong type', { file: 'cors:\n  origins: [1]' }, 'setting "cors.origins" (delgate.yml, line 2): expected a list of non-empty texts, got [1]'],
  ['one of several types', { file: 'trustProxy: 1' }, 'setting "trustProxy" (delgate.yml, line 1): expected true or false, or a list of non-empty texts, got 1'],
  ['no range of addresses', { argv: ['--trustProxy=10.0.0.0/99'] }, 'setting "trustProxy": expected an address or CIDR range such as 10.0.0.0/8, got "10.0.0.0/99"'],
  ['a retention rule that says nothing', { file: 'retention: { rules: [{ name: all, tags: [v1] }] }' }, 'setting "retention.rules.0": the rule "all" says neither what to keep nor what to delete'],
  ['two retention rules of one name', { file: 'retention: { rules: [{ name: a, keepNewest: 1 }, { name: a, keepNewest: 2 }] }' }, 'setting "retention.rules.1": there is another rule called "a"'],
  ['an unknown key in a retention rule', { file: 'retention: { rules: [{ name: a, keepNewst: 1 }] }' }, 'unknown setting "retention.rules.0.keepNewst" (delgate.yml, line 1); did you mean retention.rules.0.keepNewest?'],
  ['a schedule without retention rules', { argv: ['--retention.schedule=30 4 * * *'] }, 'setting "retention.schedule" only makes sense with "retention.rules"'],
  ['no schedule', { file: 'retention: { schedule: daily, rules: [{ name: a, keepNewest: 1 }] }' }, 'setting "retention.schedule": expected a cron expression that comes up, such as "30 3 * * 0" (minute, hour, day, month, day of the week), got "daily"'],
  ['no origin', { argv: ['--cors.origins=https://ui.example.org/'] }, 'setting "cors.origins": expected "*" or an origin such as https://ui.example.org (no path, no slash at the end), got "https://ui.example.org/"'],
  ['no URL', { argv: ['--registry.url=registry:5000'] }, 'setting "registry.url" (flag --registry.url): expected an http:// or https:// URL without query, got "registry:5000"'],
  ['a certificate without key', { argv: ['--listen.tls.certificate=c.pem'] }, 'setting "listen.tls.key" is missing: "listen.tls.certificate" needs it (file, DELGATE_LISTEN_TLS_KEY, or --listen.tls.key)'],
  ['a key without certificate', { file: 'listen:\n  tls: { key: k.pem }\n' }, 'setting "listen.tls.certificate" is missing: "listen.tls.key" needs it'],
  ['a certificate for the registry without key', { argv: [...secure, '--registry.tls.certificate=c.pem'] }, 'setting "registry.tls.key" is missing: "registry.tls.certificate" needs it'],
  ['TLS towards a registry that has none', { argv: [...command, ...commands, '--registry.tls.ca=ca.pem'] }, 'setting "registry.tls.ca" only makes sense with a "registry.url" that begins with https://, got "http://localhost:1"'],
  ['TLS towards a registry of its own', { argv: ['--registry.tls.ca=ca.pem'] }, 'setting "registry.tls.ca": the controller "process" reaches its registry on this machine without TLS'],
  ['no connection at all', { argv: ['--limits.connections=0'] }, 'setting "limits.connections" (flag --limits.connections): expected an integer of at least 1, got 0'],
  ['no time for a head', { argv: ['--limits.headSeconds=0'] }, 'setting "limits.headSeconds" (flag --limits.headSeconds): expected a number greater than 0, at most 2000000, got 0'],
  ['broken YAML', { file: 'listen:\n  port: [1\n' }, 'delgate.yml, line 3: not valid YAML: '],
  ['a key twice', { file: 'log: {}\nlog: {}\n' }, 'delgate.yml, line 2: not valid YAML: Map keys must be unique'],
  ['an alias to nothing', { file: 'log: *nothing\n' }, 'delgate.yml, line 1: not valid YAML: Unresolved alias'],
  ['a file that is a list', { file: '# x\n- 1\n' }, 'delgate.yml, line 2: expected a mapping of settings'],
  ['no file', { argv: ['--config', 'nowhere.yml'] }, 'settings file nowhere.yml cannot be read: ENOENT'],
  ['docker without URL', { argv: docker }, 'setting "registry.url" is missing: the controller "docker" needs it (file, DELGATE_REGISTRY_URL, or --registry.url)'],
  ['docker without container', { argv: [...docker, '--registry.url=http://r:5000'] }, 'setting "registry.docker.container" is missing: the controller "docker" needs it, or registry.docker.label, or registry.docker.service'],
  ['docker with two', { argv: [...docker, '--registry.url=http://r:5000', '--registry.docker.container=a', '--registry.docker.service=b'] }, 'settings "registry.docker.container" and "registry.docker.service": set only one of them'],
  ['a project without service', { argv: [...docker, '--registry.url=http://r:5000', '--registry.docker.container=a', '--registry.docker.project=b'] }, 'setting "registry.docker.project" only makes sense with "registry.docker.service"'],
  ['command without collect', { argv: command }, 'setting "registry.command.collect" is missing: the controller "command" needs it'],
  ['command without restart', { argv: [...command, '--registry.command.collect=true'] }, 'setting "registry.command.restart" is missing: the controller "command" needs it']
]

for (const [name, given, expected] of cases) {
  test(name, async (t) => {
    const message = await messageOf(t, given)
    t.equal(message.slice(0, expected.length), expected, message)
  })
}

const endpoint = (change: Record<string, unknown>) => ({ name: 'a', url: 'https://a.example', ...change })
const endpointCases: ReadonlyArray<readonly [string, readonly unknown[], string]> = [
  ['a path', [endpoint({ name: '../a' })], 'expected names of small letters, digits, ".", "_" and "-", beginning with a letter or digit, at most 64, got "../a"'],
  ['two of one name', [endpoint({}), endpoint({})], 'the name a is given twice'],
  ['no URL', [endpoint({ url: 'a.example/hush' })], 'a: its url is no http:// or https:// URL'],
  ['another protocol', [endpoint({ url: 'ftp://a.example/hush' })], 'a: its url is no http:// or https:// URL'],
  ['a password in the URL', [endpoint({ url: 'https://me:hush@a.example' })], 'a: its url holds a user or password; give that as secret'],
  ['no header', [endpoint({ header: 'X Y' })], 'a: its header is no name of a header'],
  ['a header of the request itself', [endpoint({ header: 'Content-Length' })], 'a: its header cannot be Content-Length: that says how the request is sent'],
  ['a secret of two lines', [endpoint({ secret: 'hush\r\nX-Other: 1' })], 'a: its secret holds something besides visible ASCII characters, or a space at an end']
]
for (const [name, endpoints, expected] of endpointCases) {
  test(`an endpoint: ${name}`, async (t) => {
    const message = await messageOf(t, { argv: [`--notifications.endpoints=${JSON.stringify(endpoints)}`] })
    t.equal(message, `setting "notifications.endpoints": ${expected}`)
  })
}

test('no message repeats a secret', async (t) => {
  const given = [...cases.map(([, given]) => given), ...endpointCases.map(([, endpoints]) => ({ env: { DELGATE_NOTIFICATIONS_ENDPOINTS: JSON.stringify(endpoints) } }))]
  const secret = given.filter((one) => JSON.stringify(one).includes('hush'))
  t.ok(secret.length > 8)
  for (const one of secret) t.notOk((await messageOf(t, one)).includes('hush'))
})

test('a long value is not repeated in full', async (t) => {
  const message = await messageOf(t, { argv: [`--log.level=${'x'.repeat(5000)}`] })
  t.ok(message.length < 300)
})
