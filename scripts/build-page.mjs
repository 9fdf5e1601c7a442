// Completes the page that tsc has compiled to dist/page/assets: adds what it needs from node_modules, and names the
// directory after its content, so that browsers may keep it for good.
import { createHash } from 'node:crypto'
import { copyFileSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const source = join(root, 'src', 'page')
const target = join(root, 'dist', 'page')
const assets = join(target, 'assets')

const filesBelow = (directory) => readdirSync(directory, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => relative(directory, join(entry.parentPath ?? entry.path, entry.name)).replaceAll('\\', '/'))
  .sort()

/** Browsers resolve no package names: the hooks import Preact by its place beside them. */
function vendor (from, to) {
  const text = readFileSync(join(root, 'node_modules', 'preact', from), 'utf8')
  const placed = text.replace(/from\s*"preact"/g, 'from"./preact.js"').replace(/^\/\/# sourceMappingURL=.*$/m, '')
  if (/from\s*"[^."]/.test(placed)) throw new Error(`preact/${from} imports something that is not copied`)
  writeFileSync(join(assets, 'vendor', to), placed)
}

mkdirSync(join(assets, 'vendor'), { recursive: true })
vendor('dist/preact.mjs', 'preact.js')
vendor('hooks/dist/hooks.mjs', 'hooks.js')
copyFileSync(join(root, 'node_modules', 'preact', 'LICENSE'), join(assets, 'vendor', 'LICENSE'))
for (const name of ['style.css', 'icon.svg']) copyFileSync(join(source, name), join(assets, name))

const files = filesBelow(assets)
const hash = createHash('sha256')
for (const file of files) hash.update(`${file}\0`).update(readFileSync(join(assets, file)))
const name = `assets-${hash.digest('hex').slice(0, 16)}`

// What an earlier build left is of no use: the compiler writes over files, and forgets those that are gone.
for (const entry of readdirSync(target)) if (entry !== 'assets') rmSync(join(target, entry), { recursive: true })
renameSync(assets, join(target, name))
const modules = files.filter((file) => file.endsWith('.js') && file !== 'main.js').map((file) => `<link rel="modulepreload" href="${name}/${file}">`)
const html = readFileSync(join(source, 'index.html'), 'utf8').replaceAll('ASSETS', name).replace('<!-- MODULES -->', modules.join('\n'))
writeFileSync(join(target, 'index.html'), html)
