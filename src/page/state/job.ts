/** A job as it goes on: read from its events, and taken up again when the connection breaks. */
import { useEffect, useState } from 'preact/hooks'
import type { Job } from '../../interface/jobs.js'
import { Refusal } from '../api/client.js'
import { hasEnded } from '../../interface/jobs.js'
import { useServices } from './services.js'

/** How long to wait before asking again, milliseconds. */
const AGAIN = 1500

export interface Followed {
  readonly job: Job | undefined
  readonly problem: string | undefined
}

/** @param version another number follows it anew */
export function useJob (id: string, version = 0): Followed {
  const { client } = useServices()
  const [state, setState] = useState<Followed>({ job: undefined, problem: undefined })
  useEffect(() => {
    const aborting = new AbortController()
    const { signal } = aborting
    let last: Job | undefined
    const tell = (job: Job): void => {
      last = job
      if (!signal.aborted) setState({ job, problem: undefined })
    }
    const run = async (): Promise<void> => {
      for (;;) {
        try {
          await client.follow(id, tell, signal)
        } catch (error) {
          if (signal.aborted) return
          setState({ job: last, problem: (error as Error).message })
          // What is not a broken connection will not be better next time.
          if (error instanceof Refusal && error.status !== 0 && error.status < 500) return
        }
        if (last !== undefined && hasEnded(last)) return
        await new Promise(resolve => { setTimeout(resolve, AGAIN) })
        if (signal.aborted) return
      }
    }
    void run()
    return () => { aborting.abort() }
  }, [id, version])
  return state
}
