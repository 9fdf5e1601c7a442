/** Time limits that can be ended early. */
import t from 'tap'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { setTimeout as delay } from 'node:timers/promises'
import { withAbort } from '../../src/deadline.js'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const aborted = async (signal: AbortSignal): Promise<string> => await new Promise(resolve => { signal.addEventListener('abort', () => { resolve('aborted') }, { once: true }) })

t.test('the time ends it, also when memory was collected meanwhile', async t => {
  const ended = withAbort([new AbortController().signal], aborted, 0.3)
  await delay(10)
  collectGarbage()
  t.equal(await Promise.race([ended, delay(5000, 'never', { ref: false })]), 'aborted')
})

t.test('any of the signals ends it; one that has aborted already does so at once', async t => {
  const early = new AbortController()
  const ended = withAbort([new AbortController().signal, early.signal], aborted)
  early.abort()
  t.equal(await ended, 'aborted')
  t.equal(await withAbort([early.signal], async signal => signal.aborted), true)
})

t.test('what was not ended gives its result, and leaves nothing behind', async t => {
  const outer = new AbortController()
  let inner: AbortSignal | undefined
  t.equal(await withAbort([outer.signal], async signal => { inner = signal; return 'done' }, 60), 'done')
  outer.abort()
  t.equal(inner?.aborted, false)
  await t.rejects(withAbort([], async () => { throw new Error('failed') }, 60), { message: 'failed' })
})
