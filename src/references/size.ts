/** What the index takes in memory. */
import type { Folder, Repository } from './folder.js'
import type { Memory } from './memory.js'

/** Estimates of what V8 takes for the objects of one repository, of one directory's name, and of one odd entry. Bytes. */
const REPOSITORY_BYTES = 1_600
const FOLDER_BYTES = 500
const ODD_BYTES = 150

export function bytesOf ({ digests, graph, repositories, root }: Memory): number {
  let bytes = digests.bytes + graph.bytes + folders(root) * FOLDER_BYTES
  for (const repository of repositories.values()) bytes += REPOSITORY_BYTES + entries(repository)
  return bytes
}

function entries ({ revisions, layers, oddities }: Repository): number {
  let bytes = 0
  for (const { drawers } of [revisions, layers]) for (const { names } of drawers.values()) bytes += names.byteLength
  if (oddities === undefined) return bytes
  return bytes + [oddities.vacant, oddities.damaged, oddities.renamed, oddities.vacantLayers, oddities.damagedLayers, oddities.aliases, oddities.unknown]
    .reduce((sum, { size }) => sum + size * ODD_BYTES, 0)
}

function folders (folder: Folder): number {
  let count = 1
  for (const child of folder.children.values()) count += folders(child)
  return count
}
