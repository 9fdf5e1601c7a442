/** Manifests, links, spans and configuration files at random: what is understood is what the registry understands. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readRegistryConfig } from '../../src/config/registry-config.js'
import { parseDigest } from '../../src/oci/digest.js'
import { parseManifest } from '../../src/oci/manifest.js'
import { bytesToSkip, spanOf, type Head } from '../../src/registry/span.js'
import { SetupError } from '../../src/setup-error.js'
import { readLink } from '../../src/storage/content.js'
import { EntryReader } from '../../src/storage/entries.js'
import { PacedDisk } from '../../src/storage/paced.js'
import { fuzz, must } from '../support/fuzz.js'
import { goReferences } from '../support/go-manifest.js'
import * as odd from '../support/odd.js'
import { huge, manifest, manifestBytes } from '../support/odd-manifest.js'
import type { Chance } from '../support/random.js'
import { memoryDirectory } from '../support/temporary.js'

const CASES = 5_000

function mustBeRead (bytes: Buffer): string {
  const parsed = parseManifest(bytes)
  if (parsed.outcome === 'unreadable') {
    must(parsed.reason.length < 400, 'a long reason', parsed.reason)
    return 'unreadable'
  }
  const { blobs, manifests, subject } = parsed.references
  const all = [...blobs, ...manifests, ...subject === undefined ? [] : [subject]]
  must(all.every(one => parseDigest(one) === one), 'a digest is none', all)
  const registry = goReferences(bytes)
  const missing = [...registry].filter(digest => parseDigest(digest) !== undefined && !(all as string[]).includes(digest))
  must(missing.length === 0, `the registry finds ${missing.join()} in it`, bytes.toString('latin1').slice(0, 1500))
  return 'understood'
}

await fuzz(t, 'manifests: nothing that the registry finds in one is overlooked', { cases: CASES }, chance => mustBeRead(manifestBytes(chance, manifest(chance))))
/** Longest that one manifest may keep the gate. Milliseconds, of this process's own time. */
const HANGS_MS = 1_000

await fuzz(t, 'manifests near 4 MiB are understood or refused at once', { cases: 12, within: 60_000 }, chance => {
  const bytes = huge(chance)
  const before = process.cpuUsage()
  const { outcome } = parseManifest(bytes)
  const { user, system } = process.cpuUsage(before)
  must((user + system) / 1_000 < HANGS_MS, `it took ${Math.round((user + system) / 1_000)} ms of processor time`)
  return outcome
})

const directory = await memoryDirectory(t)
const disk = new PacedDisk()
await disk.begin(directory)

await fuzz(t, 'link files: both readers understand the same, and nothing but a digest', { cases: CASES }, async chance => {
  const text = odd.sometimesMutated(chance, chance.one([odd.digest(chance), `${odd.digest(chance)}\n`, ` ${odd.digest(chance)}\r\n`, '', '\0'.repeat(71)]))
  writeFileSync(join(directory, 'link'), text, chance.happens(0.5) ? 'utf8' : 'latin1')
  const [one, other] = [await readLink(disk, directory, 'layer', 'link'), await new EntryReader(directory).link('layer', 'link')]
  must(one !== undefined && other !== undefined, 'it is there')
  const [digest, same] = [one, other].map(link => 'digest' in link ? link.digest : undefined)
  must(digest === same, 'they differ', [text, digest, same])
  must(digest === undefined || (digest === text.replace(/\p{White_Space}|\uFEFF/gu, '') && parseDigest(digest) === digest), 'it is none', [text, digest])
  return digest === undefined ? 'damaged' : 'understood'
})

function head (chance: Chance): Head {
  const number = (): string => chance.one(['0', '1', '5', '10', '100', '-1', '1e3', '0x10', '1.0', ' 1', '٣', '9'.repeat(chance.upTo(30)), String(chance.upTo(1000))])
  const range = chance.happens(0.5) ? `bytes ${number()}-${number()}/${chance.one([number(), '*'])}` : odd.mutated(chance, 'bytes 0-9/10')
  const some = <T>(value: T): T | undefined => chance.happens(0.7) ? value : undefined
  return { statusCode: chance.one([200, 206, 206, 206, 404, 416]), headers: { 'content-length': some(chance.one([number(), '10'])), 'content-range': some(range), 'content-encoding': chance.happens(0.1) ? 'gzip' : undefined, 'docker-content-digest': chance.happens(0.3) ? chance.one(['a', 'b']) : undefined } }
}

await fuzz(t, 'spans: what goes on, goes on exactly where it was broken off', { cases: CASES * 4 }, chance => {
  const [first, second] = [spanOf(head(chance)), head(chance)]
  if (first === undefined) return 'none'
  must(first.first >= 0 && Number.isSafeInteger(first.last) && first.last >= first.first - 1, 'a strange span', first)
  const sent = chance.upTo(first.last - first.first + 2)
  const skip = bytesToSkip(first, sent, second)
  if (skip === undefined) return 'refused'
  const other = spanOf(second)!
  must(other.first + skip === first.first + sent && other.last >= first.last, 'it goes on elsewhere', [first, sent, second])
  return 'goes on'
})

const VALUES = ['true', 'yes', 'null', '~', '1', '{}', '[]', '[1]', '*x', '{ a: b }', '{ toString: 1 }', '{ toString: 1, valueOf: 2 }', '&x [*x]', '!!binary aGk=', '!!set { a }', '!!timestamp 2001-01-01', '!!js/function x', '"\\uD800"', '? { a: b }', '0o7', '.nan', '1e999', 'filesystem', '/srv']
const KEYS = ['version', 'storage', 'filesystem', 'rootdirectory', 'cache', 'blobdescriptor', 'http', 'addr', 'prefix', 'host', 'tls', 'letsencrypt', 'delete', 'enabled', 'maintenance', 'readonly', 'auth', 'proxy', 'remoteurl', 'redis', 'addrs', 'username', 'secret', '__proto__', 'constructor', 'prototype', 'toString']

function yaml (chance: Chance, depth = 0): string {
  const indent = ' '.repeat(depth * 2)
  const keys = [chance.one(['x', 'z']), ...chance.some(KEYS, 0.12)]
  return keys.map(key => `${indent}${key}:${depth < 4 && chance.happens(0.5) ? `\n${yaml(chance, depth + 1)}` : ` ${chance.one(VALUES)}\n`}`).join('')
}

/** Each line says the one before nine times. */
const BOMB = `${Array.from({ length: 12 }, (_, at) => `a${at}: &a${at} [${at === 0 ? 'x' : Array(9).fill(`*a${at - 1}`).join()}]`).join('\n')}\n`

await fuzz(t, 'configuration files of a registry', { cases: CASES / 5 }, chance => {
  const text = chance.happens(0.005) ? chance.one([BOMB, '['.repeat(5_000), `a: ${'&x '.repeat(999)}`, '{a: '.repeat(2_000)]) : odd.sometimesMutated(chance, `y: &x 1\n${yaml(chance)}`, 0.3)
  const variables = chance.some(['REGISTRY_STORAGE', 'REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY', 'REGISTRY_AUTH', 'REGISTRY_HTTP_TLS_KEY', 'REGISTRY_REDIS_ADDRS', 'REGISTRY_CONSTRUCTOR_PROTOTYPE_X', 'REGISTRY_HTTP_TOSTRING'], 0.2)
  try {
    const facts = readRegistryConfig(text, Object.fromEntries(variables.map(name => [name, chance.one(VALUES)])))
    must(Object.values(facts).every(value => value === undefined || ['string', 'boolean'].includes(typeof value)), 'strange facts', facts)
    return 'read'
  } catch (error) {
    must(error instanceof SetupError, `it throws ${(error as Error).stack}`, text)
    return 'refused'
  } finally {
    must(({} as Record<string, unknown>).x === undefined && Object.keys(Object.prototype).length === 0, 'a prototype was changed', text)
  }
})
