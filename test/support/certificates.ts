/** Certificates for the tests, made with openssl: authorities, and what they sign. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { mustRun } from './processes.js'
import { temporaryDirectory } from './temporary.js'
import { tool } from './tools.js'

/** Paths of PEM files. */
export interface Issued {
  readonly certificate: string
  readonly key: string
}

export interface Authority {
  /** Path of its own certificate. */
  readonly ca: string
  /** Signs a certificate for 127.0.0.1, ::1 and localhost, of a server or a client. */
  issue (name: string): Promise<Issued>
}

/** Nothing of the machine's own configuration counts. */
const CONFIGURATION = '[req]\ndistinguished_name = dn\n[dn]\n'
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']

/** An authority that only this test knows. */
export async function authority (t: Test, name = 'authority'): Promise<Authority> {
  const directory = await temporaryDirectory(t)
  const at = (file: string): string => join(directory, file)
  await writeFile(at('openssl.cnf'), CONFIGURATION)
  const make = async (subject: string, key: string, certificate: string, ...rest: string[]): Promise<void> => {
    await mustRun(tool('openssl').path, ['req', '-x509', '-config', at('openssl.cnf'), ...NEW_KEY, '-subj', `/CN=${subject}`, '-keyout', key, '-out', certificate, ...rest])
  }
  await make(name, at('ca.key'), at('ca.pem'), '-addext', 'basicConstraints=critical,CA:TRUE')
  return {
    ca: at('ca.pem'),
    issue: async name => {
      const issued = { certificate: at(`${name}.pem`), key: at(`${name}.key`) }
      await make(name, issued.key, issued.certificate, '-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-addext', 'basicConstraints=critical,CA:FALSE', '-addext', 'subjectAltName=IP:127.0.0.1,IP:::1,DNS:localhost')
      return issued
    }
  }
}
