/**
 * Users of Delgate's own: a file as Apache's htpasswd writes it, bcrypt only (as the registry's own htpasswd). It is read
 * again when it has changed. Passwords are compared one after the other, and only so many wait for that.
 */
import { createHmac, randomBytes } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { SetupError } from '../setup-error.js'
import { Comparer } from './comparer.js'
import { networkOf } from '../network.js'
import { Turns } from './turns.js'
import { basicOf } from './user.js'

/** Credentials, and where they come from. */
export interface Attempt {
  readonly authorization?: string | undefined
  readonly address: string
  /**
   * Counts it as wrong, just before it is looked at.
   * @returns takes that back: it was right
   * @throws CodedError when too many were wrong already
   */
  readonly count: () => () => void
}

/** How long a right password counts without being hashed again, milliseconds. */
const REMEMBER_MS = 60_000
const REMEMBERED_MAXIMUM = 1_000
/** Requests whose passwords wait to be compared; a browser's own few at once have the same one, and wait together. */
const TURNS = { each: 8, all: 64, seconds: 10 }
/** What bcrypt may cost, as the power of two of its rounds: what `htpasswd -C` takes (htpasswd(1), Apache 2.4). More would take minutes. */
const COSTS = { lowest: 4, highest: 17 }
/** Cost of a comparison for nobody where there are no users: the default of most programs. */
const USUAL_COST = 10

export class Htpasswd {
  readonly #key = randomBytes(32)
  readonly #right = new Map<string, number>()
  readonly #turns = new Turns(TURNS)
  readonly #comparer = new Comparer()
  /** Comparisons that wait or run, by network and credentials. */
  readonly #running = new Map<string, Promise<boolean>>()
  #hashes: ReadonlyMap<string, string> = new Map()
  #nobody = nobody([])
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

  /**
   * @returns the user whose password is right
   * @throws CodedError 429 or 503 when too many passwords wait to be compared, or what `count` throws
   */
  async verify ({ authorization, address, count }: Attempt): Promise<string | undefined> {
    if (authorization === undefined) return undefined
    const credentials = basicOf(authorization)
    if (credentials === undefined) {
      count()
      return undefined
    }
    await this.#read().catch(this.onProblem)
    const { user, password } = credentials
    const hash = this.#hashes.get(user)
    const known = createHmac('sha256', this.#key).update(JSON.stringify([user, password, hash])).digest('base64')
    if (this.#isRemembered(known)) return user
    const network = networkOf(address)
    return await this.#together(`${network} ${known}`, async () => await this.#turns.take(network, async () => await this.#compare(password, hash, known, count))) ? user : undefined
  }

  /** Those that ask the same at the same time have one answer. */
  async #together (key: string, ask: () => Promise<boolean>): Promise<boolean> {
    const running = this.#running.get(key) ?? ask().finally(() => { this.#running.delete(key) })
    this.#running.set(key, running)
    return await running
  }

  async #compare (password: string, hash: string | undefined, known: string, count: Attempt['count']): Promise<boolean> {
    if (this.#isRemembered(known)) return true
    const takeBack = count()
    const isSame = await this.#comparer.compare(password, hash ?? this.#nobody).catch((error: unknown) => {
      takeBack()
      throw error
    })
    // What bcrypt would not look at (beyond 72 bytes) must not be ignored.
    if (hash === undefined || !isSame || Buffer.byteLength(password) > 72) return false
    takeBack()
    if (this.#right.size >= REMEMBERED_MAXIMUM) this.#right.delete(this.#right.keys().next().value!)
    this.#right.set(known, Date.now())
    return true
  }

  #isRemembered (known: string): boolean { return Date.now() - (this.#right.get(known) ?? -Infinity) < REMEMBER_MS }

  async #read (): Promise<void> {
    const { mtimeMs, ino, size } = await stat(this.file).catch(error => { throw unreadable(this.file, error) })
    const stamp = `${ino} ${mtimeMs} ${size}`
    if (stamp === this.#stamp) return
    this.#hashes = parse(await readFile(this.file, 'utf8').catch(error => { throw unreadable(this.file, error) }), this.file)
    this.#nobody = nobody([...this.#hashes.values()])
    this.#stamp = stamp
  }
}

const unreadable = (file: string, error: unknown): SetupError => new SetupError(`access.htpasswd: ${file} cannot be read: ${(error as Error).message}`)

const costOf = (hash: string): number => Number(hash.slice(4, 6))

/**
 * Compared with where there is no such user: it takes as long as the dearest of the users does, so that the time does not
 * tell. Nobody knows a password of it, nor would it count.
 */
function nobody (hashes: readonly string[]): string {
  const cost = hashes.length === 0 ? USUAL_COST : Math.max(...hashes.map(costOf))
  return `$2b$${String(cost).padStart(2, '0')}$${randomBytes(27).toString('hex').slice(1)}`
}

function parse (text: string, file: string): ReadonlyMap<string, string> {
  const hashes = new Map<string, string>()
  for (const [at, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue
    const [, user, hash] = /^([^:]+):(\$2[aby]\$\d\d\$[./A-Za-z0-9]{53})$/.exec(line.trim()) ?? []
    if (user === undefined || hash === undefined || costOf(hash) < COSTS.lowest || costOf(hash) > COSTS.highest) throw new SetupError(`access.htpasswd: ${file}, line ${at + 1} is not "user:bcrypt hash" with a cost of ${COSTS.lowest} to ${COSTS.highest}; make it with: htpasswd -B -b FILE USER PASSWORD`)
    hashes.set(user, hash)
  }
  return hashes
}
