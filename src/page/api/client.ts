/** Requests to Delgate's interface: with the login that the page has, and refusals in words. */
import { refusalWords } from '../model/words.js'
import { parseChallenge } from './challenge.js'
import { NOTHING, takeEvents } from './events.js'
import { Session } from './session.js'
import type { Job } from '../../interface/jobs.js'
import type { ErrorEntry } from './types.js'
import { rehearsalUrl, urlOf } from './url.js'

/** Why a request was not carried out; the message is for people. */
export class Refusal extends Error {
  constructor (readonly status: number, message: string) { super(message) }
}

/** How long to wait after each try that got no answer, milliseconds. */
const PATIENCE = [200, 800]

const UNREACHABLE = 'Delgate cannot be reached. It may be starting, or the network is away.'

export class Client {
  readonly session = new Session(async authorization => {
    const answer = await ask('GET', urlOf('v1/status', document.baseURI), authorization).catch(() => undefined)
    if (answer === undefined) return UNREACHABLE
    if (answer.ok) return undefined
    return answer.status === 401 ? 'User or password is wrong.' : (await refusalOf(answer)).message
  })

  /**
   * Asks, and waits for a login where one is needed.
   * @param path relative to the page: `v1/…` for Delgate's own interface, `../v2/…` for the registry's
   * @throws Refusal
   */
  async json<T> (method: 'GET' | 'POST' | 'DELETE', path: string, signal?: AbortSignal): Promise<T> {
    const answer = await this.#send(method, urlOf(path, document.baseURI), signal)
    return await answer.json() as T
  }

  /**
   * Asks what a DELETE would do.
   * @throws Refusal
   */
  async rehearse<T> (path: string, signal: AbortSignal): Promise<T> {
    const answer = await this.#send('DELETE', rehearsalUrl(path, document.baseURI), signal)
    return await answer.json() as T
  }

  /**
   * Follows a job: tells it as it is now, and at each change, until it has ended.
   * @throws Refusal when the stream breaks off, too
   */
  async follow (id: string, tell: (job: Job) => void, signal: AbortSignal): Promise<void> {
    const answer = await this.#send('GET', urlOf(`v1/jobs/${encodeURIComponent(id)}/events`, document.baseURI), signal)
    const decoder = new TextDecoder()
    const reader = answer.body!.getReader()
    let begun = NOTHING
    for (;;) {
      const { done, value } = await reader.read().catch(() => { throw new Refusal(0, UNREACHABLE) })
      if (done) return
      const { data, rest } = takeEvents(begun, decoder.decode(value, { stream: true }))
      begun = rest
      for (const one of data) tell(JSON.parse(one) as Job)
    }
  }

  async #send (method: string, url: URL, signal: AbortSignal | undefined): Promise<Response> {
    for (let attempt = 1; ; attempt++) {
      const used = this.session.authorization
      const answer = await ask(method, url, used, signal).catch(() => { throw new Refusal(0, UNREACHABLE) })
      if (answer.ok) return answer
      if (answer.status !== 401 || attempt > 2 || !await this.session.refused(parseChallenge(answer.headers.get('www-authenticate')), used)) throw await refusalOf(answer)
    }
  }
}

/** A network that comes and goes, as on a phone or after sleep, breaks requests off: what only reads is asked again. */
async function ask (method: string, url: URL, authorization: string | undefined, signal?: AbortSignal): Promise<Response> {
  for (const wait of method === 'GET' ? PATIENCE : []) {
    const answer = await askOnce(method, url, authorization, signal).catch(() => undefined)
    if (answer !== undefined) return answer
    signal?.throwIfAborted()
    await new Promise(resolve => { setTimeout(resolve, wait) })
  }
  return await askOnce(method, url, authorization, signal)
}

async function askOnce (method: string, url: URL, authorization: string | undefined, signal?: AbortSignal): Promise<Response> {
  return await fetch(url, {
    method,
    // Another site could not send this header without asking first.
    headers: { 'x-requested-with': 'delgate', ...(authorization === undefined ? {} : { authorization }) },
    credentials: 'omit',
    cache: 'no-store',
    ...(signal === undefined ? {} : { signal })
  })
}

async function refusalOf (answer: Response): Promise<Refusal> {
  const body = await answer.json().catch(() => ({})) as { errors?: ErrorEntry[] }
  return new Refusal(answer.status, refusalWords(answer.status, body.errors?.[0], answer.headers.get('retry-after')))
}
