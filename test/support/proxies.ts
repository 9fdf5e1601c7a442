/** The proxies of config/proxies, each as its example file has it, in front of a gate; only addresses and paths are put in. */
import { spawn } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { Agent } from 'node:https'
import { join } from 'node:path'
import type { Test } from 'tap'
import { authority, type Issued } from './certificates.js'
import { put } from './docs.js'
import { stop } from './processes.js'
import { request } from './http.js'
import { freePort, temporaryDirectory, until } from './temporary.js'
import { tool } from './tools.js'

export interface Proxy {
  readonly url: string
  /** Host and port, as image names have it. */
  readonly host: string
  /** Path of the certificate that its clients must trust. */
  readonly ca: string
  /** For `request`: trusts that certificate, and keeps no connection. */
  readonly agent: Agent
}

/** Changes to the example file, beyond those that are needed to run it here. */
export type Edit = (text: string) => string

/** Where the proxy is to be, and what it needs. */
interface Place {
  readonly directory: string
  readonly port: number
  readonly tls: Issued
}

const GATE = '127.0.0.1:5000'
const asRoot = process.getuid?.() === 0

/** What Debian's nginx.conf says around the file, with nothing outside of the directory. */
const nginxAround = (directory: string): string => `
${asRoot ? 'user root;' : ''}
daemon off;
pid ${directory}/nginx.pid;
error_log stderr warn;
events {}
http {
  access_log off;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(name => `${name}_temp_path ${directory}/${name};`).join(' ')}
  include ${directory}/delgate.conf;
}
`

async function nginx (example: string, { directory, port, tls }: Place): Promise<string[]> {
  let text = put(example, '/etc/letsencrypt/live/registry.example.org/fullchain.pem', tls.certificate)
  text = put(text, '/etc/letsencrypt/live/registry.example.org/privkey.pem', tls.key)
  text = put(text, 'listen 443 ', `listen 127.0.0.1:${port} `)
  text = put(text, 'listen [::]:443 ', `listen 127.0.0.2:${port} `)
  await writeFile(join(directory, 'delgate.conf'), text)
  await writeFile(join(directory, 'nginx.conf'), nginxAround(directory))
  return ['-e', 'stderr', '-p', directory, '-c', join(directory, 'nginx.conf')]
}

async function caddy (example: string, { directory, port, tls }: Place): Promise<string[]> {
  let text = put(example, 'registry.example.org {', `https://127.0.0.1:${port} {`)
  text = put(text, '# tls /etc/caddy/fullchain.pem /etc/caddy/privkey.pem', `tls ${tls.certificate} ${tls.key}`)
  await writeFile(join(directory, 'Caddyfile'), `{\n\tadmin off\n\tauto_https disable_redirects\n\tdefault_bind 127.0.0.1\n}\n${text}`)
  return ['run', '--config', join(directory, 'Caddyfile'), '--adapter', 'caddyfile']
}

const KINDS = { nginx: { file: 'nginx.conf', prepare: nginx }, caddy: { file: 'Caddyfile', prepare: caddy } } as const
export type ProxyKind = keyof typeof KINDS

/** Starts one in front of a gate, and waits until it answers; it ends with the test. */
export async function startProxy (t: Test, kind: ProxyKind, gate: { readonly host: string }, edit: Edit = text => text): Promise<Proxy> {
  const { file, prepare } = KINDS[kind]
  const [directory, port, known] = [await temporaryDirectory(t), await freePort(), await authority(t)]
  await mkdir(join(directory, 'home'))
  const example = edit(put(await readFile(join('config', 'proxies', file), 'utf8'), GATE, gate.host))
  const args = await prepare(example, { directory, port, tls: await known.issue('proxy') })
  const env = { ...process.env, HOME: join(directory, 'home'), XDG_DATA_HOME: join(directory, 'home'), XDG_CONFIG_HOME: join(directory, 'home') }
  const child = spawn(tool(kind).path, args, { env, stdio: ['ignore', 'ignore', 'pipe'] })
  const said: Buffer[] = []
  child.stderr.on('data', (chunk: Buffer) => said.push(chunk))
  const agent = new Agent({ ca: await readFile(known.ca), keepAlive: false })
  t.teardown(async () => { agent.destroy(); await stop(child) })
  const host = `127.0.0.1:${port}`
  await until(`${kind} answers`, async () => {
    if (child.exitCode !== null) throw new Error(`${kind} ended: ${Buffer.concat(said).toString()}`)
    return await request(`https://${host}`, 'GET', '/healthz', { agent, timeout: 2_000 }).then(() => true, () => false)
  })
  return { url: `https://${host}`, host, ca: known.ca, agent }
}
