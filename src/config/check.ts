import { isIP } from 'node:net'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import { Cron } from 'croner'
import { SetupError } from '../setup-error.js'
import { checkEndpoints } from './endpoints.js'
import { checkTls } from './check-tls.js'
import { nearest } from './nearest.js'
import { describeExpected, holdsSecret, leaves, walkSchema } from './paths.js'
import { settingsSchema } from './schema.js'
import type { Filled, Settings } from './schema.js'
import { isTree, suggestion } from './sources.js'
import type { Source, Tree } from './sources.js'

/** The log of decisions, where nothing else is said, in the state directory. */
const AUDIT_FILE = 'audit.jsonl'

/** Longest part of a refused value that a message repeats. Characters. */
const SHOWN_VALUE_CHARACTERS = 60

const checker = new Ajv({ strict: true }).compile(settingsSchema)
const filler = new Ajv({ strict: true, useDefaults: true }).compile(settingsSchema)

/**
 * Checks what one source says, alone, so that a message can name the place.
 * @throws SetupError with the key, the place, and what was expected or the nearest key.
 */
export function checkSource (source: Source): void {
  if (checker(source.tree)) return
  const error = checker.errors![0]!
  const path = error.instancePath.split('/').slice(1).map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
  if (error.keyword === 'additionalProperties') throw unknownKey(source, path, error.params['additionalProperty'] as string)
  const at = walkSchema(path)
  const value = at.path.reduce<unknown>((tree, name) => (tree as Tree)[name], source.tree)
  throw new SetupError(`setting "${at.path.join('.')}" (${source.locate(at.path)}): expected ${describeExpected(at.node)}, got ${shown(value, at.path)}`)
}

/** A refused value as a message repeats it: not at length, and no secret. A plain value in place of a section holds none. */
function shown (value: unknown, path: readonly string[]): string {
  const isSection = walkSchema(path).node.properties !== undefined
  if (holdsSecret(path) && (typeof value === 'object' || !isSection)) return 'something else (not repeated here, since it may hold a secret)'
  const text = JSON.stringify(value)
  return text.length > SHOWN_VALUE_CHARACTERS ? `${text.slice(0, SHOWN_VALUE_CHARACTERS)}…` : text
}

function unknownKey (source: Source, section: readonly string[], name: string): SetupError {
  const path = [...section, name]
  return new SetupError(`unknown setting "${path.join('.')}" (${source.locate(path)})${suggestion(nearestKey(section, name))}`)
}

/** A sibling, else a key of that name in another section, else the nearest of all; within a list of sections only a sibling. */
function nearestKey (section: readonly string[], name: string): string | undefined {
  const sibling = nearest(name, Object.keys(walkSchema(section).node.properties ?? {}))
  if (sibling !== undefined) return [...section, sibling].join('.')
  if (section.some((part) => /^\d+$/.test(part))) return undefined
  const namesake = leaves.find(({ path }) => path.at(-1) === name)
  return namesake?.key ?? nearest([...section, name].join('.'), leaves.map(({ key }) => key))
}

/** Lays trees over each other: sections are merged, values (lists too) replaced by the later one. */
export function mergeTrees (trees: readonly Tree[]): Tree {
  const merged: Tree = {}
  for (const tree of trees) {
    for (const [key, value] of Object.entries(tree)) {
      const below = merged[key]
      merged[key] = isTree(value) ? mergeTrees(isTree(below) ? [below, value] : [value]) : value
    }
  }
  return merged
}

/**
 * Fills in the defaults and checks what depends on several keys.
 * @throws SetupError
 */
export function completeSettings (tree: Tree): Settings {
  const settings = structuredClone(tree)
  if (!filler(settings)) throw new SetupError(`settings: ${filler.errors![0]!.instancePath} ${filler.errors![0]!.message}`)
  const complete = withAuditFile(settings as unknown as Filled)
  checkController(complete.registry)
  checkTls(complete)
  checkProxies(complete.trustProxy)
  checkSchedule('collection.schedule', complete.collection.schedule)
  checkSchedule('retention.schedule', complete.retention.schedule)
  checkRetention(complete.retention)
  complete.cors.origins.forEach(checkOrigin)
  checkEndpoints(complete.notifications.endpoints)
  return complete
}

function withAuditFile (settings: Filled): Settings {
  return { ...settings, audit: { ...settings.audit, file: settings.audit.file ?? join(settings.state.directory, AUDIT_FILE) } }
}

function checkController ({ controller, url, docker, command }: Settings['registry']): void {
  const needs = (key: string, why = '') => new SetupError(`setting "${key}" is missing: the controller "${controller}" needs it${why} (file, ${leaves.find((leaf) => leaf.key === key)!.variable}, or --${key})`)
  if (controller === 'process') return
  if (url === undefined) throw needs('registry.url')
  if (controller === 'none') return
  if (controller === 'command') {
    if (command.collect === undefined) throw needs('registry.command.collect')
    if (command.restart === undefined) throw needs('registry.command.restart')
    return
  }
  const selectors = (['container', 'label', 'service'] as const).filter((name) => docker[name] !== undefined)
  if (selectors.length === 0) throw needs('registry.docker.container', ', or registry.docker.label, or registry.docker.service')
  if (selectors.length > 1) throw new SetupError(`settings ${selectors.map((name) => `"registry.docker.${name}"`).join(' and ')}: set only one of them, each says which container`)
  if (docker.project !== undefined && docker.service === undefined) throw new SetupError('setting "registry.docker.project" only makes sense with "registry.docker.service"')
}

/** Names that proxy-addr, which Fastify uses, knows besides addresses. */
const PROXY_NAMES = ['loopback', 'linklocal', 'uniquelocal']

function checkProxies (trustProxy: Settings['trustProxy']): void {
  if (typeof trustProxy === 'boolean') return
  for (const entry of trustProxy) {
    const [, address = '', bits] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(entry) ?? []
    const version = isIP(address)
    const fits = version !== 0 && Number(bits ?? 0) <= (version === 4 ? 32 : 128)
    if (!fits && !PROXY_NAMES.includes(entry)) throw new SetupError(`setting "trustProxy": expected an address or CIDR range such as 10.0.0.0/8, got ${JSON.stringify(entry)}`)
  }
}

/** A rule that says nothing, and rules that cannot be told apart, are mistakes. */
function checkRetention ({ rules, schedule }: Settings['retention']): void {
  for (const [at, { name, ...rule }] of rules.entries()) {
    const says = Object.keys(rule).some(key => key.startsWith('keep') || key.startsWith('delete'))
    if (!says) throw new SetupError(`setting "retention.rules.${at}": the rule "${name}" says neither what to keep nor what to delete`)
    if (rules.findIndex(other => other.name === name) !== at) throw new SetupError(`setting "retention.rules.${at}": there is another rule called "${name}"`)
  }
  if (schedule !== undefined && rules.length === 0) throw new SetupError('setting "retention.schedule" only makes sense with "retention.rules"')
}

function checkSchedule (key: string, schedule: string | undefined): void {
  if (schedule === undefined) return
  try {
    if (new Cron(schedule, { paused: true }).nextRun() !== null) return
  } catch { /* said below */ }
  throw new SetupError(`setting "${key}": expected a cron expression that comes up, such as "30 3 * * 0" (minute, hour, day, month, day of the week), got ${JSON.stringify(schedule)}`)
}

function checkOrigin (origin: string): void {
  const fits = origin === '*' || (URL.canParse(origin) && new URL(origin).origin === origin)
  if (!fits) throw new SetupError(`setting "cors.origins": expected "*" or an origin such as https://ui.example.org (no path, no slash at the end), got ${JSON.stringify(origin)}`)
}
