/** skopeo, crane and curl, each test with login files of its own; without TLS, or with an authority that they trust. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { run, type Ended } from './processes.js'
import { temporaryDirectory } from './temporary.js'
import { tool } from './tools.js'

/** Runs one of the clients with the given arguments. */
export type Client = (...args: string[]) => Promise<Ended>

export interface Clients {
  readonly skopeo: Client
  readonly crane: Client
  readonly curl: Client
  /** Where the clients may put files; goes when the test ends. */
  readonly directory: string
}

/**
 * The clients, logged in to `host` (with port) as the user, if there is one.
 * @param authority path of the certificate that they trust; without it, they use no TLS
 */
export async function clients (t: Test, host: string, login?: { readonly user: string, readonly password: string }, authority?: string): Promise<Clients> {
  const directory = await temporaryDirectory(t)
  const auths = login === undefined ? {} : { [host]: { auth: Buffer.from(`${login.user}:${login.password}`).toString('base64') } }
  // skopeo and crane read the same file: Docker's.
  await writeFile(join(directory, 'config.json'), JSON.stringify({ auths }))
  await writeFile(join(directory, 'registries.conf'), '')
  const env = {
    HOME: directory,
    DOCKER_CONFIG: directory,
    REGISTRY_AUTH_FILE: join(directory, 'config.json'),
    CONTAINERS_REGISTRIES_CONF: join(directory, 'registries.conf'),
    TMPDIR: directory,
    ...(authority === undefined ? {} : { SSL_CERT_FILE: authority, SSL_CERT_DIR: directory, CURL_CA_BUNDLE: authority }),
    NO_PROXY: '127.0.0.1',
    no_proxy: '127.0.0.1'
  }
  const client = (path: string, fixed: readonly string[]): Client => (...args) => run(path, [...fixed, ...args], { env, cwd: directory })
  return {
    skopeo: client(tool('skopeo').path, ['--insecure-policy', '--command-timeout', '60s']),
    crane: client(tool('crane').path, authority === undefined ? ['--insecure'] : []),
    curl: client(tool('curl').path, ['--silent', '--show-error', '--max-time', '60']),
    directory
  }
}

/** The standard output of a client that must succeed. */
export async function succeeds (ended: Promise<Ended>): Promise<string> {
  const { code, stdout, stderr } = await ended
  if (code !== 0) throw new Error(`ended with ${code}\n${stdout}\n${stderr}`)
  return stdout
}
