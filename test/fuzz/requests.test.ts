/**
 * Malformed requests, and such as two servers may read differently, to a gate in front of a real registry: it answers or
 * closes, tells nothing, and nothing is deleted that was only part of a body.
 */
import { join } from 'node:path'
import t from 'tap'
import { push } from '../support/client.js'
import { listing } from '../support/disk.js'
import { SEED, fuzz, must } from '../support/fuzz.js'
import { request } from '../support/http.js'
import { image } from '../support/images.js'
import { startGuarded, type Guarded } from '../support/interleaving.js'
import { oddRequest, pieces } from '../support/odd-request.js'
import { sendRaw, type RawAnswer } from '../support/raw-http.js'
import { eachRegistry } from '../support/tools.js'

/** What nobody may learn of the machine. */
function mustTellNothing ({ text }: RawAnswer, { directory }: Guarded): void {
  must(!text.includes(directory) && !text.includes(process.cwd()) && !/\bat .*\.[jt]s:\d+|node_modules/.test(text), 'it tells too much', text)
}

/** Errors that the gate makes itself have the form of the specification. */
function mustBeCoded ({ text, statuses }: RawAnswer): void {
  const [head = '', rest = ''] = text.split('\r\n\r\n')
  const length = /^content-length: (\d+)/im.exec(head)?.[1]
  if (!(statuses[0]! >= 400) || length === undefined || rest.length < Number(length) || !/^content-type: application\/json/im.test(head)) return
  const said = JSON.parse(Buffer.from(rest.slice(0, Number(length)), 'latin1').toString('utf8')) as { errors?: Array<{ code?: unknown }> }
  must(typeof said.errors?.[0]?.code === 'string', 'no OCI error', text)
}

await eachRegistry(t, 'malformed and smuggled requests', async (t, tool) => {
  const gate = await startGuarded(t, tool)
  const content = await image('victim')
  await push(gate.url, 'victim', 'v1', content)
  const contents = async () => (await listing(join(gate.storage, 'docker'))).filter(({ path }) => !path.includes('/_uploads') && (/victim|blobs/).test(path))
  const before = await contents()
  await fuzz(t, 'requests', { cases: 300, within: 6_000 }, async chance => {
    const bytes = oddRequest(chance)
    const seen = gate.door.log.length
    try {
      const answer = await sendRaw(gate.url, pieces(chance, bytes), { silence: 40, within: 3_000 })
      mustTellNothing(answer, gate)
      mustBeCoded(answer)
      const passed = gate.door.log.slice(seen)
      must(passed.every(({ method, path }) => method !== 'DELETE' || !path.startsWith('/v2/victim')), 'a deletion was smuggled to the registry', passed)
      if (passed.length > 0) return 'reached the registry'
      return answer.statuses.length === 0 ? answer.closed ? 'closed' : 'silent' : 'answered by the gate'
    } catch (error) {
      throw new Error(`${(error as Error).stack}\n${JSON.stringify(bytes.toString('latin1').slice(0, 1500))}`)
    }
  })
  const answer = await request(gate.url, 'GET', '/healthz')
  t.equal(answer.status, 200, `the gate is there after all that, seed ${SEED}`)
  t.same(await contents(), before, 'nothing has disappeared, and nothing has come')
})
