/** What is wrong in the tree, as the index knows it. */
import * as paths from '../storage/paths.js'
import type { Damage } from '../storage/state.js'
import type { Folder } from './folder.js'
import { UNREAD, type Memory } from './memory.js'

/** What could hide a reference. */
export function blockingDamages (memory: Memory): Damage[] {
  const damages = folderDamages(memory.root)
  for (const { oddities, revisions, layers } of memory.repositories.values()) {
    for (const shelf of [layers, revisions]) damages.push(...shelf.damages, ...[...shelf.drawers.values()].flatMap(drawer => drawer.damages))
    damages.push(...oddities?.damaged.values() ?? [])
  }
  for (const damage of memory.unreadable.values()) if (damage !== UNREAD) damages.push(damage)
  return [...damages, ...usedLayers(memory)]
}

/** What can hide nothing: links of layers that cannot be understood. */
export function harmlessDamages (memory: Memory): Damage[] {
  return [...memory.repositories.values()].flatMap(({ oddities }) => [...oddities?.damagedLayers.values() ?? []])
}

/** A layer in use whose link cannot be understood: it might hold the name of something else. */
function usedLayers ({ graph, digests, repositories }: Memory): Damage[] {
  const damages: Damage[] = []
  for (const { name, number, oddities } of repositories.values()) {
    for (const id of oddities?.damagedLayers.keys() ?? []) {
      if (graph.isUsedIn(id, number)) damages.push({ kind: 'manifest', path: paths.layerLink(name, digests.digest(id)), reason: 'the link of a layer in use is damaged' })
    }
  }
  return damages
}

function folderDamages (folder: Folder): Damage[] {
  return [...folder.damages, ...[...folder.children.values()].flatMap(folderDamages)]
}
