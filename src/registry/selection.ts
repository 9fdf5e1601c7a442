/**
 * Which container is the registry's: the settings as an engine's filter, and the choice among what matches. Pure.
 */
import type { Container } from './container.js'

/** How the settings name the container; the first of container, label and service that is given counts. */
export interface Selection {
  readonly container?: string | undefined
  /** `key` or `key=value`. */
  readonly label?: string | undefined
  readonly service?: string | undefined
  readonly project?: string | undefined
}

export type Choice =
  | { readonly kind: 'one', readonly container: Container }
  | { readonly kind: 'none' }
  | { readonly kind: 'several', readonly containers: readonly Container[] }

/** Filters of the Engine API's `ContainerList`. Compose marks the containers of `compose run` as one-off: they are not the service. */
export function toFilters (selection: Selection): { label: string[] } {
  if (selection.label !== undefined) return { label: [selection.label] }
  const labels = ['com.docker.compose.oneoff=False', `com.docker.compose.service=${selection.service}`]
  if (selection.project !== undefined) labels.push(`com.docker.compose.project=${selection.project}`)
  return { label: labels }
}

/** For messages: `named "registry"`, `of the compose service "registry" in project "shop"`. */
export function selectionText (selection: Selection): string {
  if (selection.container !== undefined) return `named "${selection.container}"`
  if (selection.label !== undefined) return `with label "${selection.label}"`
  return `of the compose service "${selection.service}"${selection.project === undefined ? '' : ` in project "${selection.project}"`}`
}

/**
 * The one to use: the one used before while it matches (a second container with the same label must not take over while
 * the first restarts), else the only one that runs (what a recreation left behind does not), else the only one.
 */
export function choose (containers: readonly Container[], previousId?: string): Choice {
  const running = containers.filter(container => container.state === 'running')
  const container = containers.find(({ id }) => id === previousId) ?? (running.length === 1 ? running[0] : undefined) ?? containers[0]
  if (container === undefined) return { kind: 'none' }
  if (containers.length === 1 || container.id === previousId || running.length === 1) return { kind: 'one', container }
  return { kind: 'several', containers }
}
