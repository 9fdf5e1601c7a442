/** What every command works with: the gate, the output, and the words of the command line that all of them know. */
import type { Command } from 'commander'
import { Catalog } from './catalog.js'
import { Client } from './client.js'
import { Connection } from './connection.js'
import { credentialsFor } from './credentials.js'
import { EXIT, Failure } from './failure.js'
import { Output, type Stream } from './output.js'
import { question, readInput } from './prompt.js'
import { DEFAULT_URL, gateOrigin, splitHost } from './reference.js'

/** Options that every command has. */
export interface CommonOptions {
  readonly url?: string
  readonly user?: string
  readonly passwordStdin?: boolean
  readonly caFile?: string
  readonly insecure?: boolean
  readonly plainHttp?: boolean
  readonly json?: boolean
}

/** What the process has. */
export interface World {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly input: { readonly isTTY?: boolean }
  readonly out: Stream
  readonly err: Stream
  /** Aborts with Ctrl-C. */
  readonly signal: AbortSignal
}

export interface Session {
  readonly client: Client
  readonly catalog: Catalog
  readonly output: Output
  readonly signal: AbortSignal
  /** The arguments without the gate's host. */
  readonly names: readonly string[]
  /** Asks the user for a line; `undefined` where nobody is there to answer. */
  readonly ask: ((text: string) => Promise<string>) | undefined
  /** A command that looks at something at this gate, to be shown: `delgate job 1 --url …`. */
  readonly command: (words: string) => string
}

/** Adds the options that every command has. */
export function withCommonOptions (command: Command): Command {
  return command
    .option('--url <url>', 'the gate; default: DELGATE_URL, or http://127.0.0.1:5000')
    .option('-u, --user <name>', 'who you are; default: as docker login says')
    .option('--password-stdin', 'take the password from standard input')
    .option('--ca-file <file>', 'PEM file of the authority that the gate\'s certificate comes from')
    .option('--insecure', 'take any certificate of the gate')
    .option('--plain-http', 'a host without http:// or https:// speaks http')
    .option('--json', 'print JSON')
}

/**
 * Finds the gate, makes sure that it is one, and does something with it.
 * @param texts arguments that may begin with the gate's host
 * @throws Failure
 */
export async function withSession<T> (options: CommonOptions, texts: readonly string[], world: World, work: (session: Session) => Promise<T>): Promise<T> {
  const { origin, names } = locate(options, texts, world.environment)
  const connection = new Connection({ ...options, signal: world.signal })
  const isAttended = world.input.isTTY === true && world.out.isTTY === true
  const output = new Output(world.out, world.err, world.environment, options.json === true)
  const client = new Client(origin, connection, async () => await credentialsFor(new URL(origin).host, options, {
    environment: world.environment,
    readInput,
    askPassword: world.input.isTTY === true && world.err.isTTY === true ? async text => await question(text, { hidden: true }) : undefined
  }))
  try {
    await client.status()
    return await work({
      client,
      catalog: new Catalog(client),
      output,
      signal: world.signal,
      names,
      ask: isAttended && !output.json ? question : undefined,
      command: words => commandAt(words, options, origin, world.environment)
    })
  } finally {
    output.clear()
    await client.close()
  }
}

/** Which gate, and what the arguments name there. */
function locate ({ url, plainHttp = false, user, passwordStdin }: CommonOptions, texts: readonly string[], environment: World['environment']): { origin: string, names: string[] } {
  if (passwordStdin === true && user === undefined) throw new Failure(EXIT.usage, '--password-stdin needs --user NAME')
  if (user?.includes(':') === true) throw new Failure(EXIT.usage, '--user takes the name alone; the password comes from a prompt, DELGATE_PASSWORD or --password-stdin')
  const named = url ?? (environment['DELGATE_URL'] || undefined)
  const given = named === undefined ? undefined : gateOrigin(named, url === undefined ? 'DELGATE_URL' : '--url', plainHttp)
  const givenHost = given === undefined ? undefined : new URL(given).host
  const located = texts.map(text => splitHost(text, givenHost))
  const hosts = new Set(located.flatMap(({ host }) => host ?? []))
  if (url !== undefined && givenHost !== undefined) hosts.add(givenHost)
  if (hosts.size > 1) throw new Failure(EXIT.usage, `one gate at a time, not ${[...hosts].join(' and ')}`)
  const [host] = hosts
  const origin = host === undefined || host === givenHost ? given ?? DEFAULT_URL : gateOrigin(host, 'the host', plainHttp)
  return { origin, names: located.map(({ rest }) => rest) }
}

function commandAt (words: string, { user, caFile, insecure }: CommonOptions, origin: string, environment: World['environment']): string {
  const flags = [
    ...(origin === (environment['DELGATE_URL'] || DEFAULT_URL).replace(/\/+$/, '') ? [] : [`--url ${origin}`]),
    ...(user === undefined ? [] : [`--user ${user}`]),
    ...(caFile === undefined ? [] : [`--ca-file ${caFile}`]),
    ...(insecure === true ? ['--insecure'] : [])
  ]
  return ['delgate', words, ...flags].join(' ')
}
