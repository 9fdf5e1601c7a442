/** Who the user is: what the command line says, else what `docker login` has left. */
import { dockerCredentials, type Credentials } from './docker-config.js'
import { EXIT, Failure } from './failure.js'

export interface CredentialOptions {
  readonly user?: string | undefined
  readonly passwordStdin?: boolean | undefined
}

export interface CredentialSources {
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Reads standard input to its end. */
  readonly readInput: () => Promise<string>
  /** Asks the user; `undefined` where there is no terminal. */
  readonly askPassword: ((question: string) => Promise<string>) | undefined
}

/**
 * @param host the gate, with its port
 * @returns `undefined` for nobody: the gate then decides as for a stranger
 * @throws Failure when a name is given and there is no password for it
 */
export async function credentialsFor (host: string, { user, passwordStdin }: CredentialOptions, { environment, readInput, askPassword }: CredentialSources): Promise<Credentials | undefined> {
  if (user === undefined) return await dockerCredentials(host, environment)
  const given = environment['DELGATE_PASSWORD']
  if (passwordStdin === true) return { kind: 'password', user, password: (await readInput()).replace(/\r?\n$/, '') }
  if (given !== undefined && given !== '') return { kind: 'password', user, password: given }
  if (askPassword === undefined) throw new Failure(EXIT.usage, `no password for ${user}: there is no terminal to ask at; use --password-stdin or DELGATE_PASSWORD`)
  return { kind: 'password', user, password: await askPassword(`Password of ${user} at ${host}: `) }
}
