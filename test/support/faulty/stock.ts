/** What the registry of a fault run holds, and the kinds of jobs that are run on it. */
import { randomUUID } from 'node:crypto'
import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { digestsOf, image, index, layer, type Blob, type Content } from '../images.js'
import { request, type Answer } from '../http.js'

/** Content under its references in one repository. */
export interface Placement {
  readonly repository: string
  readonly references: readonly string[]
  readonly content: Content
}

export interface JobKind {
  readonly name: string
  /** Asks for the job. */
  readonly ask: (url: string) => Promise<Answer>
  /** What goes; all other placements stay. */
  readonly gone: readonly Placement[]
  /** Lays garbage into the tree beforehand. */
  readonly lay?: (storage: string) => Promise<void>
  /** The blobs of it that go. */
  readonly junk: readonly Blob[]
}

export interface Stock {
  readonly placements: readonly Placement[]
  readonly kinds: readonly JobKind[]
}

/** What the job "retention" carries out. */
export const RETENTION_RULES = [
  { name: 'tags', repositories: ['team/**'], tags: ['**'], keepTags: ['v1b'], deleteOlderThanDays: 0 },
  { name: 'newest', repositories: ['team/app'], tags: ['v*'], keepNewest: 2 },
  { name: 'untagged', repositories: ['moved/*'], tags: ['**'], deleteUntaggedAfterDays: 0 }
] as const

/** The repository in which garbage is laid. */
const BASE = 'keep/base'
/** Long enough for everything to be taken for garbage. */
const AGE_MS = 30 * 86_400_000

/** An index with two children, two tags on one manifest, a nested repository, a manifest without a tag; layers are shared by all. */
export async function makeStock (): Promise<Stock> {
  const shared = [await layer('shared 1'), await layer('shared 2')] as const
  const of = async (seed: string, base: typeof shared[number]) => await image(seed, { layers: [base, await layer(`${seed}'s own`)] })
  const app = { repository: 'team/app', references: ['v1'], content: await of('app', shared[0]) }
  const alias = { ...app, references: ['v1b'] }
  const multi = { repository: 'team/app', references: ['multi'], content: index([await of('child 1', shared[0]), await of('child 2', shared[1])]) }
  const tools = { repository: 'team/app/tools', references: ['v1'], content: await of('tools', shared[1]) }
  const base = { repository: BASE, references: ['stable'], content: await image('base', { layers: [...shared] }) }
  const loose = await of('loose', shared[1])
  const untagged = { repository: 'moved/app', references: [loose.digest], content: loose }
  const moved = { repository: 'moved/app', references: ['t'], content: await of('moved', shared[0]) }
  const placements = [app, alias, multi, tools, base, untagged, moved]
  const [stray, linked] = [await layer('junk 1'), await layer('junk 2', 100_000)] as const
  const del = (path: string) => async (url: string) => await request(url, 'DELETE', path)
  const collect = (body: object) => async (url: string) => await request(url, 'POST', '/delgate/v1/collections', { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
  return {
    placements,
    kinds: [
      { name: 'tag', ask: del('/v2/team/app/manifests/multi'), gone: [multi], junk: [] },
      { name: 'alias', ask: del('/v2/team/app/manifests/v1b'), gone: [alias], junk: [] },
      { name: 'digest', ask: del(`/v2/team/app/manifests/${app.content.digest}`), gone: [app, alias], junk: [] },
      { name: 'tags', ask: del('/v2/team/app/tags/list'), gone: [app, alias, multi], junk: [] },
      { name: 'repository', ask: del('/v2/team/app'), gone: [app, alias, multi], junk: [] },
      { name: 'recursive', ask: del('/v2/team/app?recursive=true'), gone: [app, alias, multi, tools], junk: [] },
      { name: 'everything', ask: del('/delgate/v1/repositories?confirm=all'), gone: placements, junk: [] },
      { name: 'untagged', ask: collect({ untagged: true }), gone: [untagged], junk: [] },
      { name: 'retention', ask: async url => await request(url, 'POST', '/delgate/v1/retention/runs'), gone: [multi, tools, untagged], junk: [] },
      { name: 'blob', ask: del(`/v2/${BASE}/blobs/${linked.digest}`), gone: [], lay: async storage => { await layLinked(storage, linked) }, junk: [linked] },
      {
        name: 'garbage',
        ask: collect({}),
        gone: [],
        lay: async storage => {
          await layLinked(storage, linked)
          await layBlob(storage, stray)
          await layUpload(storage)
        },
        junk: [stray, linked]
      }
    ]
  }
}

/** The digests that nothing has any more when these placements have gone. */
export function digestsGone ({ placements }: Stock, kind: JobKind): string[] {
  const kept = new Set(digestsOf(...placements.filter(one => !kind.gone.includes(one)).map(({ content }) => content)))
  const gone = [...digestsOf(...kind.gone.map(({ content }) => content)), ...kind.junk.map(({ digest }) => digest)]
  return gone.filter(digest => !kept.has(digest))
}

const treeOf = (storage: string) => join(storage, 'docker/registry/v2')

async function layBlob (storage: string, { digest, bytes }: Blob): Promise<void> {
  await lay(join(treeOf(storage), 'blobs/sha256', digest.slice(7, 9), digest.slice(7), 'data'), bytes)
}

/** A blob with a link that no manifest uses. */
async function layLinked (storage: string, blob: Blob): Promise<void> {
  await layBlob(storage, blob)
  await lay(join(treeOf(storage), 'repositories', BASE, '_layers/sha256', blob.digest.slice(7), 'link'), blob.digest)
}

/** An upload that was given up. */
async function layUpload (storage: string): Promise<void> {
  const upload = join(treeOf(storage), 'repositories', BASE, '_uploads', randomUUID())
  await lay(join(upload, 'startedat'), new Date(Date.now() - AGE_MS).toISOString())
  await lay(join(upload, 'data'), 'the beginning of a layer')
  await age(upload)
}

async function lay (path: string, content: Buffer | string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, content)
  await age(path)
}

/** Makes a file look old. */
async function age (path: string): Promise<void> {
  const then = new Date(Date.now() - AGE_MS)
  await utimes(path, then, then)
}

/** Makes all files of a registry look old, so that none is taken for a part of a push. */
export async function ageAll (storage: string): Promise<void> {
  for (const entry of await readdir(storage, { recursive: true, withFileTypes: true })) if (entry.isFile()) await age(join(entry.parentPath, entry.name))
}
