/** A registry's tree that somebody has done their worst to, beside a directory that must stay as it is. */
import { execFileSync } from 'node:child_process'
import { existsSync, linkSync, lstatSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { RepositoryName } from '../../src/oci/name.js'
import * as paths from '../../src/storage/paths.js'
import { MANIFEST, NAME, digestOf, writeRepository } from './guarded.js'
import * as odd from './odd.js'
import type { Chance } from './random.js'

/** Named outside of the tree only: whoever knows of it has looked there. */
export const SECRET = digestOf('secret')
export const SECRET_TAG = 'secret'
const OTHER = 'zoo' as RepositoryName
const MANY = 1_000
const DEEP = 300

/** What lies beside the tree: a repository that looks the same, and names that are nowhere else. */
export function writeGuarded (guarded: string): void {
  writeRepository(guarded)
  writeFileSync(join(guarded, 'file'), MANIFEST)
  for (const path of [paths.layersDirectory(NAME), paths.revisionsDirectory(NAME), `${paths.tagsDirectory(NAME)}/v1/index`]) mkdirSync(join(guarded, path, SECRET.replace(':', '/')), { recursive: true })
  mkdirSync(join(guarded, paths.tagsDirectory(NAME), SECRET_TAG, 'current'), { recursive: true })
  writeFileSync(join(guarded, paths.tagsDirectory(NAME), SECRET_TAG, 'current', 'link'), SECRET)
  writeFileSync(join(guarded, paths.tagsDirectory(NAME), 'v1', 'current', 'link'), SECRET)
}

/** A pipe that nobody writes to, to be linked where it is wanted. */
export function makePipe (path: string): string {
  execFileSync('mkfifo', [path])
  return path
}

/** Every path in a tree; symbolic links are not followed. */
function everything (root: string, below = ''): string[] {
  return readdirSync(join(root, below), { withFileTypes: true }).flatMap(entry => {
    const path = below === '' ? entry.name : `${below}/${entry.name}`
    return entry.isDirectory() ? [path, ...everything(root, path)] : [path]
  })
}

export class HostileTree {
  constructor (readonly root: string, private readonly guarded: string, private readonly pipe: string, private readonly chance: Chance) {
    for (const name of [NAME, OTHER]) writeRepository(root, name)
  }

  /** @returns what was done, for the message */
  harm (): string {
    const { chance, root } = this
    const path = chance.one(everything(root))
    const [kind, make] = chance.one<readonly [string, (to: string) => void]>([
      ['symbolic link', to => { symlinkSync(this.#elsewhere(path), to) }],
      ['symbolic link', to => { symlinkSync(this.#elsewhere(path), to) }],
      ['hard link', to => { linkSync(join(this.guarded, 'file'), to) }],
      ['pipe', to => { linkSync(this.pipe, to) }],
      ['file', to => { writeFileSync(to, odd.sometimesMutated(chance, odd.digest(chance))) }],
      ['large file', to => { writeFileSync(to, 'x'.repeat(5 * 1024 * 1024)) }],
      ['empty directory', to => { mkdirSync(to) }],
      ['many', to => { if (chance.happens(0.1)) for (let at = 0; at < MANY; at++) mkdirSync(join(to, String(at)), { recursive: true }) }],
      ['deep', to => { mkdirSync(join(to, 'd/'.repeat(chance.happens(0.1) ? DEEP : 5)), { recursive: true }) }]
    ])
    // In its place, or beside it under another name.
    const to = chance.happens(0.6) ? path : `${dirname(path)}/${this.#name()}`
    rmSync(join(root, to), { recursive: true, force: true })
    if (existsSync(join(root, dirname(to))) && lstatSync(join(root, to), { throwIfNoEntry: false }) === undefined) make(join(root, to))
    return `${kind} at ${to}`
  }

  #name (): string {
    const { chance } = this
    return odd.sometimesMutated(chance, chance.one(['sha256', 'link', 'current', 'index', '_layers', '_manifests', '_uploads', 'data', 'v2', odd.hex(chance, 64)])).replaceAll(/[/\0]/g, '').slice(0, 80) || 'x'
  }

  /** What looks the same outside, something else, nothing, or the link itself. */
  #elsewhere (path: string): string {
    return this.chance.one([join(this.guarded, path), join(this.guarded, path), this.guarded, '/', '.', '..', join(this.root, path), `${this.root}/nowhere`, this.root])
  }
}
