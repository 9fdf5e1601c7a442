/** What every view needs. */
import { createContext } from 'preact'
import { useContext } from 'preact/hooks'
import type { Client } from '../api/client.js'

export interface Services {
  readonly client: Client
  /** Says something to those who do not see it. */
  readonly announce: (text: string) => void
}

export const ServicesContext = createContext<Services | undefined>(undefined)

export function useServices (): Services {
  const services = useContext(ServicesContext)
  if (services === undefined) throw new Error('a view outside of the page')
  return services
}
