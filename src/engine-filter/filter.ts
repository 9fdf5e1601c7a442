/** The filter itself: a server between Delgate and a Docker Engine's socket. */
import { createServer, request as httpRequest, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { requestFor, understand, type Call, type EngineRequest, type Rules } from './rules.js'

export interface FilterOptions extends Rules {
  /** Path of the engine's socket. */
  readonly engine: string
  /** Name of the only container that may be asked about. */
  readonly container: string
  /** Told of each call that was refused. */
  readonly onRefused: (method: string, target: string) => void
}

/** No body that is let through is longer. Bytes. */
const BODY_MAXIMUM = 16_384
/** Commands whose end may still be asked for. */
const EXECS_MAXIMUM = 100

export function createFilter (options: FilterOptions): Server {
  /** Commands that were begun through here. */
  const execs = new Set<string>()
  return createServer((incoming, outgoing) => {
    answer(incoming, outgoing, options, execs).catch(() => {
      if (outgoing.headersSent) outgoing.destroy()
      else say(outgoing, 502, 'the Docker Engine cannot be reached')
    })
  })
}

async function answer (incoming: IncomingMessage, outgoing: ServerResponse, options: FilterOptions, execs: Set<string>): Promise<void> {
  const { method = '', url = '' } = incoming
  const body = await jsonOf(incoming)
  const call = body === 'too long' ? undefined : understand(method, url, body, options)
  const refused = (status: number, message: string): void => {
    options.onRefused(method, url)
    say(outgoing, status, message)
  }
  if (call === undefined || ('exec' in call && !execs.has(call.exec))) return refused(403, 'this is not among the calls that are let through to the Docker Engine')
  const id = 'container' in call ? await idOf(call.container, options) : ''
  if (id === undefined) return refused(404, 'No such container: only the registry\'s may be asked about')
  await pass(requestFor(call, id), call, options.engine, outgoing, execs)
}

/** The id of the container, asked anew each time: it may have been recreated. `undefined` when another one is meant. */
async function idOf (asked: string, { engine, container }: FilterOptions): Promise<string | undefined> {
  const { status, text } = await whole(await send({ method: 'GET', path: `/containers/${encodeURIComponent(container)}/json` }, engine))
  if (status !== 200) return undefined
  const { Id: id } = JSON.parse(text) as { Id: string }
  return asked === container || asked === id ? id : undefined
}

async function pass (request: EngineRequest, call: Call, engine: string, outgoing: ServerResponse, execs: Set<string>): Promise<void> {
  const answered = await send(request, engine)
  if (call.kind === 'exec') {
    const { status, text } = await whole(answered)
    if (status === 201) remember(execs, (JSON.parse(text) as { Id: string }).Id)
    outgoing.writeHead(status, { 'content-type': 'application/json' }).end(text)
    return
  }
  const { 'content-type': type, 'x-docker-container-path-stat': stat } = answered.headers
  outgoing.writeHead(answered.statusCode!, { ...(type === undefined ? {} : { 'content-type': type }), ...(stat === undefined ? {} : { 'x-docker-container-path-stat': stat }) })
  outgoing.flushHeaders()
  outgoing.once('close', () => { answered.destroy() })
  answered.once('error', () => { outgoing.destroy() })
  answered.pipe(outgoing)
}

function remember (execs: Set<string>, id: string): void {
  execs.add(id)
  for (const oldest of execs) if (execs.size > EXECS_MAXIMUM) execs.delete(oldest)
}

async function send ({ method, path, body }: EngineRequest, engine: string): Promise<IncomingMessage> {
  const text = body === undefined ? '' : JSON.stringify(body)
  const headers = { host: 'docker', ...(body === undefined ? {} : { 'content-type': 'application/json' }), 'content-length': Buffer.byteLength(text) }
  return await new Promise((resolve, reject) => {
    httpRequest({ socketPath: engine, method, path, headers, agent: false }, resolve).once('error', reject).end(text)
  })
}

async function whole (message: IncomingMessage): Promise<{ status: number, text: string }> {
  const chunks: Buffer[] = []
  for await (const chunk of message) chunks.push(chunk as Buffer)
  return { status: message.statusCode!, text: Buffer.concat(chunks).toString() }
}

async function jsonOf (message: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of message) {
    size += (chunk as Buffer).length
    if (size > BODY_MAXIMUM) return 'too long'
    chunks.push(chunk as Buffer)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString()) as unknown
  } catch {
    return undefined
  }
}

/** As the engine words its errors. */
function say (outgoing: ServerResponse, status: number, message: string): void {
  outgoing.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ message }))
}
