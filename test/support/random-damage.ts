/** Damage to a registry's tree, as crashes, full disks and helpful administrators leave it. */
import { dirname } from 'node:path'
import type { Chance } from './random.js'
import type { TreeSketch } from './tree-sketch.js'

export type DamageKind = 'none' | 'harmless' | 'any'

/** What was done, and where; `path` is relative to `docker/registry/v2`. */
export interface Damaged { readonly kind: string, readonly path: string }

/** Does one kind of damage in one place; `undefined` when there is no place for it. */
type Harm = (tree: TreeSketch, chance: Chance) => string | undefined

const REVISION = /\/_manifests\/revisions\/\w+\/\w+\/link$/
const LAYER = /\/_layers\/\w+\/\w+\/link$/

const pick = (chance: Chance, places: readonly string[]): string | undefined => places.length === 0 ? undefined : chance.one(places)

/** What hides no use of a blob, and does not stop the registry's own collector. */
const HARMLESS: Readonly<Record<string, Harm>> = {
  'a tag points to a manifest that is not linked': (tree, chance) => {
    const place = pick(chance, tree.files(/\/tags\/[^/]+\/current\/link$/))
    if (place !== undefined) tree.file(place, `sha256:${'5'.repeat(64)}`)
    return place
  },
  'a layer link without its blob': (tree, chance) => {
    const repository = pick(chance, tree.directories(/^repositories\/.*\/_layers$/))
    if (repository === undefined) return undefined
    const digest = `sha256:${'6'.repeat(64)}`
    tree.link(`${repository}/${digest.replace(':', '/')}/link`, digest)
    return `${repository}/${digest.replace(':', '/')}/link`
  },
  'a blob\'s directory without data': tree => {
    const directory = `blobs/sha256/77/${'7'.repeat(64)}`
    tree.directory(directory)
    return directory
  },
  'a repository with layers only': tree => {
    const [blob] = tree.blobs()
    if (blob === undefined) return undefined
    tree.link(tree.layer('only/layers', blob), blob)
    return 'repositories/only/layers'
  },
  'a revision\'s directory without its link': (tree, chance) => {
    const repository = pick(chance, tree.directories(/^repositories\/.*\/revisions$/))
    if (repository === undefined) return undefined
    tree.directory(`${repository}/sha256/${'8'.repeat(64)}`)
    return `${repository}/sha256/${'8'.repeat(64)}`
  }
}

/** What may hide a use of a blob, or stops the registry's own collector. */
const HARMFUL: Readonly<Record<string, Harm>> = {
  'a revision link without its blob': (tree, chance) => {
    const place = pick(chance, tree.files(REVISION))
    if (place !== undefined) tree.remove(dirname(tree.blobData(String(tree.read(place)))))
    return place
  },
  'an empty revision link': (tree, chance) => emptied(tree, pick(chance, tree.files(REVISION))),
  'an empty layer link': (tree, chance) => emptied(tree, pick(chance, tree.files(LAYER))),
  'a truncated manifest': (tree, chance) => {
    const place = pick(chance, manifestBlobs(tree))
    if (place !== undefined) tree.file(place, tree.read(place)!.subarray(0, 40))
    return place
  },
  'a manifest of an unknown media type': (tree, chance) => {
    const place = pick(chance, manifestBlobs(tree))
    if (place !== undefined) tree.file(place, JSON.stringify({ ...JSON.parse(String(tree.read(place))) as object, mediaType: 'application/vnd.example.unknown+json' }))
    return place
  },
  'a repository with manifests only': (tree, chance) => {
    const repository = pick(chance, tree.directories(/^repositories\/.*\/_layers$/))
    if (repository !== undefined) tree.remove(repository)
    return repository
  }
}

function emptied (tree: TreeSketch, place: string | undefined): string | undefined {
  if (place !== undefined) tree.file(place, '')
  return place
}

/** Where the linked manifests are stored. */
const manifestBlobs = (tree: TreeSketch): string[] =>
  [...new Set(tree.files(REVISION).map(path => tree.blobData(String(tree.read(path)))))].filter(path => isIntact(tree.read(path)))

function isIntact (bytes: Buffer | undefined): boolean {
  try {
    return bytes !== undefined && typeof JSON.parse(String(bytes)) === 'object'
  } catch {
    return false
  }
}

/** Does one to three kinds of damage. */
export function damage (tree: TreeSketch, chance: Chance, kind: DamageKind): Damaged[] {
  const harms = Object.entries(kind === 'any' ? { ...HARMLESS, ...HARMFUL } : HARMLESS)
  return Array.from({ length: 1 + chance.upTo(3) }, () => chance.one(harms)).flatMap(([name, harm]) => {
    const path = harm(tree, chance)
    return path === undefined ? [] : [{ kind: name, path }]
  })
}
