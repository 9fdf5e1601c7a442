/** The direction of imports: what stands lower knows nothing of what stands higher, and each outside thing has one door. */
import { readFile, readdir } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import ts from 'typescript'

const SOURCE = fileURLToPath(new URL('../../src', import.meta.url))

/** What each room may import besides itself; `types` only for their types. */
const ROOMS: Readonly<Record<string, { readonly imports: readonly string[], readonly types?: readonly string[] }>> = {
  main: { imports: ['serve', 'cli', 'inspection', 'config'] },
  serve: { imports: ['app', 'config', 'setup-error'] },
  cli: { imports: ['interface', 'findings', 'oci', 'config'] },
  inspection: { imports: ['composition', 'collection', 'registry', 'storage', 'config', 'findings', 'errors', 'setup-error'], types: ['oci'] },
  findings: { imports: [] },
  'engine-filter': { imports: ['registry'] },
  page: { imports: ['interface', 'oci'] },
  interface: { imports: [] },
  app: { imports: ['access', 'catalog', 'protection', 'retention', 'trash', 'composition', 'http', 'jobs', 'claims', 'collection', 'deletion', 'references', 'registry', 'storage', 'traffic', 'oci', 'pem', 'config', 'errors', 'setup-error'] },
  composition: { imports: ['metrics', 'tracing', 'audit', 'catalog', 'pull-times', 'notifications', 'jobs', 'access', 'protection', 'trash', 'claims', 'collection', 'deletion', 'references', 'registry', 'storage', 'traffic', 'oci', 'pem', 'setup-error'], types: ['config'] },
  http: { imports: ['audit', 'access', 'protection', 'jobs', 'claims', 'collection', 'deletion', 'registry', 'storage', 'traffic', 'oci', 'pem', 'errors'], types: ['config', 'trash', 'catalog', 'retention', 'tracing'] },
  catalog: { imports: ['deletion', 'references', 'storage', 'oci', 'errors'], types: ['interface'] },
  metrics: { imports: [] },
  tracing: { imports: [] },
  notifications: { imports: ['oci', 'errors', 'deadline', 'flush'], types: ['config', 'deletion'] },
  claims: { imports: ['registry', 'storage', 'traffic', 'oci', 'errors'] },
  audit: { imports: ['oci', 'errors', 'network'], types: ['deletion'] },
  access: { imports: ['registry', 'oci', 'errors', 'setup-error', 'network'] },
  protection: { imports: ['oci'], types: ['deletion'] },
  jobs: { imports: ['protection', 'trash', 'collection', 'deletion', 'registry', 'storage', 'traffic', 'oci', 'errors'], types: ['retention'] },
  retention: { imports: ['protection', 'deletion', 'oci'], types: ['pull-times', 'storage'] },
  collection: { imports: ['protection', 'trash', 'deletion', 'references', 'registry', 'storage', 'traffic', 'oci', 'errors', 'deadline', 'setup-error'] },
  trash: { imports: ['deletion', 'storage', 'oci', 'errors'], types: ['references', 'traffic', 'config'] },
  deletion: { imports: ['storage', 'oci', 'errors'], types: ['traffic'] },
  'pull-times': { imports: ['references', 'oci'] },
  references: { imports: ['storage', 'oci', 'errors'] },
  registry: { imports: ['oci', 'pem', 'errors', 'setup-error', 'deadline'], types: ['config'] },
  storage: { imports: ['oci', 'errors', 'setup-error', 'flush'] },
  traffic: { imports: ['oci', 'errors'] },
  config: { imports: ['oci', 'setup-error'] },
  oci: { imports: ['errors'] },
  pem: { imports: ['setup-error'] },
  errors: { imports: [] },
  'setup-error': { imports: [] },
  deadline: { imports: [] },
  network: { imports: [] },
  flush: { imports: [] }
}

/** What is started; the page is, in a browser, and shares with the rest what is pure. */
const ENTRIES = ['main', 'engine-filter', 'page']

/** Read as distribution reads it, whether Delgate generates that configuration or finds it. */
const EXCEPTIONS = ['registry/process-setup.ts imports config/registry-config.ts']

interface Import {
  /** The importing file, relative to `src`. */
  readonly file: string
  readonly module: string
  readonly typesOnly: boolean
  /** By import() */
  readonly isLazy: boolean
}

async function sourceFiles (): Promise<string[]> {
  const entries = await readdir(SOURCE, { recursive: true, withFileTypes: true })
  return entries.filter(entry => entry.isFile() && /\.tsx?$/.test(entry.name)).map(entry => join(entry.parentPath ?? entry.path, entry.name)).sort()
}

/** Every import, export from, and import() of a file. */
function importsOf (path: string, text: string): Import[] {
  const found: Import[] = []
  const add = (module: ts.Expression | undefined, typesOnly: boolean, isLazy = false): void => {
    if (module !== undefined && ts.isStringLiteralLike(module)) found.push({ file: relative(SOURCE, path), module: module.text, typesOnly, isLazy })
  }
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, isTypesOnly(node.importClause))
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly)
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) add(node.arguments[0], false, true)
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
const known = new Set(files.map(path => relative(SOURCE, path)))
/** The source of a module. */
const sourceOf = (module: string): string => ['.ts', '.tsx'].map(ending => module.replace(/\.js$/, ending)).find(file => known.has(file)) ?? module
const within = imports.filter(({ module }) => module.startsWith('.')).map(one => ({ ...one, target: sourceOf(relative(SOURCE, join(SOURCE, dirname(one.file), one.module))) }))
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
  ENTRIES.forEach(entry => { above(entry) })
  t.same(Object.keys(ROOMS).filter(room => !ENTRIES.includes(room) && !Object.values(ROOMS).some(({ imports }) => imports.includes(room))), [], 'every room is used')
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

t.test('the page is for a browser: nothing but its view library comes from outside', t => {
  const outside = imports.filter(({ file, module }) => roomOf(file) === 'page' && !module.startsWith('.'))
  t.same([...new Set(outside.map(({ module }) => module))].sort(), ['preact', 'preact/hooks'])
  t.end()
})

t.test('the Docker Engine has one door', t => {
  t.equal(importersOf('dockerode').length, 1, importersOf('dockerode').join(', '))
  t.match(importersOf('dockerode')[0], /^registry\//)
  t.end()
})

t.test('OpenTelemetry has one room, which is loaded where somebody asks for traces', t => {
  const importers = [...new Set(imports.filter(({ module }) => module.startsWith('@opentelemetry/')).map(({ file }) => file))]
  t.ok(importers.length > 0)
  t.same(importers.filter(file => roomOf(file) !== 'tracing' || file === 'tracing/wanted.ts'), [])
  const eager = within.filter(({ file, target, typesOnly, isLazy }) => roomOf(file) !== 'tracing' && importers.includes(target) && !typesOnly && !isLazy)
  t.same(eager.map(({ file, target }) => `${file} imports ${target}`), [])
  t.end()
})

t.test('Prometheus has one room: the others report numbers, or are asked for them', t => {
  t.ok(importersOf('prom-client').length > 0)
  t.same(importersOf('prom-client').filter(file => roomOf(file) !== 'metrics'), [])
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
  /** These have files of their own: the users, the journal and the room kept for it, the log of decisions, the queue, the mark, the saved index, disk use over time, the last pulls, certificates, settings, process ids, the version, its own socket; and what flushes a directory, whoever has it. */
  const own = ['flush.ts', 'access/htpasswd.ts', 'audit/backwards.ts', 'audit/files.ts', 'notifications/queue.ts', 'app.ts', 'main.ts', 'inspection/directories.ts', 'cli/connection.ts', 'cli/docker-config.ts', 'engine-filter.ts', 'jobs/store.ts', 'jobs/reserve.ts', 'collection/freshness.ts', 'references/file.ts', 'pem/read.ts', 'catalog/history.ts', 'pull-times/file.ts']
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

t.test('the client knows the gate by its HTTP interface alone', t => {
  const known = within.filter(({ file, target }) => roomOf(file) === 'cli' && roomOf(target) !== 'cli').map(({ target }) => target)
  t.ok(known.length > 5)
  t.same([...new Set(known)].filter(target => !['oci', 'findings', 'interface'].includes(roomOf(target)) && target !== 'config/nearest.ts'), [])
  t.same(importersOf('undici').filter(file => roomOf(file) === 'cli'), ['cli/connection.ts'])
  t.same(importersOf('commander').filter(file => roomOf(file) !== 'cli'), [])
  t.end()
})

t.test('what is called pure is pure', t => {
  const pure = files.map(path => relative(SOURCE, path)).filter(file => roomOf(file) === 'oci' || roomOf(file) === 'interface' || roomOf(file) === 'findings' || roomOf(file) === 'traffic' || roomOf(file) === 'retention' || file.startsWith('page/model/') || ['page/api/challenge.ts', 'page/api/events.ts', 'page/api/url.ts', 'deletion/plan.ts', 'deletion/planner.ts', 'deletion/resume.ts', 'deletion/select.ts', 'deletion/layers.ts', 'deletion/reach.ts', 'deletion/receipt.ts', 'deletion/target.ts', 'pull-times/pull-times.ts', 'storage/state.ts', 'storage/paths.ts', 'http/location.ts', 'http/prefer.ts', 'audit/entry.ts', 'audit/query.ts', 'notifications/events.ts', 'notifications/pause.ts', 'cli/event-stream.ts', 'cli/failure.ts', 'cli/reference.ts', 'cli/words.ts', 'cli/doctor/status.ts', 'cli/removal/deletion.ts'].includes(file))
  t.ok(pure.length >= 18)
  const outside = imports.filter(({ file, module }) => pure.includes(file) && !module.startsWith('.') && module !== 'node:path')
  t.same(outside.map(({ file, module }) => `${file} imports ${module}`), [])
  t.end()
})

t.test('nothing but the registry\'s own room starts processes; and the client docker\'s credential helpers', t => {
  t.same(importersOf('child_process', 'node:child_process').filter(file => roomOf(file) !== 'registry'), ['cli/docker-config.ts'])
  t.end()
})
