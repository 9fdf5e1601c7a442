/** The index as blocks. Reports may come between two blocks: each is right by itself, and what does not fit is left out. */
import type { Digest } from '../oci/digest.js'
import { WORDS } from './digests.js'
import type { Block } from './file.js'
import type { Folder, Repository, Shelf, Watched } from './folder.js'
import { BLOCK, HALF, VERSION, bytesOfNumbers, type Head, type SavedFolder, type SavedRepository, type SavedShelf } from './format.js'
import type { Memory } from './memory.js'

const DIGESTS_AT_ONCE = 4_096
const FOLDERS_AT_ONCE = 500
const NUMBERS_AT_ONCE = 16_384

/** The place of each number in the file, from 1; 0 for those that were not there at the beginning. */
type Places = Int32Array

/** To be consumed while the numbers of digests are pinned, and no pass runs. */
export function * blocksOf (memory: Memory, identity: string): Generator<Block> {
  const head: Head = { format: 'delgate reference index', version: VERSION, identity }
  yield json(BLOCK.head, head)
  const places = placesOf(memory)
  yield * digests(memory, places)
  yield * sizes(memory, places)
  yield * manifests(memory, places)
  yield * folders(memory.root)
  for (const repository of [...memory.repositories.values()]) yield repositoryBlock(repository, places)
}

const json = (type: number, value: unknown): Block => ({ type, bytes: Buffer.from(JSON.stringify(value)) })

function placesOf ({ digests }: Memory): Places {
  const places = new Int32Array(digests.cells.end)
  let place = 0
  for (let id = 1; id < places.length; id++) if (digests.isHeld(id)) places[id] = ++place
  return places
}

function * digests ({ digests }: Memory, places: Places): Generator<Block> {
  const others: Array<[number, Digest]> = []
  const words = new Int32Array(DIGESTS_AT_ONCE * WORDS)
  let count = 0
  for (let id = 1; id < places.length; id++) {
    const place = places[id]!
    if (place === 0) continue
    const other = digests.words(id, words, count++ * WORDS)
    if (other !== undefined) others.push([place, other])
    if (count < DIGESTS_AT_ONCE) continue
    yield { type: BLOCK.digests, bytes: bytesOfNumbers(words.slice()) }
    count = 0
  }
  if (count > 0) yield { type: BLOCK.digests, bytes: bytesOfNumbers(words.slice(0, count * WORDS)) }
  if (others.length > 0) yield json(BLOCK.others, others)
}

function * sizes ({ sizes }: Memory, places: Places): Generator<Block> {
  let numbers: number[] = []
  for (let id = 1; id < places.length; id++) {
    const place = places[id]!
    if (place === 0) continue
    if (numbers.length === 0) numbers.push(place)
    const bytes = sizes.get(id)
    if (bytes === undefined) numbers.push(-1, -1)
    else numbers.push(Math.floor(bytes / HALF), bytes | 0)
    if (numbers.length < NUMBERS_AT_ONCE) continue
    yield { type: BLOCK.sizes, bytes: bytesOfNumbers(Int32Array.from(numbers)) }
    numbers = []
  }
  if (numbers.length > 0) yield { type: BLOCK.sizes, bytes: bytesOfNumbers(Int32Array.from(numbers)) }
}

function * manifests ({ graph }: Memory, places: Places): Generator<Block> {
  let numbers: number[] = []
  for (let id = 1; id < places.length; id++) {
    if (places[id] === 0 || !graph.isRead(id) || !graph.isLinked(id)) continue
    const targets = [...graph.referencesOf(id)].map(target => places[target] ?? 0)
    if (targets.includes(0)) continue
    numbers.push(places[id]!, targets.length)
    for (const target of targets) numbers.push(target)
    if (numbers.length < NUMBERS_AT_ONCE) continue
    yield { type: BLOCK.manifests, bytes: bytesOfNumbers(Int32Array.from(numbers)) }
    numbers = []
  }
  if (numbers.length > 0) yield { type: BLOCK.manifests, bytes: bytesOfNumbers(Int32Array.from(numbers)) }
}

/** The stamp of a directory that is in order. */
const stampOf = ({ stamp, damages }: Watched): SavedFolder['stamp'] => damages.length === 0 ? stamp ?? null : null

function * folders (root: Folder): Generator<Block> {
  let saved: SavedFolder[] = []
  for (const open = [root]; open.length > 0;) {
    const folder = open.pop()!
    const { path, hasLayers, hasManifests, hasUploads } = folder
    saved.push({ path, stamp: stampOf(folder), hasLayers, hasManifests, hasUploads })
    open.push(...folder.children.values())
    if (saved.length < FOLDERS_AT_ONCE) continue
    yield json(BLOCK.folders, saved)
    saved = []
  }
  yield json(BLOCK.folders, saved)
}

function repositoryBlock ({ name, revisions, layers, oddities }: Repository, places: Places): Block {
  const names: Int32Array[] = []
  const oddRevisions = new Set([...oddities?.vacant ?? [], ...oddities?.damaged.keys() ?? [], ...oddities?.renamed.keys() ?? []])
  const oddLayers = new Set([...oddities?.vacantLayers ?? [], ...oddities?.damagedLayers.keys() ?? [], ...oddities?.aliases.keys() ?? [], ...oddities?.unknown ?? []])
  const shelf = (from: Shelf, odd: ReadonlySet<number>): SavedShelf => ({
    stamp: stampOf(from),
    drawers: [...from.drawers].map(([algorithm, drawer]) => {
      const plain = drawer.names.filter(id => !odd.has(id) && (places[id] ?? 0) !== 0)
      names.push(plain.map(id => places[id]!))
      return { algorithm, stamp: plain.length === drawer.names.length ? stampOf(drawer) : null, count: plain.length }
    })
  })
  const saved: SavedRepository = { name, revisions: shelf(revisions, oddRevisions), layers: shelf(layers, oddLayers) }
  const text = Buffer.from(JSON.stringify(saved))
  const padded = Buffer.alloc(4 + Math.ceil(text.length / 4) * 4, ' ')
  padded.writeUInt32LE(padded.length - 4, 0)
  text.copy(padded, 4)
  return { type: BLOCK.repository, bytes: Buffer.concat([padded, ...names.map(bytesOfNumbers)]) }
}
