/** One origin for several servers, as a proxy in front of a registry and its token service gives them. */
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'

export interface Front {
  readonly url: string
  /** Which server answers below a path; of several the one that was named last. */
  route (prefix: string, target: string): void
}

export async function startFront (t: Test): Promise<Front> {
  const routes: Array<readonly [prefix: string, target: string]> = []
  const server = createServer((incoming, answer) => {
    const [, target] = routes.findLast(([prefix]) => incoming.url!.startsWith(prefix))!
    const outgoing = request(new URL(incoming.url!, target), { method: incoming.method, headers: incoming.headers }, from => {
      answer.writeHead(from.statusCode!, from.headers)
      from.pipe(answer)
    })
    outgoing.on('error', () => { answer.destroy() })
    incoming.pipe(outgoing)
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => new Promise(resolve => {
    server.close(resolve)
    server.closeAllConnections()
  }))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, route: (...route) => { routes.push(route) } }
}
