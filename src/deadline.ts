/**
 * Time limits that can also be ended early. Not `AbortSignal.any([AbortSignal.timeout(…), …])`: that holds its sources
 * weakly, and a timeout that nothing else refers to may be collected and then never fires (seen on Node 20).
 */

/**
 * Runs `work` with a signal that aborts when one of `signals` does, or after a time.
 * @param seconds the time; none when left out
 */
export async function withAbort<T> (signals: readonly AbortSignal[], work: (signal: AbortSignal) => Promise<T>, seconds?: number): Promise<T> {
  const controller = new AbortController()
  const abort = (): void => { controller.abort() }
  const timer = seconds === undefined ? undefined : setTimeout(abort, seconds * 1000)
  for (const signal of signals) {
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
  }
  try {
    return await work(controller.signal)
  } finally {
    clearTimeout(timer)
    for (const signal of signals) signal.removeEventListener('abort', abort)
  }
}
