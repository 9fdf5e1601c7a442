import { settingsSchema } from './schema.js'

/** One node of the settings' JSON Schema, as far as the code here looks at it. */
export interface SchemaNode {
  readonly type?: string
  readonly description?: string
  readonly default?: unknown
  readonly enum?: readonly string[]
  /** What it accepts, in words, where its type does not say all. */
  readonly title?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
  readonly properties?: Readonly<Record<string, SchemaNode>>
  readonly required?: readonly string[]
  readonly items?: SchemaNode
  readonly anyOf?: readonly SchemaNode[]
  /** May hold a secret: messages do not repeat what was given. */
  readonly writeOnly?: boolean
}

/** A key that can be set, with its names in each place. */
export interface Leaf {
  /** In the file: `['registry', 'docker', 'service']`. */
  readonly path: readonly string[]
  /** As a flag without dashes, and in messages: `registry.docker.service`. */
  readonly key: string
  /** In the environment: `DELGATE_REGISTRY_DOCKER_SERVICE`. */
  readonly variable: string
  readonly schema: SchemaNode
}

/** The root of the settings' schema. */
export const rootSchema: SchemaNode = settingsSchema

function variableName (path: readonly string[]): string {
  return `DELGATE_${path.map((part) => part.replace(/[A-Z]/g, '_$&').toUpperCase()).join('_')}`
}

function leavesBelow (node: SchemaNode, path: readonly string[]): readonly Leaf[] {
  if (node.properties === undefined) return [{ path, key: path.join('.'), variable: variableName(path), schema: node }]
  return Object.entries(node.properties).flatMap(([name, child]) => leavesBelow(child, [...path, name]))
}

/** Every key that can be set, in the schema's order. */
export const leaves: readonly Leaf[] = leavesBelow(rootSchema, [])

/** Short names in the environment, for what everybody sets. The long name wins when both are given. */
export const VARIABLE_ALIASES: Readonly<Record<string, string>> = {
  DELGATE_HOST: 'listen.host',
  DELGATE_PORT: 'listen.port',
  DELGATE_REGISTRY_BIN: 'registry.process.binary'
}

/** Variables that are not a key: the settings file, and the directory for all data of the embedded registry. */
export const OTHER_VARIABLES = ['DELGATE_CONFIG', 'DELGATE_DATA'] as const

/** What the commands of the client take from the environment. The gate leaves it alone. */
export const CLIENT_VARIABLES = ['DELGATE_URL', 'DELGATE_PASSWORD'] as const

/** The deepest schema node on the way along `path` (into lists of sections too), and the part of the path that leads there. */
export function walkSchema (path: readonly string[]): { readonly node: SchemaNode, readonly path: readonly string[] } {
  let node = rootSchema
  for (const [depth, name] of path.entries()) {
    const child = childOf(node, name)
    if (child === undefined) return { node, path: path.slice(0, depth) }
    node = child
  }
  return { node, path }
}

function childOf ({ properties, items }: SchemaNode, name: string): SchemaNode | undefined {
  if (properties !== undefined) return Object.hasOwn(properties, name) ? properties[name] : undefined
  return items?.properties !== undefined && /^\d+$/.test(name) ? items : undefined
}

/** Whether what stands at `path`, or below it, may hold a secret. */
export function holdsSecret (path: readonly string[]): boolean {
  const inside = (outer: readonly string[], inner: readonly string[]) => outer.every((name, depth) => inner[depth] === name)
  return leaves.some((leaf) => leaf.schema.writeOnly === true && (inside(leaf.path, path) || inside(path, leaf.path)))
}

/** What a key accepts, in words: "an integer from 0 to 65535". */
export function describeExpected (node: SchemaNode): string {
  if (node.title !== undefined) return node.title
  if (node.anyOf !== undefined) return node.anyOf.map(describeExpected).join(', or ')
  if (node.enum !== undefined) return `one of ${node.enum.join(', ')}`
  if (node.type === 'array') return node.items?.properties === undefined ? 'a list of non-empty texts' : `a list of sections with the keys ${Object.keys(node.items.properties).join(', ')}`
  if (node.type === 'object') return `a section with the keys ${Object.keys(node.properties ?? {}).join(', ')}` + (node.required === undefined ? '' : ` (needed: ${node.required.join(', ')})`)
  if (node.type === 'boolean') return 'true or false'
  if (node.type === 'string') return 'a non-empty text'
  return (node.type === 'integer' ? 'an integer' : 'a number') + describeRange(node)
}

function describeRange ({ minimum, maximum, exclusiveMinimum }: SchemaNode): string {
  if (minimum !== undefined && maximum !== undefined) return ` from ${minimum} to ${maximum}`
  if (minimum !== undefined) return ` of at least ${minimum}`
  if (exclusiveMinimum === undefined) return ''
  return ` greater than ${exclusiveMinimum}` + (maximum === undefined ? '' : `, at most ${maximum}`)
}
