/**
 * Looks at a set-up in which no gate runs, or will not start: what a start would find, all of it instead of the first
 * thing, and nothing is started, made or changed.
 */
import { choose } from '../collection/choice.js'
import { readTls } from '../composition/tls.js'
import { loadSettings } from '../config/load.js'
import { readRegistryConfig, type RegistryFacts } from '../config/registry-config.js'
import type { Settings } from '../config/schema.js'
import { ok, problem, warning, type Finding } from '../findings/finding.js'
import { accessFinding, cacheFindings, registryFindings } from '../findings/registry.js'
import { freePort } from '../registry/process-setup.js'
import { SetupError } from '../setup-error.js'
import { directoryFindings } from './directories.js'
import { reachFindings } from './reach.js'
import { sourceOf } from './source.js'

/** @param config path of the settings file */
export async function * inspect (config: string): AsyncGenerator<Finding> {
  const settings = attempt('settings', () => loadSettings({ argv: ['--config', config], env: process.env, cwd: process.cwd() }))
  if ('level' in settings) {
    yield settings
    return
  }
  yield ok('settings', `${config} is understood`)
  yield await runningGate(settings)
  yield * await withProblem('tls', async () => await readTls(settings).then(tls => tls.listen === undefined ? [] : [ok('tls', 'the gate\'s certificate and key fit')]))
  const found = await withProblem('registry', async () => [await sourceOf(settings)])
  const source = found.find(one => 'source' in one)
  yield * found.flatMap(one => 'findings' in one ? one.findings : 'level' in one ? [one] : [])
  if (source === undefined) return
  const facts = attempt('registry', () => readRegistryConfig(source.source.configText, source.source.environment, source.source.configFrom))
  if ('level' in facts) yield facts
  else yield * ofRegistry(settings, facts, source.source.url)
}

async function * ofRegistry (settings: Settings, facts: RegistryFacts, url: string | undefined): AsyncGenerator<Finding> {
  yield * registryFindings(facts)
  if (facts.storageDriver !== 'filesystem') yield problem('storage', `the registry stores on ${facts.storageDriver}; Delgate can only delete on a file system`)
  const choice = attempt('cache', () => choose(settings.collection, facts, settings.registry.controller !== 'none'))
  if ('level' in choice) yield choice
  else yield * cacheFindings(facts, choice)
  const { findings, tree } = await directoryFindings(settings, facts)
  yield * findings
  if (url !== undefined) yield * reachFindings(settings, facts, url, tree)
  const { ways, htpasswd } = settings.access
  if (ways.includes('htpasswd') && htpasswd === undefined) yield problem('who may delete', 'access.ways names htpasswd, but access.htpasswd no file')
  yield accessFinding(!ways.includes('htpasswd') && (!ways.includes('registry') || facts.auth === 'none'))
}

async function runningGate ({ listen }: Settings): Promise<Finding> {
  if (listen.port === 0 || await freePort(listen.port) !== undefined) return ok('gate', `none runs on port ${listen.port}, and the port is free`)
  return warning('gate', `something listens on port ${listen.port}`, `if it is the gate: delgate doctor --url http://127.0.0.1:${listen.port} sees more; otherwise choose another listen.port`)
}

/** A value, or the problem that kept it from being had. */
function attempt<T extends object> (what: string, work: () => T): T | Finding {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof SetupError)) throw error
    return problem(what, error.message)
  }
}

async function withProblem<T> (what: string, work: () => Promise<readonly T[]>): Promise<ReadonlyArray<T | Finding>> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof SetupError)) throw error
    return [problem(what, error.message)]
  }
}
