/** Certificates, keys and authorities from PEM files: read, and checked on their own and against each other. */
import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import { SetupError } from '../setup-error.js'

/** Paths of PEM files; the settings `<section>.ca`, `<section>.certificate` and `<section>.key`. */
export interface PemPaths {
  /** Authorities that the other side's certificate may come from. */
  readonly ca?: string | undefined
  /** One's own certificate, with those between it and its authority below it. */
  readonly certificate?: string | undefined
  /** The key of `certificate`. */
  readonly key?: string | undefined
}

/** The contents of those files, as they were read. */
export type Pems = { readonly [Name in keyof PemPaths]?: Buffer }

const NAMES = ['ca', 'certificate', 'key'] as const

/**
 * Reads the files; says nothing about what is in them.
 * @param section where the settings are, for messages: `listen.tls`
 * @throws SetupError that names the setting
 */
export async function readPems (paths: PemPaths, section: string): Promise<Pems> {
  const pems: { -readonly [Name in keyof Pems]: Pems[Name] } = {}
  // One by one: of several that are wrong, it is always the same that is named.
  for (const name of NAMES) if (paths[name] !== undefined) pems[name] = await readOne(paths[name], `${section}.${name}`)
  return pems
}

async function readOne (path: string, setting: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (error) {
    throw new SetupError(`setting "${setting}": ${path} cannot be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`)
  }
}

/**
 * Checks that a connection could be made with them.
 * @throws SetupError that names the setting
 */
export function checkPems (pems: Pems, paths: PemPaths, section: string): void {
  const refuse = (name: keyof PemPaths, why: string): never => { throw new SetupError(`setting "${section}.${name}": ${paths[name]} ${why}`) }
  if (pems.ca !== undefined) parsed(() => new X509Certificate(pems.ca!)) ?? refuse('ca', 'holds no certificate in PEM')
  if (pems.certificate === undefined || pems.key === undefined) return
  const certificate = parsed(() => new X509Certificate(pems.certificate!)) ?? refuse('certificate', 'holds no certificate in PEM')
  const key: KeyObject = parsed(() => createPrivateKey(pems.key!)) ?? refuse('key', 'holds no private key in PEM, or one with a passphrase')
  if (!certificate.checkPrivateKey(key)) refuse('key', `is not the key of the first certificate in ${paths.certificate}`)
  try {
    createSecureContext(secureOptions(pems))
  } catch (error) { // a broken certificate further down, a key that is too short
    refuse('certificate', `cannot be used: ${(error as Error).message}`)
  }
}

function parsed<Value> (parse: () => Value): Value | undefined {
  try {
    return parse()
  } catch {
    return undefined
  }
}

/** The same, as Node's functions take it. Nothing below TLS 1.2, whatever Node was started with. */
export function secureOptions ({ ca, certificate, key }: Pems): { readonly ca?: Buffer, readonly cert?: Buffer, readonly key?: Buffer, readonly minVersion: 'TLSv1.2' } {
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(certificate === undefined ? {} : { cert: certificate }),
    ...(key === undefined ? {} : { key }),
    minVersion: 'TLSv1.2'
  }
}
