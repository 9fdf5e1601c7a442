/**
 * Repository names and tags by the grammar of OCI distribution-spec v1.1, "Pulling manifests"; the length limit of
 * 255 is distribution's (github.com/distribution/reference, NameTotalLengthMax).
 */
export type RepositoryName = string & { readonly __brand: 'RepositoryName' }
export type Tag = string & { readonly __brand: 'Tag' }

const COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*'
const NAME = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`)
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/
const NAME_MAXIMUM_LENGTH = 255

/** Parses a repository name; `undefined` when the grammar forbids it. */
export function parseRepositoryName (text: string): RepositoryName | undefined {
  return text.length <= NAME_MAXIMUM_LENGTH && NAME.test(text) ? text as RepositoryName : undefined
}

/** Parses a tag; `undefined` when the grammar forbids it. */
export function parseTag (text: string): Tag | undefined {
  return TAG.test(text) ? text as Tag : undefined
}

/** Whether `name` is `root` or lies under it: `a/b` holds `a/b/c`, never `a/bc`. */
export function isWithin (name: RepositoryName, root: RepositoryName): boolean {
  return name === root || name.startsWith(`${root}/`)
}
