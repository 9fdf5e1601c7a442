// Builds the page: one script and one style, small, in a directory named after its content, so that browsers may keep it
// for good. tsc only checks it (tsc -p src/page).
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const source = join(root, 'src', 'page')
const target = join(root, 'dist', 'page')

const { outputFiles } = await build({
  entryPoints: [join(source, 'main.tsx'), join(source, 'style.css')],
  tsconfig: join(source, 'tsconfig.json'),
  outdir: target,
  bundle: true,
  format: 'esm',
  minify: true,
  write: false,
  logLevel: 'warning'
})
const files = [
  ...outputFiles.map(({ path, contents }) => [path.slice(target.length + 1), contents]),
  ['icon.svg', readFileSync(join(source, 'icon.svg'))],
  // Preact is in the script.
  ['LICENSE-preact', readFileSync(join(root, 'node_modules', 'preact', 'LICENSE'))]
]

const hash = createHash('sha256')
for (const [name, contents] of files) hash.update(`${name}\0${contents.length}\0`).update(contents)
const assets = `assets-${hash.digest('hex').slice(0, 16)}`

// What an earlier build left is of no use.
mkdirSync(target, { recursive: true })
for (const entry of readdirSync(target)) rmSync(join(target, entry), { recursive: true })
mkdirSync(join(target, assets))
for (const [name, contents] of files) writeFileSync(join(target, assets, name), contents)
writeFileSync(join(target, 'index.html'), readFileSync(join(source, 'index.html'), 'utf8').replaceAll('ASSETS', assets))
