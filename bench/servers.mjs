// The three targets. Delgate starts the registry as its child; nginx and the direct runs use that same registry.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { findProgram, root } from '../scripts/lib/run.mjs'

/** How long a server may take to start or to stop, seconds. */
const LIMIT_SECONDS = 30
const children = []

/**
 * Starts `dist/main.js`, with defaults for everything but the places; resolves, when it is ready, to it and to the registry that it started.
 * @param flags further flags of Delgate
 */
export async function startDelgate (directory, { storage = join(directory, 'registry'), state = join(directory, 'state'), flags = [] } = {}) {
  const args = ['--listen.port', '0', '--storage.root', storage, '--state.directory', state, ...flags]
  // Flags of node for profiling, e.g. DELGATE_BENCH_NODE_FLAGS='--cpu-prof --cpu-prof-dir=profiles'
  const nodeFlags = (process.env.DELGATE_BENCH_NODE_FLAGS ?? '').split(' ').filter((flag) => flag !== '')
  const { DELGATE_BENCH_NODE_FLAGS: _, ...env } = process.env
  const child = spawn(process.execPath, [...nodeFlags, join(root, 'dist', 'main.js'), ...args], { cwd: directory, env, stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  const late = setTimeout(() => child.kill('SIGTERM'), LIMIT_SECONDS * 1000)
  const lines = createInterface({ input: child.stdout })
  let registryUrl
  for await (const line of lines) {
    if (line.startsWith('{')) {
      const { msg, url } = JSON.parse(line)
      if (msg === 'registry started') registryUrl = url
    }
    const [, url] = /^Delgate is ready on (\S+)/.exec(line) ?? []
    if (url === undefined) continue
    clearTimeout(late)
    child.stdout.resume()
    return { delgate: { name: 'Delgate', url, pid: child.pid }, registry: { name: 'direct', url: registryUrl, pid: undefined }, stop: () => stop(child) }
  }
  throw new Error('Delgate did not start')
}

/** Starts nginx in front of the registry, with one worker; `undefined` where it is not installed. */
export async function startNginx (directory, registryUrl) {
  const program = findProgram('nginx', ['/usr/sbin'])
  if (program === undefined) return undefined
  const home = join(directory, 'nginx')
  mkdirSync(home)
  const port = await freePort()
  writeFileSync(join(home, 'nginx.conf'), nginxConfig(port, new URL(registryUrl).host))
  const child = spawn(program, ['-p', home, '-c', 'nginx.conf', '-e', 'error.log'], { stdio: 'inherit' })
  children.push(child)
  const url = `http://127.0.0.1:${port}`
  for (let tries = 0; ; tries++) {
    if (await fetch(`${url}/v2/`).then(({ ok }) => ok, () => false)) break
    if (child.exitCode !== null || tries === LIMIT_SECONDS * 10) throw new Error('nginx did not start')
    await delay(100)
  }
  const [worker] = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').split(' ')
  return { name: 'nginx', url, pid: Number(worker) }
}

/** As for a registry: nothing buffered, no limit on bodies, connections kept on both sides. */
const nginxConfig = (port, registry) => `
worker_processes 1;
daemon off;
pid nginx.pid;
error_log error.log;
events { worker_connections 1024; }
http {
  access_log off;
  keepalive_requests 1000000000;
  client_max_body_size 0;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${name};`).join(' ')}
  upstream registry { server ${registry}; keepalive 64; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://registry;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_buffering off;
      proxy_request_buffering off;
      proxy_read_timeout 900s;
    }
  }
}
`

/** Stops everything that was started, the last first. */
export async function stopAll () {
  for (const child of [...children].reverse()) await stop(child)
}

/** By TERM, then by KILL. */
async function stop (child) {
  if (children.includes(child)) children.splice(children.indexOf(child), 1)
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_SECONDS * 1000)
  await exited
  clearTimeout(timer)
}

async function freePort () {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}
