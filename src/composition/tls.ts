/** TLS on both sides of the gate: the files that the settings name are read and checked, and then looked at for renewals. */
import type { Settings } from '../config/schema.js'
import { checkPems, readPems, type PemPaths, type Pems } from '../pem/read.js'
import { PemRenewal, type RenewalParts } from '../pem/renewal.js'

/** What each side shows and trusts; `undefined` where the settings say nothing. */
export interface Tls {
  /** For clients: with it, the gate speaks TLS. */
  readonly listen: Pems | undefined
  /** Towards the registry. */
  readonly registry: Pems | undefined
}

/** @throws SetupError that names the setting whose file cannot be used */
export async function readTls ({ listen, registry }: Settings): Promise<Tls> {
  return { listen: await read(listen.tls, 'listen.tls'), registry: await read(registry.tls, 'registry.tls') }
}

async function read (paths: PemPaths, section: string): Promise<Pems | undefined> {
  if (paths.ca === undefined && paths.certificate === undefined) return undefined
  const pems = await readPems(paths, section)
  checkPems(pems, paths, section)
  return pems
}

/**
 * Looks for renewed files, once they are started.
 * @param take what to do with new ones, for each side
 */
export function createRenewals ({ listen, registry }: Settings, tls: Tls, take: { readonly [Side in keyof Tls]: RenewalParts['take'] }, common: Omit<RenewalParts, 'take'>): PemRenewal[] {
  const renewals: PemRenewal[] = []
  if (tls.listen !== undefined) renewals.push(new PemRenewal(listen.tls, 'listen.tls', tls.listen, { ...common, take: take.listen }))
  if (tls.registry !== undefined) renewals.push(new PemRenewal(registry.tls, 'registry.tls', tls.registry, { ...common, take: take.registry }))
  return renewals
}
