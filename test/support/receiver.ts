/** An endpoint for notifications: notes what is posted, and answers as it is told. */
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import type { Envelope } from '../../src/notifications/events.js'
import { until } from './temporary.js'

export interface Posted { readonly method: string, readonly path: string, readonly headers: IncomingHttpHeaders, readonly envelope: Envelope }

export interface Receiver {
  readonly url: string
  readonly posted: Posted[]
  /** Status of the next answers, or what to do instead of one. */
  answer: number | ((response: ServerResponse) => void)
  /** Resolves when so many have been posted. */
  received (count: number): Promise<Posted[]>
}

export async function startReceiver (t: Test): Promise<Receiver> {
  const posted: Posted[] = []
  const server = createServer((request, response) => {
    let text = ''
    request.setEncoding('utf8').on('data', (piece: string) => { text += piece }).on('end', () => {
      posted.push({ method: request.method!, path: request.url!, headers: request.headers, envelope: JSON.parse(text) as Envelope })
      const { answer } = receiver
      if (typeof answer === 'number') response.writeHead(answer, { location: '/elsewhere' }).end('so be it')
      else answer(response)
    })
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => { server.close(); server.closeAllConnections() })
  const receiver: Receiver = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    posted,
    answer: 200,
    received: async count => await until(`${count} are received`, () => posted.length >= count && posted, 20_000, 5)
  }
  return receiver
}
