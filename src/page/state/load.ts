/** Something that is asked for, shown while it is there, and asked for again. */
import { useCallback, useEffect, useState } from 'preact/hooks'

export interface Loaded<T> {
  /** What came last; it stays while it is asked for anew. */
  readonly value: T | undefined
  /** What went wrong last time. */
  readonly problem: string | undefined
  /** Whether both are of the present keys; they are of earlier ones until the answer comes. */
  readonly isCurrent: boolean
  readonly reload: () => void
}

/**
 * @param load asks; it is called again when `keys` change
 * @param every how long after an answer to ask again, milliseconds; nothing for never
 */
export function useLoad<T> (load: (signal: AbortSignal) => Promise<T>, keys: readonly unknown[], every?: (value: T) => number | undefined): Loaded<T> {
  const [state, setState] = useState<{ key: string, value?: T, problem?: string }>({ key: '' })
  const [turn, setTurn] = useState(0)
  const key = JSON.stringify(keys)
  useEffect(() => {
    const aborting = new AbortController()
    load(aborting.signal).then(
      value => { if (!aborting.signal.aborted) setState({ key, value }) },
      (error: Error) => { if (!aborting.signal.aborted) setState(before => ({ ...(before.key === key ? before : {}), key, problem: error.message })) }
    )
    return () => { aborting.abort() }
  }, [key, turn])
  const wait = state.value === undefined ? undefined : every?.(state.value)
  useEffect(() => {
    if (wait === undefined) return undefined
    const timer = setTimeout(() => { setTurn(before => before + 1) }, wait)
    return () => { clearTimeout(timer) }
  }, [state, wait])
  const reload = useCallback(() => { setTurn(before => before + 1) }, [])
  return { value: state.value, problem: state.problem, isCurrent: state.key === key, reload }
}
