/** Text as nobody writes it by mistake alone. */
import type { Chance } from './random.js'

const HEX = '0123456789abcdef'
const CHARACTERS = ['\0', '\n', '\r', '\t', ' ', '%', '%2f', '%2F', '%2e', '%00', '%zz', '%c3', '%25', '+', ';', '&', '=', '#', '?', '\\', '"', '\'', ':', '@', ',', '.', '..', '-', '_', '__', '/', '//', 'A', 'é', 'ß', 'ſ', '\u212A', '\u2028', '\uD800', '\uDC00', '😀', '\uFEFF', '\x7F', '\x80']
const LONG = 20_000

export const hex = (chance: Chance, length: number): string => Array.from({ length }, () => chance.one([...HEX])).join('')
export const digest = (chance: Chance): string => {
  const [name, length] = chance.one([['sha256', 64], ['sha384', 96], ['sha512', 128]] as const)
  return `${name}:${hex(chance, length)}`
}

/** One or more changes somewhere in a text. */
export function mutated (chance: Chance, text: string): string {
  let result = text
  for (let times = 1 + chance.upTo(3); times > 0; times--) {
    const at = chance.upTo(result.length + 1)
    const [before, after] = [result.slice(0, at), result.slice(at)]
    const kind = chance.upTo(6)
    if (kind < 3) result = before + chance.one(CHARACTERS) + after
    else if (kind === 3) result = before + after.slice(1)
    else if (kind === 4) result = before + after.slice(0, 3).repeat(1 + chance.upTo(4)) + after
    else result = chance.happens(0.1) ? before + chance.one([...CHARACTERS, 'a']).repeat(chance.upTo(LONG)) + after : before.toUpperCase() + after
  }
  return result
}

export const sometimesMutated = (chance: Chance, text: string, probability = 0.5): string => chance.happens(probability) ? mutated(chance, text) : text

/** A repository's name, nearly always a good one. */
export function name (chance: Chance): string {
  const component = (): string => chance.one(['a', 'app', 'team', 'a.b', 'a__b', 'a-b', 'a---b', '0', 'manifests', 'blobs', 'uploads', 'tags', 'list', 'reference', 'referrers', 'v2', 'sha256'])
  return Array.from({ length: 1 + chance.upTo(4) }, component).join('/')
}

export const tag = (chance: Chance): string => chance.one(['v1', 'latest', '_x', '1.0', 'a-b', 'list', 'uploads', `sha256-${hex(chance, 64)}.sig`, 'T'.repeat(128), 'T'.repeat(129)])

/** Percent-encodes some of the characters, never a slash. */
export function encoded (chance: Chance, text: string, probability = 0.2): string {
  return [...text].map(one => one !== '/' && chance.happens(probability) ? [...Buffer.from(one)].map(byte => `%${byte.toString(16).padStart(2, '0')}`).join('') : one).join('')
}
