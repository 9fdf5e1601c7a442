import { SetupError } from '../setup-error.js'
import { leaves } from './paths.js'
import type { Settings } from './schema.js'

/**
 * Certificate and key come together, and TLS towards the registry is for a registry that speaks it. What is in the files
 * is checked when they are read.
 * @throws SetupError
 */
export function checkTls ({ listen, registry }: Settings): void {
  checkPair('listen.tls', listen.tls)
  checkPair('registry.tls', registry.tls)
  const given = (['ca', 'certificate', 'key'] as const).find(name => registry.tls[name] !== undefined)
  if (given === undefined) return
  if (registry.controller === 'process') throw new SetupError(`setting "registry.tls.${given}": the controller "process" reaches its registry on this machine without TLS; leave it out`)
  if (registry.url?.startsWith('https://') !== true) throw new SetupError(`setting "registry.tls.${given}" only makes sense with a "registry.url" that begins with https://, got ${JSON.stringify(registry.url)}`)
}

function checkPair (section: string, { certificate, key }: { readonly certificate?: string, readonly key?: string }): void {
  if ((certificate === undefined) === (key === undefined)) return
  const [given, missing] = certificate === undefined ? ['key', 'certificate'] : ['certificate', 'key']
  const { variable } = leaves.find(leaf => leaf.key === `${section}.${missing}`)!
  throw new SetupError(`setting "${section}.${missing}" is missing: "${section}.${given}" needs it (file, ${variable}, or --${section}.${missing})`)
}
