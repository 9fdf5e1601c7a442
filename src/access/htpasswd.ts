/**
 * Users of Delgate's own: a file as Apache's htpasswd writes it, bcrypt only (as the registry's own htpasswd). It is read
 * again when it has changed.
 */
import { createHmac, randomBytes } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import bcrypt from 'bcryptjs'
import { SetupError } from '../setup-error.js'
import { basicOf } from './user.js'

/** How long a right password counts without being hashed again, milliseconds. */
const REMEMBER_MS = 60_000
const REMEMBERED_MAXIMUM = 1_000
/** Compared with where there is no such user, so that the time does not tell; of a password that nobody knows. */
const NOBODY = bcrypt.hashSync(randomBytes(16).toString('hex'), 10)

export class Htpasswd {
  readonly #key = randomBytes(32)
  readonly #right = new Map<string, number>()
  #hashes: ReadonlyMap<string, string> = new Map()
  #stamp = ''

  private constructor (private readonly file: string, private readonly onProblem: (error: unknown) => void) {}

  /**
   * @param onProblem told when the file cannot be read later; what was read last holds then
   * @throws SetupError when it cannot be read now, or has a line that is no user
   */
  static async open (file: string, onProblem: (error: unknown) => void): Promise<Htpasswd> {
    const htpasswd = new Htpasswd(file, onProblem)
    await htpasswd.#read()
    return htpasswd
  }

  /** @returns the user whose password is right */
  async verify (authorization: string | undefined): Promise<string | undefined> {
    const credentials = basicOf(authorization)
    if (credentials === undefined) return undefined
    await this.#read().catch(this.onProblem)
    const { user, password } = credentials
    const hash = this.#hashes.get(user)
    const known = createHmac('sha256', this.#key).update(JSON.stringify([user, password, hash])).digest('base64')
    if (hash !== undefined && Date.now() - (this.#right.get(known) ?? -Infinity) < REMEMBER_MS) return user
    // What bcrypt would not look at (beyond 72 bytes) must not be ignored.
    const isRight = await bcrypt.compare(password, hash ?? NOBODY) && Buffer.byteLength(password) <= 72
    if (hash === undefined || !isRight) return undefined
    if (this.#right.size >= REMEMBERED_MAXIMUM) this.#right.delete(this.#right.keys().next().value!)
    this.#right.set(known, Date.now())
    return user
  }

  async #read (): Promise<void> {
    const { mtimeMs, ino, size } = await stat(this.file).catch(error => { throw unreadable(this.file, error) })
    const stamp = `${ino} ${mtimeMs} ${size}`
    if (stamp === this.#stamp) return
    this.#hashes = parse(await readFile(this.file, 'utf8').catch(error => { throw unreadable(this.file, error) }), this.file)
    this.#stamp = stamp
  }
}

const unreadable = (file: string, error: unknown): SetupError => new SetupError(`access.htpasswd: ${file} cannot be read: ${(error as Error).message}`)

function parse (text: string, file: string): ReadonlyMap<string, string> {
  const hashes = new Map<string, string>()
  for (const [at, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue
    const [, user, hash] = /^([^:]+):(\$2[aby]\$\d\d\$[./A-Za-z0-9]{53})$/.exec(line.trim()) ?? []
    if (user === undefined || hash === undefined) throw new SetupError(`access.htpasswd: ${file}, line ${at + 1} is not "user:bcrypt hash"; make it with: htpasswd -B -b FILE USER PASSWORD`)
    hashes.set(user, hash)
  }
  return hashes
}
