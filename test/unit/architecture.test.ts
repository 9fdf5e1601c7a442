/** The direction of imports: what stands lower knows nothing of what stands higher, and each outside thing has one door. */
import { readFile, readdir } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import ts from 'typescript'

const SOURCE = fileURLToPath(new URL('../../src', import.meta.url))

/** What each room may import besides itself; `types` only for their types. */
const ROOMS: Readonly<Record<string, { readonly imports: readonly string[], readonly types?: readonly string[] }>> = {
  main: { imports: ['app', 'config', 'setup-error'] },
  app: { imports: ['access', 'protection', 'composition', 'http', 'jobs', 'claims', 'collection', 'deletion', 'references', 'registry', 'storage', 'traffic', 'oci', 'pem', 'config', 'errors', 'setup-error'] },
  composition: { imports: ['audit', 'notifications', 'jobs', 'access', 'protection', 'claims', 'collection', 'deletion', 'references', 'registry', 'storage', 'traffic', 'oci', 'pem', 'setup-error'], types: ['config'] },
  http: { imports: ['audit', 'access', 'protection', 'jobs', 'claims', 'collection', 'deletion', 'registry', 'storage', 'traffic', 'oci', 'pem', 'errors'], types: ['config'] },
  notifications: { imports: ['oci', 'errors', 'deadline'], types: ['config', 'deletion'] },
  claims: { imports: ['registry', 'storage', 'traffic', 'oci', 'errors'] },
  audit: { imports: ['oci', 'errors'], types: ['deletion'] },
  access: { imports: ['registry', 'oci', 'errors', 'setup-error'] },
  protection: { imports: ['oci'], types: ['deletion'] },
  jobs: { imports: ['protection', 'collection', 'deletion', 'registry', 'storage', 'traffic', 'oci', 'errors'] },
  collection: { imports: ['protection', 'deletion', 'references', 'registry', 'storage', 'traffic', 'oci', 'errors', 'deadline', 'setup-error'] },
  deletion: { imports: ['storage', 'oci', 'errors'], types: ['traffic'] },
  references: { imports: ['storage', 'oci', 'errors'] },
  registry: { imports: ['oci', 'pem', 'errors', 'setup-error', 'deadline'], types: ['config'] },
  storage: { imports: ['oci', 'errors', 'setup-error'] },
  traffic: { imports: ['oci', 'errors'] },
  config: { imports: ['setup-error'] },
  oci: { imports: ['errors'] },
  pem: { imports: ['setup-error'] },
  errors: { imports: [] },
  'setup-error': { imports: [] },
  deadline: { imports: [] }
}

/** Read as distribution reads it, whether Delgate generates that configuration or finds it. */
const EXCEPTIONS = ['registry/process-setup.ts imports config/registry-config.ts']

interface Import {
  /** The importing file, relative to `src`. */
  readonly file: string
  readonly module: string
  readonly typesOnly: boolean
}

async function sourceFiles (): Promise<string[]> {
  const entries = await readdir(SOURCE, { recursive: true, withFileTypes: true })
  return entries.filter(entry => entry.isFile() && entry.name.endsWith('.ts')).map(entry => join(entry.parentPath ?? entry.path, entry.name)).sort()
}

/** Every import, export from, and import() of a file. */
function importsOf (path: string, text: string): Import[] {
  const found: Import[] = []
  const add = (module: ts.Expression | undefined, typesOnly: boolean): void => {
    if (module !== undefined && ts.isStringLiteralLike(module)) found.push({ file: relative(SOURCE, path), module: module.text, typesOnly })
  }
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, isTypesOnly(node.importClause))
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly)
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) add(node.arguments[0], false)
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal as ts.Expression, true)
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true))
  return found
}

function isTypesOnly (clause: ts.ImportClause | undefined): boolean {
  if (clause === undefined) return false
  if (clause.isTypeOnly) return true
  const named = clause.namedBindings
  return clause.name === undefined && named !== undefined && ts.isNamedImports(named) && named.elements.every(element => element.isTypeOnly)
}

/** The room of a file: the first directory below `src`, or the file's own name. */
const roomOf = (file: string): string => file.includes('/') ? file.slice(0, file.indexOf('/')) : file.replace(/\.ts$/, '')

const files = await sourceFiles()
const imports = (await Promise.all(files.map(async path => importsOf(path, await readFile(path, 'utf8'))))).flat()
const within = imports.filter(({ module }) => module.startsWith('.')).map(one => ({ ...one, target: relative(SOURCE, join(SOURCE, dirname(one.file), one.module)).replace(/\.js$/, '.ts') }))
const importersOf = (...modules: string[]): string[] => [...new Set(imports.filter(({ module }) => modules.includes(module)).map(({ file }) => file))].sort()

t.test('the imports were found', t => {
  t.ok(files.length > 30, `${files.length} files`)
  t.ok(within.length > 100, `${within.length} imports`)
  t.same(importsOf(join(SOURCE, 'x/y.ts'), `
    import a, { type B } from './a.js'
    import { type C, type D } from './c.js'
    import type E from './e.js'
    import * as f from 'f'
    import 'g'
    export { h } from './h.js'
    export type { I } from './i.js'
    const j = await import('j')
    type K = import('./k.js').K
  `).map(({ module, typesOnly }) => `${module}${typesOnly ? ' types' : ''}`), ['./a.js', './c.js types', './e.js types', 'f', 'g', './h.js', './i.js types', 'j', './k.js types'])
  t.end()
})

t.test('every file has its room', t => {
  t.same([...new Set(files.map(path => roomOf(relative(SOURCE, path))))].filter(room => !(room in ROOMS)), [])
  const known = new Set(files.map(path => relative(SOURCE, path)))
  t.same(within.filter(({ target }) => !known.has(target)), [], 'imports lead to files of src')
  t.end()
})

t.test('imports point downwards', t => {
  const wrong = within.filter(({ file, target, typesOnly }) => {
    const [from, to] = [roomOf(file), roomOf(target)]
    const allowed = ROOMS[from]
    return from !== to && allowed !== undefined && !allowed.imports.includes(to) && !(typesOnly && allowed.types?.includes(to) === true)
  })
  t.same(wrong.map(({ file, target }) => `${file} imports ${target}`).filter(line => !EXCEPTIONS.includes(line)), [])
  t.end()
})

t.test('the rules themselves have a direction: no room is above itself', t => {
  const above = (room: string, seen: readonly string[] = []): void => {
    if (seen.includes(room)) t.fail([...seen, room].join(' → '))
    else ROOMS[room]!.imports.forEach(next => { above(next, [...seen, room]) })
  }
  above('main')
  t.same(Object.keys(ROOMS).filter(room => room !== 'main' && !Object.values(ROOMS).some(({ imports }) => imports.includes(room))), [], 'every room is used')
  t.end()
})

t.test('no two files import each other, directly or around', t => {
  const next = new Map<string, string[]>()
  for (const { file, target, typesOnly } of within) if (!typesOnly) next.set(file, [...next.get(file) ?? [], target])
  const done = new Set<string>()
  const walk = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) t.fail([...path.slice(path.indexOf(file)), file].join(' → '))
    if (path.includes(file) || done.has(file)) return
    for (const target of next.get(file) ?? []) walk(target, [...path, file])
    done.add(file)
  }
  for (const file of next.keys()) walk(file, [])
  t.ok(done.size > 30)
  t.end()
})

t.test('the Docker Engine has one door', t => {
  t.equal(importersOf('dockerode').length, 1, importersOf('dockerode').join(', '))
  t.match(importersOf('dockerode')[0], /^registry\//)
  t.end()
})

t.test('Fastify is known to http and to those who compose it', t => {
  const importers = [...new Set(imports.filter(({ module }) => module === 'fastify' || module.startsWith('@fastify/')).map(({ file }) => file))]
  t.ok(importers.length > 3)
  // @fastify/error and the like would be fine elsewhere; the server is not.
  t.same(importers.filter(file => !['http', 'app', 'main'].includes(roomOf(file))), [])
  t.end()
})

const FILE_SYSTEM = ['fs', 'fs/promises', 'node:fs', 'node:fs/promises']

t.test('the registry\'s files are touched in storage only', t => {
  /** These have files of their own: the users, the journal, the log of decisions, the queue, the mark, the saved index, certificates, settings, process ids, the version. */
  const own = ['access/htpasswd.ts', 'audit/backwards.ts', 'audit/files.ts', 'notifications/queue.ts', 'app.ts', 'main.ts', 'jobs/store.ts', 'collection/freshness.ts', 'references/file.ts', 'pem/read.ts']
  const importers = importersOf(...FILE_SYSTEM)
  t.ok(importers.some(file => roomOf(file) === 'storage'))
  t.same(importers.filter(file => !['storage', 'config', 'registry'].includes(roomOf(file)) && !own.includes(file)), [])
  for (const file of own) t.ok(importers.includes(file), `${file} is still an exception`)
  t.end()
})

t.test('who has files of its own does not know where the registry keeps its own', t => {
  const layout = within.filter(({ target, typesOnly }) => target === 'storage/paths.ts' && !typesOnly).map(({ file }) => file)
  const both = layout.filter(file => roomOf(file) !== 'storage' && importersOf(...FILE_SYSTEM).includes(file))
  t.same(both, [])
  t.end()
})

t.test('what is called pure is pure', t => {
  const pure = files.map(path => relative(SOURCE, path)).filter(file => roomOf(file) === 'oci' || roomOf(file) === 'traffic' || ['deletion/plan.ts', 'deletion/planner.ts', 'deletion/resume.ts', 'deletion/select.ts', 'deletion/layers.ts', 'deletion/reach.ts', 'deletion/receipt.ts', 'deletion/target.ts', 'storage/state.ts', 'storage/paths.ts', 'http/location.ts', 'http/prefer.ts', 'audit/entry.ts', 'audit/query.ts', 'notifications/events.ts', 'notifications/pause.ts'].includes(file))
  t.ok(pure.length >= 18)
  const outside = imports.filter(({ file, module }) => pure.includes(file) && !module.startsWith('.') && module !== 'node:path')
  t.same(outside.map(({ file, module }) => `${file} imports ${module}`), [])
  t.end()
})

t.test('nothing but the registry\'s own room starts processes', t => {
  t.same(importersOf('child_process', 'node:child_process').filter(file => roomOf(file) !== 'registry'), [])
  t.end()
})
