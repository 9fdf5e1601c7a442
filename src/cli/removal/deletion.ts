/** One deletion that the gate can be asked for. Pure. */
import { deleteScope } from '../../interface/challenge.js'
import { EXIT, Failure } from '../failure.js'
import { isGlob, parseReference, type Reference } from '../reference.js'
import { count } from '../words.js'

export interface Deletion {
  /** What it takes away, as one would write it. */
  readonly text: string
  /** `tag` and `manifest` are confirmed by y, the others by their names. */
  readonly kind: 'tag' | 'manifest' | 'tags' | 'repository' | 'everything'
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly scopes: readonly string[]
  /** `undefined` for everything. */
  readonly repository?: string
  readonly tag?: string
  /** The argument that it comes from: what is typed to confirm. */
  readonly argument: string
  /** What it frees at least, where the catalog has said so. */
  readonly ownBytes?: number
}

export interface Scope {
  /** Also the repositories below. */
  readonly recursive?: boolean | undefined
  /** The tags of the repository, but not what has none. */
  readonly allTags?: boolean | undefined
}

/** The deletion that one name without a glob stands for. */
export function deletionOf ({ repository, tag, digest }: Reference, { recursive = false, allTags = false }: Scope, argument: string, ownBytes?: number): Deletion {
  const common = { repository, scopes: [deleteScope(repository)], argument, ...(ownBytes === undefined ? {} : { ownBytes }) }
  if (tag !== undefined) return { ...common, kind: 'tag', tag, text: `${repository}:${tag}`, path: `/v2/${repository}/manifests/${tag}`, query: {} }
  if (digest !== undefined) return { ...common, kind: 'manifest', text: `${repository}@${digest}`, path: `/v2/${repository}/manifests/${digest}`, query: {} }
  if (allTags) return { ...common, kind: 'tags', text: `all tags of ${repository}`, path: `/v2/${repository}/tags/list`, query: {} }
  return { ...common, kind: 'repository', text: recursive ? `${repository} and all below it` : `repository ${repository}`, path: `/v2/${repository}`, query: recursive ? { recursive: 'true' } : {} }
}

/** Several of one kind, as one would say it: `all tags of 12 repositories`. */
export const severalText = (kind: Deletion['kind'], number: number): string =>
  kind === 'tags' ? `all tags of ${count(number, 'repository')}` : count(number, kind === 'repository' ? 'repository' : 'reference')

/** Every repository of the gate. */
export const everything = (host: string): Deletion => ({ kind: 'everything', text: `everything at ${host}`, path: '/delgate/v1/repositories', query: { confirm: 'all' }, scopes: [], argument: host })

/** The path with its query. */
export function requestPath ({ path, query }: Deletion, dryRun: boolean): string {
  const parameters = new URLSearchParams({ ...query, ...(dryRun ? { 'dry-run': 'true' } : {}) }).toString()
  return parameters === '' ? path : `${path}?${parameters}`
}

/** Reads the arguments of `rm`. @throws Failure where the flags do not go with them */
export function parseArguments (names: readonly string[], { recursive = false, allTags = false, all = false }: Scope & { readonly all?: boolean | undefined }): Array<Reference & { readonly argument: string }> {
  if (all && (names.length > 0 || recursive || allTags)) throw new Failure(EXIT.usage, '--all deletes every repository: it goes with no name, and neither with --recursive nor --all-tags')
  if (!all && names.length === 0) throw new Failure(EXIT.usage, 'what is to be deleted? Name REPOSITORY, REPOSITORY:TAG or REPOSITORY@DIGEST; --all deletes everything')
  if (recursive && allTags) throw new Failure(EXIT.usage, '--recursive deletes repositories, --all-tags leaves them: use one of them')
  return [...new Set(names)].map(argument => {
    const reference = parseReference(argument)
    const flag = recursive ? '--recursive' : allTags ? '--all-tags' : undefined
    if (flag !== undefined && (reference.tag ?? reference.digest) !== undefined) throw new Failure(EXIT.usage, `${argument}: ${flag} goes with the name of a repository, without a tag or a digest`)
    if (reference.digest !== undefined && isGlob(reference.repository)) throw new Failure(EXIT.usage, `${argument}: a digest is deleted in one repository; name it`)
    return { ...reference, argument }
  })
}
