import { LineCounter, isMap, isSeq, parseDocument } from 'yaml'
import type { Document } from 'yaml'
import { SetupError } from '../setup-error.js'
import { nearest } from './nearest.js'
import { CLIENT_VARIABLES, OTHER_VARIABLES, VARIABLE_ALIASES, leaves } from './paths.js'
import type { Leaf, SchemaNode } from './paths.js'

/** A settings tree as written, before it was checked. */
export type Tree = { [key: string]: unknown }

/** What one place says, and how to name that place in a message about one of its keys. */
export interface Source {
  readonly tree: Tree
  /** Where `path` was set: "delgate.yml, line 3", "environment variable DELGATE_PORT", "flag --listen.port". */
  readonly locate: (path: readonly string[]) => string
}

const byKey = new Map(leaves.map((leaf) => [leaf.key, leaf]))

/** Sets one value in a tree, making the sections on the way. */
export function setIn (tree: Tree, path: readonly string[], value: unknown): void {
  let section = tree
  for (const name of path.slice(0, -1)) section = (section[name] ??= {}) as Tree
  section[path.at(-1)!] = value
}

/** Reads the text of an environment variable or a flag by what its key accepts; what does not fit stays a text, for the check to refuse. */
export function parseText (schema: SchemaNode, text: string): unknown {
  if (schema.anyOf !== undefined) {
    const choice = schema.anyOf.find((one) => one.type === 'boolean' ? /^(true|false)$/.test(text) : true)
    return parseText(choice ?? {}, text)
  }
  if (schema.type === 'boolean') return text === 'true' ? true : text === 'false' ? false : text
  if (schema.type === 'array') return parseList(text)
  const isNumber = schema.type === 'number' || schema.type === 'integer'
  return isNumber && /^-?(\d+\.?\d*|\.\d+)$/.test(text) ? Number(text) : text
}

function parseList (text: string): unknown {
  if (!text.trimStart().startsWith('[')) return text.split(',').map((item) => item.trim())
  try {
    return JSON.parse(text) as unknown
  } catch {
    return text
  }
}

/**
 * The settings file: YAML, and so also JSON. A key without a value counts as not set.
 * @throws SetupError with file and line when it is not YAML, or not a mapping.
 */
export function fileSource (name: string, text: string): Source {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const place = (offset: number) => `${name}, line ${lines.linePos(offset).line}`
  const [error] = document.errors
  if (error !== undefined) throw new SetupError(`${place(error.pos[0])}: not valid YAML: ${error.message.split('\n', 1)[0]}`)
  const contents = contentsOf(document, name)
  if (contents === null || contents === undefined) return { tree: {}, locate: () => name }
  if (!isMap(document.contents)) throw new SetupError(`${place(document.contents?.range?.[0] ?? 0)}: expected a mapping of settings`)
  return { tree: withoutNulls(contents as Tree), locate: (path) => place(offsetOf(document, path)) }
}

function contentsOf (document: Document, name: string): unknown {
  try {
    return document.toJS() as unknown
  } catch (error) { // aliases: to nothing, or far too many
    throw new SetupError(`${name}, line 1: not valid YAML: ${(error as Error).message.split('\n', 1)[0]}`)
  }
}

function withoutNulls (tree: Tree): Tree {
  const within = (value: unknown): unknown => Array.isArray(value) ? value.map(within) : isTree(value) ? withoutNulls(value) : value
  const present = Object.entries(tree).filter(([, value]) => value !== null)
  return Object.fromEntries(present.map(([key, value]) => [key, within(value)]))
}

/** Whether a value is a section rather than a value of its own. */
export function isTree (value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Where the key at `path` (or the nearest one above it) begins in the file. */
function offsetOf (document: Document, path: readonly string[]): number {
  let node: unknown = document.contents
  let offset = 0
  for (const name of path) {
    if (isSeq(node)) {
      node = node.items[Number(name)]
      offset = (node as { range?: readonly number[] } | undefined)?.range?.[0] ?? offset
      continue
    }
    if (!isMap(node)) break
    const pair = node.items.find(({ key }) => String(key) === name)
    if (pair === undefined) break
    offset = (pair.key as { range?: readonly number[] }).range?.[0] ?? offset
    node = pair.value
  }
  return offset
}

/**
 * The environment's `DELGATE_…` variables. An empty one counts as not set, as compose files produce them.
 * @throws SetupError for an unknown `DELGATE_…` variable.
 */
export function environmentSource (environment: Readonly<Record<string, string | undefined>>): Source {
  const known = new Map<string, Leaf>(Object.entries(VARIABLE_ALIASES).map(([alias, key]) => [alias, byKey.get(key)!]))
  for (const leaf of leaves) known.set(leaf.variable, leaf) // after the aliases, so that the long name wins below
  for (const name of Object.keys(environment)) {
    if (!name.startsWith('DELGATE_') || known.has(name) || ([...OTHER_VARIABLES, ...CLIENT_VARIABLES] as readonly string[]).includes(name)) continue
    throw new SetupError(`unknown environment variable ${name}${suggestion(nearest(name, [...known.keys(), ...OTHER_VARIABLES]))}`)
  }
  const tree: Tree = {}
  const origin = new Map<string, string>()
  for (const [name, leaf] of known) {
    const text = environment[name]
    if (text === undefined || text === '') continue
    setIn(tree, leaf.path, parseText(leaf.schema, text))
    origin.set(leaf.key, name)
  }
  return { tree, locate: (path) => `environment variable ${origin.get(keyOf(path)) ?? path.join('.')}` }
}

/** What the command line asks for besides settings. */
export interface CommandLine {
  readonly source: Source
  /** `--config` */
  readonly config: string | undefined
  readonly help: boolean
  readonly version: boolean
}

/**
 * The command line: `--key value` or `--key=value`; given twice, the last one counts.
 * @param argv the arguments only, without the program and script.
 * @throws SetupError for an unknown flag, a missing value, or an argument that is no flag.
 */
export function flagSource (argv: readonly string[]): CommandLine {
  const tree: Tree = {}
  let config: string | undefined
  let help = false
  let version = false
  for (let at = 0; at < argv.length; at++) {
    const argument = argv[at]!
    if (argument === '--help' || argument === '-h') { help = true; continue }
    if (argument === '--version' || argument === '-v') { version = true; continue }
    if (!argument.startsWith('--')) throw new SetupError(`unexpected argument "${argument}": settings are given as --key value, see --help`)
    const [key, inline] = splitOnce(argument.slice(2))
    const leaf = byKey.get(key)
    if (leaf === undefined && key !== 'config') throw new SetupError(`unknown flag --${key}${suggestion(nearest(key, [...byKey.keys(), 'config', 'help', 'version']), '--')}`)
    const value = inline ?? argv[++at]
    if (value === undefined || (inline === undefined && value.startsWith('--'))) throw new SetupError(`flag --${key} needs a value: --${key}=…`)
    if (leaf === undefined) config = value
    else setIn(tree, leaf.path, parseText(leaf.schema, value))
  }
  return { source: { tree, locate: (path) => `flag --${keyOf(path)}` }, config, help, version }
}

/** The key that a path belongs to: in a list of sections it leads further in. */
function keyOf (path: readonly string[]): string {
  const depth = path.findIndex((_, at) => byKey.has(path.slice(0, at + 1).join('.')))
  return path.slice(0, depth < 0 ? path.length : depth + 1).join('.')
}

function splitOnce (text: string): readonly [string, string | undefined] {
  const at = text.indexOf('=')
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)]
}

/** The end of a message about something unknown. */
export function suggestion (name: string | undefined, prefix = ''): string {
  return name === undefined ? '; --help lists all' : `; did you mean ${prefix}${name}?`
}
