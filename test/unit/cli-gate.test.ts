/** How the client reads what a gate sends over time. */
import t from 'tap'
import { EventStream } from '../../src/cli/event-stream.js'
import { Failure } from '../../src/cli/failure.js'
import { waitForIndex } from '../../src/cli/removal/wait-for-index.js'

t.test('server-sent events, wherever they are cut', t => {
  const text = ': hello\n\ndata: {"a":1}\n\n\ndata: x\ndata: y\n\nevent: e\ndata:z\n\ndata: not ended\n'
  const whole = new EventStream().add(text)
  t.same(whole, ['', '{"a":1}', 'x\ny', 'z'])
  for (let first = 0; first <= text.length; first++) {
    for (let second = first; second <= text.length; second++) {
      const stream = new EventStream()
      const read = [text.slice(0, first), text.slice(first, second), text.slice(second)].flatMap(piece => stream.add(piece))
      if (JSON.stringify(read) !== JSON.stringify(whole)) t.fail(`cut at ${first} and ${second}: ${JSON.stringify(read)}`)
    }
  }
  t.end()
})

t.test('a large event costs what its length says, however small its pieces are', t => {
  const stream = new EventStream()
  const piece = 'x'.repeat(1000)
  const begun = performance.now()
  stream.add('data: ')
  for (let at = 0; at < 4_000; at++) stream.add(piece)
  const [data] = stream.add('\n\n')
  t.equal(data?.length, 4_000_000)
  t.ok(performance.now() - begun < 3_000, `${Math.round(performance.now() - begun)} ms`)
  t.end()
})

t.test('a gate that goes on reading is not waited for without end', async t => {
  const client = { json: async () => ({ index: { complete: false, repositories: 1 } }) }
  const session = { client, output: { progress: () => {} }, signal: new AbortController().signal } as unknown as Parameters<typeof waitForIndex>[0]
  const error = await waitForIndex(session, 100).then(() => undefined, (reason: unknown) => reason)
  t.ok(error instanceof Failure)
  t.equal((error as Failure).exitCode, 5)
})
