/** Where the interface has a repository, and what of it is deleted; relative to the page. Pure. */

/** What somebody wants to delete. */
export type Doomed =
  | { readonly type: 'tag', readonly repository: string, readonly tag: string }
  | { readonly type: 'tags' | 'repository', readonly repository: string }

export const repositoryPath = (name: string): string => `v1/repositories/${encodeName(name)}`

export function deletionPath (doomed: Doomed): string {
  const repository = `../v2/${encodeName(doomed.repository)}`
  switch (doomed.type) {
    case 'tag': return `${repository}/manifests/${encodeURIComponent(doomed.tag)}`
    case 'tags': return `${repository}/tags/list`
    case 'repository': return repository
  }
}

/** The components stay apart. */
const encodeName = (name: string): string => name.split('/').map(encodeURIComponent).join('/')
