/** A gate that says whatever a test wants: for what no registry would store. */
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'

const STATUS = {
  version: '0',
  collector: 'online',
  registry: { controller: 'none', auth: 'none' },
  index: { complete: true, repositories: 1 },
  hold: { now: 'none', waiting: 0 },
  jobs: {},
  trash: { jobs: 0, bytes: 0 },
  audit: {}
}

export interface FalseGate {
  readonly url: string
  /** What was asked for, but the status: `DELETE /v2/app?dry-run=true`. */
  readonly asked: readonly string[]
}

/**
 * @param answer what it answers as JSON; `undefined` is a 404
 * @param status what its status says besides
 */
export async function startFalseGate (t: Test, answer: (method: string, path: string) => object | undefined, status: () => object = () => ({})): Promise<FalseGate> {
  const asked: string[] = []
  const server = createServer(({ method = '', url = '' }: IncomingMessage, response) => {
    const isStatus = url === '/delgate/v1/status'
    if (!isStatus) asked.push(`${method} ${url}`)
    const found = isStatus ? { ...STATUS, ...status() } : answer(method, url)
    const body = JSON.stringify(found ?? { errors: [{ code: 'UNKNOWN', message: 'unknown' }] })
    if (url.endsWith('/events')) response.writeHead(200, { 'content-type': 'text/event-stream' }).end(`data: ${body}\n\n`)
    else response.writeHead(found === undefined ? 404 : 200, { 'content-type': 'application/json' }).end(body)
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => new Promise(resolve => { server.close(resolve); server.closeAllConnections() }))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}
