/** Manifests for Kubernetes, checked against the schema of its own API. */
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { StatefulSet } from 'kubernetes-models/apps/v1'
import { ConfigMap, PersistentVolumeClaim, Service } from 'kubernetes-models/v1'
import { parseAllDocuments } from 'yaml'

const KINDS = { StatefulSet, ConfigMap, PersistentVolumeClaim, Service } as const
type Kinds = { readonly [Kind in keyof typeof KINDS]: InstanceType<typeof KINDS[Kind]> }
/** One object of a manifest. */
export type Manifest = Kinds[keyof Kinds]

/** Every object of the files in a directory. @throws on anything that is not YAML, or a kind that is not expected */
export async function readManifests (directory: string): Promise<Manifest[]> {
  const files = (await readdir(directory)).sort()
  const texts = await Promise.all(files.map(file => readFile(join(directory, file), 'utf8')))
  return texts.flatMap(text => parseAllDocuments(text)).map(document => {
    if (document.errors[0] !== undefined) throw document.errors[0]
    return manifestOf(document.toJS({ maxAliasCount: 0 }))
  })
}

/** @throws when the kind is not one of those expected, or of another version of the API */
export function manifestOf (written: unknown): Manifest {
  const { kind, apiVersion } = written as { kind: keyof Kinds, apiVersion: string }
  if (KINDS[kind]?.apiVersion !== apiVersion) throw new Error(`not expected: ${kind} of ${apiVersion}`)
  return written as Manifest
}

/** The only object of a kind that has this name, or the only one at all. */
export function only<Kind extends keyof Kinds> (manifests: readonly Manifest[], kind: Kind, name?: string): Kinds[Kind] {
  const found = manifests.filter(one => one.kind === kind && (name === undefined || one.metadata?.name === name))
  if (found.length !== 1) throw new Error(`${found.length} of ${kind} ${name ?? ''}`)
  return found[0] as Kinds[Kind]
}

/**
 * What Kubernetes would refuse, or silently leave out: wrong types, what is missing, and keys that its schema does not
 * know. The validator says nothing of the last, but it does not look at them either.
 */
export function problemsOf (manifest: Manifest): string[] {
  const unseen = new Set<string>()
  const checked = new KINDS[manifest.kind as keyof Kinds]()
  for (const [key, value] of Object.entries(manifest)) Object.assign(checked, { [key]: watch(value, key, unseen) })
  try {
    checked.validate()
  } catch (error) {
    return [(error as Error).message]
  }
  return [...unseen].map(path => `${path} is not known`)
}

/** A copy that notes what of it nobody has looked at. */
function watch (value: unknown, path: string, unseen: Set<string>): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((one, at) => watch(one, `${path}[${at}]`, unseen))
  const seen = (key: string | symbol): void => { unseen.delete(`${path}.${String(key)}`) }
  const copy = Object.fromEntries(Object.entries(value).map(([key, below]) => [key, watch(below, `${path}.${key}`, unseen)]))
  Object.keys(value).forEach(key => unseen.add(`${path}.${key}`))
  return new Proxy(copy, {
    get: (target, key) => { seen(key); return Reflect.get(target, key) as unknown },
    // A map of names that the user chooses: all of them are looked at.
    ownKeys: target => { Reflect.ownKeys(target).forEach(seen); return Reflect.ownKeys(target) }
  })
}
