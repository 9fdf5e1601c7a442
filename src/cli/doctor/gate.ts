/** What can be found out about a set-up by asking the gate. Nothing is changed. */
import { ok, problem, warning, type Finding } from '../../findings/finding.js'
import { accessFinding, cacheFindings, registryFindings } from '../../findings/registry.js'
import { IMPOSSIBLE_DIGEST } from '../../oci/digest.js'
import type { Usage } from '../../interface/catalog.js'
import { CATALOG_SCOPE, deleteScope } from '../../interface/challenge.js'
import { Failure } from '../failure.js'
import type { Session } from '../session.js'
import { bytes, count } from '../words.js'
import { recordFindings, servingFindings } from './status.js'

/** A repository that need not exist, to ask about rights. */
const ANY_REPOSITORY = 'delgate-doctor'
/** How far two clocks may be apart: tokens and certificates are off by then. Seconds. */
const CLOCK_SECONDS = 60
/** Less room than this share of the disk is little. */
const SCARCE = 0.05
/** So many repositories are looked for on both sides. */
const SAMPLE = 20

export async function * checkGate (session: Session): AsyncGenerator<Finding> {
  const { client } = session
  const status = await client.status()
  yield ok('gate', `Delgate ${status.version} at ${client.origin}`)
  yield * servingFindings(status)
  yield await registryAnswers(session)
  yield * registryFindings(status.registry)
  yield * cacheFindings(status.registry, status)
  yield await storageIsTheSame(session)
  yield await clock(session)
  yield await mayDelete(session)
  yield await strangers(session)
  yield * recordFindings(status)
  yield await room(session)
}

async function registryAnswers ({ client }: Session): Promise<Finding> {
  const reply = await client.ask('GET', '/readyz')
  if (reply.status === 200) return ok('registry', 'it answers')
  const reason = /"reason":"([^"]*)"/.exec(reply.text)?.[1] ?? `status ${reply.status}`
  return problem('registry', `the gate cannot serve: ${reason}`, 'see whether the registry runs, and what its log and Delgate\'s say')
}

/** What the registry lists must be what Delgate sees, or it looks at other files. */
async function storageIsTheSame (session: Session): Promise<Finding> {
  const what = 'storage'
  try {
    const names = await catalogNames(session)
    if (names.length === 0) return ok(what, 'the registry is empty: whether Delgate sees its files shows with the first push')
    const missing: string[] = []
    for (const name of names) if ((await session.client.ask('GET', `/delgate/v1/repositories/${name}`, { scopes: [deleteScope(name)] })).status === 404) missing.push(name)
    if (missing.length === 0) return ok(what, `Delgate sees what the registry lists (${count(names.length, 'repository')} looked at)`)
    if (missing.length < names.length) return warning(what, `${missing[0]} is in the registry's list, but the gate does not show it to you`, 'you may lack the right to delete there; else see whether it was pushed around the gate a moment ago')
    return problem(what, `the registry lists ${names[0]}, but the gate shows none of what it lists`, 'set storage.root to the directory that the registry writes to (in a container: mount the same volume); or you lack the right to delete')
  } catch (error) {
    return warning(what, `what the registry lists cannot be compared: ${error instanceof Failure ? error.message : String(error)}`, 'try again as a user who may list the repositories')
  }
}

async function catalogNames ({ client }: Session): Promise<string[]> {
  const { repositories } = await client.json<{ repositories: string[] | null }>('GET', `/v2/_catalog?n=${SAMPLE}`, { scopes: [CATALOG_SCOPE] })
  return repositories ?? []
}

async function clock ({ client }: Session): Promise<Finding> {
  const { headers } = await client.ask('GET', '/healthz')
  const there = Date.parse(String(headers['date']))
  if (Number.isNaN(there)) return warning('clock', 'the gate does not say what time it has', 'compare the clocks of both machines yourself')
  const apart = Math.round(Math.abs(Date.now() - there) / 1000)
  if (apart <= CLOCK_SECONDS) return ok('clock', 'the gate\'s and this machine\'s agree')
  return warning('clock', `the gate's and this machine's are ${apart} s apart`, 'set both by NTP: ages of uploads, tokens and certificates are judged by them')
}

const permissionPath = `/v2/${ANY_REPOSITORY}/manifests/${IMPOSSIBLE_DIGEST}?dry-run=true`

async function mayDelete ({ client }: Session): Promise<Finding> {
  const what = 'your rights'
  try {
    const reply = await client.ask('DELETE', permissionPath, { scopes: [deleteScope(ANY_REPOSITORY)] })
    if (reply.status === 404 || reply.status === 200) return ok(what, 'you may delete')
    return problem(what, (await client.refusal(reply)).message, 'log in as somebody who may delete (docker login, or --user NAME)')
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    return problem(what, error.message, 'log in as somebody who may delete (docker login, or --user NAME)')
  }
}

/** Whether whoever reaches the port may delete. */
async function strangers ({ client }: Session): Promise<Finding> {
  const { status } = await client.ask('DELETE', permissionPath, { anonymous: true })
  if (status === 404 || status === 200) return accessFinding(true)
  if (status === 401 || status === 403) return accessFinding(false)
  return warning('who may delete', `strangers are answered with status ${status}`, 'see what Delgate\'s log says')
}

async function room ({ client }: Session): Promise<Finding> {
  const reply = await client.ask('GET', '/delgate/v1/usage', { scopes: [CATALOG_SCOPE] })
  if (reply.status !== 200) return warning('room', 'how full the disk is can only be seen by who may delete everywhere', 'try again as such a user')
  const { disk, garbage } = JSON.parse(reply.text) as Usage
  if (disk === null) return ok('room', `${bytes(garbage.bytes)} of garbage; how full the disk is, its file system does not say`)
  const words = `${bytes(disk.freeBytes)} of ${bytes(disk.totalBytes)} free, ${bytes(garbage.bytes)} of garbage`
  return disk.freeBytes < disk.totalBytes * SCARCE ? warning('room', words, 'delgate gc frees what nothing uses; delgate ls --sort bytes shows what is large') : ok('room', words)
}
