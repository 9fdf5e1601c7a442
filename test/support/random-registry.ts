/**
 * Whole registries made at random, written straight to the disk as distribution writes them, one day old: the same tree
 * for the same seed. Valid unless damage is asked for.
 */
import { join } from 'node:path'
import { damage, type Damaged, type DamageKind } from './random-damage.js'
import { Chance } from './random.js'
import { content, type Stock, type StockedManifest } from './random-stock.js'
import { TreeSketch } from './tree-sketch.js'

export interface RandomRegistryOptions {
  /** `harmless` damage hides nothing and leaves the registry's collector at work; `any` is not so. Default: none. */
  readonly damage?: DamageKind
}

/** What was made. */
export interface Description {
  readonly seed: number
  readonly repositories: readonly string[]
  /** Every blob that is stored. */
  readonly blobs: readonly string[]
  /** Every manifest that is linked, whether or not that can be seen from its link. */
  readonly manifests: ReadonlyArray<{ readonly repository: string, readonly digest: string }>
  readonly tags: ReadonlyArray<{ readonly repository: string, readonly tag: string, readonly digest: string }>
  /** Blobs that linked manifests are or use, as they are stored, whether or not damage hides it. */
  readonly used: readonly string[]
  /** Blobs that a linked manifest uses, but lists under their sha512 name: the registry's own collector destroys them. */
  readonly aliased: readonly string[]
  readonly damages: readonly Damaged[]
}

const NAMES = ['app', 'team/app', 'team/app/web', 'team/db', 'a/b/c/d', 'lib-x/tools'] as const
const TAGS = ['v1', 'v2', 'latest', 'dev'] as const

/** Writes a registry below `root`, its `rootdirectory`. */
export async function writeRandomRegistry (root: string, seed: number, options: RandomRegistryOptions = {}): Promise<Description> {
  const chance = new Chance(seed)
  const kind = options.damage ?? 'none'
  const stock = content(chance, seed, kind !== 'none')
  const tree = new TreeSketch()
  const repositories = chance.some(NAMES, 0.5)
  if (repositories.length === 0) repositories.push(chance.one(NAMES))
  const made = repositories.map(name => writeRepository(tree, name, stock, chance))
  const manifests = made.flatMap(({ manifests }) => manifests)
  const { used, aliased } = storeBlobs(tree, stock, manifests, chance)
  const damages = kind === 'none' ? [] : damage(tree, chance, kind)
  await tree.write(join(root, 'docker/registry/v2'))
  return {
    seed,
    repositories,
    blobs: tree.blobs(),
    manifests: manifests.map(({ repository, manifest }) => ({ repository, digest: manifest.digest })),
    tags: made.flatMap(({ tags }) => tags),
    used,
    aliased,
    damages
  }
}

interface Linked { readonly repository: string, readonly manifest: StockedManifest }

function writeRepository (tree: TreeSketch, repository: string, stock: Stock, chance: Chance): { manifests: Linked[], tags: Description['tags'][number][] } {
  const chosen = new Set(chance.some(stock.manifests, chance.one([0.1, 0.3, 0.5])))
  // Children are pushed before their index; some have been deleted since, by digest.
  for (const manifest of [...stock.manifests].reverse()) {
    if (chosen.has(manifest)) manifest.children.forEach(child => { if (chance.happens(0.85)) chosen.add(child) })
  }
  const manifests = stock.manifests.filter(manifest => chosen.has(manifest))
  tree.directory(`repositories/${repository}/_layers`)
  tree.directory(`repositories/${repository}/_manifests/revisions`)
  for (const { digest } of manifests) tree.link(tree.revision(repository, digest), digest)
  for (const layer of layersOf(manifests, stock, chance)) {
    tree.link(tree.layer(repository, layer.digest), layer.target)
    if (layer.digest !== layer.target) tree.link(tree.layer(repository, layer.target), layer.target)
  }
  if (chance.happens(0.15)) writeUpload(tree, repository, chance)
  return { manifests: manifests.map(manifest => ({ repository, manifest })), tags: writeTags(tree, repository, manifests, chance) }
}

/** Links of what the manifests use (a few are missing), and of what nothing uses any more. */
function layersOf (manifests: readonly StockedManifest[], stock: Stock, chance: Chance): Array<{ digest: string, target: string }> {
  const used = new Set(manifests.flatMap(({ uses }) => uses))
  return stock.layers.flatMap(({ blob, alias }) => {
    const asAlias = alias !== undefined && used.has(alias)
    const linked = asAlias || (used.has(blob.digest) ? chance.happens(0.97) : chance.happens(0.15))
    return linked ? [{ digest: asAlias ? alias : blob.digest, target: blob.digest }] : []
  })
}

function writeTags (tree: TreeSketch, repository: string, manifests: readonly StockedManifest[], chance: Chance): Description['tags'][number][] {
  if (manifests.length === 0 || chance.happens(0.15)) return []
  tree.directory(`repositories/${repository}/_manifests/tags`)
  return chance.some(TAGS, 0.6).map(tag => {
    const history = Array.from({ length: 1 + chance.upTo(3) }, () => chance.one(manifests).digest)
    history.forEach(digest => { tree.link(`${tree.tag(repository, tag)}/index/${digest.replace(':', '/')}/link`, digest) })
    const digest = history.at(-1)!
    tree.link(`${tree.tag(repository, tag)}/current/link`, digest)
    return { repository, tag, digest }
  })
}

/** An upload that somebody began long ago. */
function writeUpload (tree: TreeSketch, repository: string, chance: Chance): void {
  const hex = (length: number): string => Array.from({ length }, () => chance.upTo(16).toString(16)).join('')
  const directory = `repositories/${repository}/_uploads/${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(12)}`
  tree.file(`${directory}/startedat`, '2020-01-01T00:00:00Z')
  tree.file(`${directory}/data`, 'the beginning of a layer')
}

/** What linked manifests use is stored, except foreign layers; of the rest, what earlier deletions have left. */
function storeBlobs (tree: TreeSketch, stock: Stock, linked: readonly Linked[], chance: Chance): Pick<Description, 'used' | 'aliased'> {
  const listed = new Set(linked.flatMap(({ manifest }) => [manifest.digest, ...manifest.uses]))
  const used: string[] = []
  const aliased: string[] = []
  for (const manifest of stock.manifests) {
    // A child that is not linked has a blob that its index keeps, as long as it was not swept before.
    const isStored = linked.some(one => one.manifest === manifest) || chance.happens(0.6)
    if (isStored) tree.blob(manifest)
    if (isStored && listed.has(manifest.digest)) used.push(manifest.digest)
  }
  for (const { blob, alias } of stock.layers) {
    const isAliased = alias !== undefined && listed.has(alias)
    const isUsed = isAliased || listed.has(blob.digest)
    if (isAliased) aliased.push(blob.digest)
    if (isUsed) used.push(blob.digest)
    if (isUsed || chance.happens(0.7)) tree.blob(blob)
  }
  return { used, aliased }
}
