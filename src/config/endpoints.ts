/** What the schema cannot say about the endpoints of notifications. No message repeats an endpoint's URL or secret. */
import { SetupError } from '../setup-error.js'
import type { Settings } from './schema.js'

type Endpoint = Settings['notifications']['endpoints'][number]

/** A name of one directory, the same on file systems that do not tell letter cases apart. */
const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/
/** RFC 9110, section 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** Headers that say how the request itself is sent. */
const OWN_HEADERS = ['connection', 'content-length', 'content-type', 'expect', 'host', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'user-agent']
/** Visible ASCII, and spaces within. */
const SECRET = /^[!-~](?:[ -~]*[!-~])?$/

/** @throws SetupError for a name that is no directory's or given twice, and for what cannot be sent */
export function checkEndpoints (endpoints: readonly Endpoint[]): void {
  const names = new Set<string>()
  for (const endpoint of endpoints) {
    const { name } = endpoint
    if (!NAME.test(name)) throw new SetupError(`setting "notifications.endpoints": expected names of small letters, digits, ".", "_" and "-", beginning with a letter or digit, at most 64, got ${JSON.stringify(name.slice(0, 64))}`)
    if (names.has(name)) throw new SetupError(`setting "notifications.endpoints": the name ${name} is given twice`)
    names.add(name)
    const problem = problemOf(endpoint)
    if (problem !== undefined) throw new SetupError(`setting "notifications.endpoints": ${name}: ${problem}`)
  }
}

function problemOf ({ url, secret, header }: Endpoint): string | undefined {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined || !['http:', 'https:'].includes(parsed.protocol)) return 'its url is no http:// or https:// URL'
  if (parsed.username !== '' || parsed.password !== '') return 'its url holds a user or password; give that as secret'
  if (!TOKEN.test(header)) return 'its header is no name of a header'
  if (OWN_HEADERS.includes(header.toLowerCase())) return `its header cannot be ${header}: that says how the request is sent`
  if (secret !== undefined && !SECRET.test(secret)) return 'its secret holds something besides visible ASCII characters, or a space at an end'
  return undefined
}
