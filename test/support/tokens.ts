/**
 * A real token service, as small as it gets: distribution's "Token Authentication Implementation"
 * (distribution.github.io/distribution/spec/auth/jwt), with a self-signed certificate that the registry trusts.
 */
import { createPrivateKey, randomUUID, sign, X509Certificate, type KeyObject } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:http'
import { join } from 'node:path'
import type { Test } from 'tap'
import { mustRun } from './processes.js'
import { USERS, type TokenAuth } from './registry.js'
import { temporaryDirectory } from './temporary.js'
import { tool } from './tools.js'

const SERVICE = 'test registry'
const ISSUER = 'test issuer'
const LIFETIME_SECONDS = 300

export interface TokenService {
  /** For the registry's `auth.token`. */
  readonly auth: TokenAuth
  /** A token for scopes such as `repository:app:pull,push`. */
  token (...scopes: string[]): string
}

/**
 * Starts the service. Users may do everything but delete, except alice, who may do that too: whatever is asked
 * for, the token that comes back holds what the user is allowed.
 */
export async function startTokenService (t: Test): Promise<TokenService> {
  const directory = await temporaryDirectory(t)
  const [keyFile, certificateFile] = [join(directory, 'key.pem'), join(directory, 'certificate.pem')]
  await mustRun(tool('openssl').path, ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=test', '-keyout', keyFile, '-out', certificateFile])
  const key = createPrivateKey(await readFile(keyFile))
  const certificate = new X509Certificate(await readFile(certificateFile))
  const token = (...scopes: string[]) => tokenFor(key, certificate, 'somebody', scopes)

  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost')
    const user = userOf(request.headers.authorization)
    if (user === undefined) {
      response.writeHead(401).end()
      return
    }
    const scopes = url.searchParams.getAll('scope').flatMap((scope) => scope.split(' ')).map((scope) => allowed(user, scope))
    const text = tokenFor(key, certificate, user, scopes)
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ token: text, access_token: text, expires_in: LIFETIME_SECONDS }))
  })
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => new Promise((resolve) => {
    server.close(resolve)
    server.closeAllConnections()
  }))
  const { port } = server.address() as AddressInfo
  return { auth: { realm: `http://127.0.0.1:${port}/token`, service: SERVICE, issuer: ISSUER, rootcertbundle: certificateFile }, token }
}

function userOf (authorization = ''): string | undefined {
  const [user, password] = Buffer.from(authorization.replace(/^Basic /, ''), 'base64').toString().split(':')
  return Object.entries(USERS).some(([name, secret]) => name === user && secret === password) ? user : undefined
}

function allowed (user: string, scope: string): string {
  return user === 'alice' ? scope : scope.replace(/\*|delete/g, 'pull').replace(/(?:,pull)+$/, '')
}

function tokenFor (key: KeyObject, certificate: X509Certificate, subject: string, scopes: readonly string[]): string {
  const now = Math.floor(Date.now() / 1000)
  const access = scopes.map((scope) => {
    const [, type, name, actions] = /^([^:]+):(.+):([^:]+)$/.exec(scope) ?? []
    return { type, name, actions: actions?.split(',') }
  })
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const head = encode({ typ: 'JWT', alg: 'RS256', x5c: [certificate.raw.toString('base64')] })
  const claims = encode({ iss: ISSUER, sub: subject, aud: SERVICE, exp: now + LIFETIME_SECONDS, nbf: now - 5, iat: now, jti: randomUUID(), access })
  const signature = sign('sha256', Buffer.from(`${head}.${claims}`), key).toString('base64url')
  return `${head}.${claims}.${signature}`
}
