/**
 * A door between the gate and the registry: everything passes it, and a test can hold a request there, on its way to
 * the registry or on its way back. So a race is forced, not waited for.
 */
import { Agent, createServer, request as nodeRequest, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream/promises'
import type { Test } from 'tap'

/** A request that was let through to the registry, in that order. */
export interface Passed {
  readonly method: string
  /** With the query. */
  readonly path: string
  readonly headers: IncomingHttpHeaders
  /** `undefined` until the registry has answered. */
  status: number | undefined
}

/** Which request is held; the next one that fits, and no other. */
export interface Which {
  readonly method: string
  /** All of the path without its query, or something that is tried on the path with it. */
  readonly path: string | RegExp
  /** `before`: the registry has not seen it; `after`: the registry has answered, and the gate does not know. */
  readonly when: 'before' | 'after'
}

export interface Held {
  /** Such a request is at the door. */
  readonly arrived: Promise<void>
  /** Whether one has come. */
  readonly hasArrived: boolean
  /** Lets it pass; when it has not come yet, lets it pass without stopping. */
  release (): void
}

export interface Door {
  readonly url: string
  /** What has passed so far. */
  readonly log: ReadonlyArray<Readonly<Passed>>
  hold (which: Which): Held
}

interface Rule extends Held {
  readonly which: Which
  /** Resolves when the request may go on. */
  stop (): Promise<void>
}

/** Opens a door in front of a registry; whatever is held goes on when the test ends. */
export async function openDoor (t: Test, registry: string): Promise<Door> {
  const rules: Rule[] = []
  const log: Passed[] = []
  // No connection is used twice: the registry may close one just when the next request comes.
  const agent = new Agent({ keepAlive: false })
  const stopAt = async (when: Which['when'], message: IncomingMessage): Promise<void> => {
    const at = rules.findIndex(({ which }) => which.when === when && fits(which, message))
    if (at !== -1) await rules.splice(at, 1)[0]!.stop()
  }
  const server = createServer((request, response) => {
    pass(request, response).catch(() => { response.destroy() })
  })
  server.keepAliveTimeout = 60_000
  const pass = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    await stopAt('before', request)
    const passed: Passed = { method: request.method!, path: request.url!, headers: request.headers, status: undefined }
    log.push(passed)
    const answer = await forward(registry, agent, request, response)
    passed.status = answer.statusCode!
    await stopAt('after', request)
    response.writeHead(answer.statusCode!, answer.rawHeaders.filter((_, at, all) => !hopByHop.has(all[at - at % 2]!.toLowerCase())))
    await pipeline(answer, response)
  }
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(async () => {
    server.closeAllConnections()
    await new Promise(resolve => { server.close(resolve) })
    agent.destroy()
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    log,
    hold: which => {
      const rule = newRule(which)
      rules.push(rule)
      // Before the gate is closed, which waits for what is under way.
      t.teardown(rule.release)
      return rule
    }
  }
}

const hopByHop = new Set(['connection', 'keep-alive'])

function fits ({ method, path }: Which, request: IncomingMessage): boolean {
  const url = request.url!
  return request.method === method && (typeof path === 'string' ? url.split('?')[0] === path : path.test(url))
}

/** Sends it on as it came, `Host` included; resolves with the head of the answer. */
async function forward (registry: string, agent: Agent, request: IncomingMessage, response: ServerResponse): Promise<IncomingMessage> {
  const { hostname, port } = new URL(registry)
  const headers = request.rawHeaders.filter((_, at, all) => !hopByHop.has(all[at - at % 2]!.toLowerCase()))
  const onward = nodeRequest({ hostname, port, method: request.method!, path: request.url!, headers: headers as never, setHost: false, agent })
  response.once('close', () => { if (!response.writableFinished) onward.destroy() })
  const answered = once(onward, 'response') as Promise<[IncomingMessage]>
  pipeline(request, onward).catch(() => {})
  return (await answered)[0]
}

function newRule (which: Which): Rule {
  let arrive = (): void => {}
  let release = (): void => {}
  const arrived = new Promise<void>(resolve => { arrive = resolve })
  const released = new Promise<void>(resolve => { release = resolve })
  let hasArrived = false
  return {
    which,
    arrived,
    get hasArrived () { return hasArrived },
    release,
    stop: async () => {
      hasArrived = true
      arrive()
      await released
    }
  }
}
