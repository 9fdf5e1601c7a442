/** Globs become names, from the catalog. */
import { EXIT, Failure } from '../failure.js'
import { isGlob, type Reference } from '../reference.js'
import type { Session } from '../session.js'
import { deletionOf, type Deletion, type Scope } from './deletion.js'
import { isStillReading, waitForIndex } from './wait-for-index.js'

type Gate = Pick<Session, 'catalog' | 'client' | 'output' | 'signal'>

/**
 * The deletions that arguments stand for, each once.
 * @throws Failure when nothing matches one of them: then probably something else was meant; or when the gate does not know all that is stored
 */
export async function expand (references: ReadonlyArray<Reference & { readonly argument: string }>, scope: Scope, gate: Gate): Promise<Deletion[]> {
  if (references.some(({ repository }) => isGlob(repository))) await waitForIndex(gate)
  const found = new Map<string, Deletion>()
  for (const { argument, ...reference } of references) {
    let matches = 0
    for await (const deletion of deletions(reference, argument, scope, gate)) {
      matches++
      if (!found.has(deletion.path)) found.set(deletion.path, deletion)
    }
    if (matches === 0) throw new Failure(EXIT.unknown, `nothing matches ${argument}; delgate ls shows what there is`)
  }
  return scope.recursive === true ? withoutInner([...found.values()]) : [...found.values()]
}

async function * deletions (reference: Reference, argument: string, scope: Scope, { catalog }: Gate): AsyncGenerator<Deletion> {
  if (!isGlob(reference.repository)) {
    yield * inRepository(reference, argument, scope, catalog)
    return
  }
  for await (const { items, complete } of catalog.repositories({ match: reference.repository })) {
    if (!complete) throw isStillReading()
    for (const { name, ownBytes } of items) {
      if (reference.tag === undefined) yield deletionOf({ repository: name }, scope, argument, ownBytes)
      // Most repositories lack a tag that is meant for some.
      else yield * ofTags(name, reference.tag, argument, catalog)
    }
  }
}

async function * inRepository (reference: Reference, argument: string, scope: Scope, catalog: Gate['catalog']): AsyncGenerator<Deletion> {
  if (reference.tag !== undefined && isGlob(reference.tag)) yield * ofTags(reference.repository, reference.tag, argument, catalog)
  else yield deletionOf(reference, scope, argument)
}

async function * ofTags (repository: string, match: string, argument: string, catalog: Gate['catalog']): AsyncGenerator<Deletion> {
  for await (const { items } of catalog.tags(repository, match)) {
    for (const { tag, ownBytes } of items) yield deletionOf({ repository, tag }, {}, argument, ownBytes)
  }
}

/** What lies below another one goes with it. */
function withoutInner (all: readonly Deletion[]): Deletion[] {
  const names = new Set(all.map(({ repository }) => repository))
  const isInner = (name: string): boolean => name.split('/').some((_, at, parts) => at > 0 && names.has(parts.slice(0, at).join('/')))
  return all.filter(({ repository }) => repository === undefined || !isInner(repository))
}
