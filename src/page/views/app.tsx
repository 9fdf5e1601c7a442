/** The frame: who is logged in, where one can go, and the view that the address names. */
import { h, Fragment, type ComponentChild } from 'preact'
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { Client } from '../api/client.js'
import { hrefOf, type Route } from '../model/route.js'
import { useRoute } from '../state/route.js'
import { ServicesContext } from '../state/services.js'
import { DiskView } from './disk.js'
import { JobView } from './job.js'
import { JobsView } from './jobs.js'
import { Login } from './login.js'
import { FIRST_LIST, RepositoriesView, type ListState } from './repositories.js'
import { RepositoryView } from './repository.js'
import { TrashView } from './trash.js'

const PLACES: ReadonlyArray<readonly [view: 'repositories' | 'jobs' | 'trash' | 'disk', title: string]> =
  [['repositories', 'Repositories'], ['jobs', 'Jobs'], ['trash', 'Trash'], ['disk', 'Disk']]

export function App () {
  const route = useRoute()
  const [client] = useState(() => new Client())
  const [session, setSession] = useState(client.session.state)
  useEffect(() => client.session.subscribe(setSession), [client])
  const [said, setSaid] = useState('')
  const announce = useCallback((text: string) => { setSaid(text) }, [])
  const services = useMemo(() => ({ client, announce }), [client, announce])
  const main = useRef<HTMLElement>(null)
  useArrival(route, main)
  return (
    <ServicesContext.Provider value={services}>
      <a class='skip' href='#main' onClick={event => { event.preventDefault(); main.current?.focus() }}>Skip to the content</a>
      <header class='top'>
        <div class='top-inner'>
          <a class='brand' href={hrefOf({ view: 'repositories' })}><img src={new URL('../icon.svg', import.meta.url).href} alt='' width='24' height='24' />Delgate</a>
          <nav aria-label='Delgate'><ul>{PLACES.map(([view, title]) => <li key={view}><a href={hrefOf({ view })} aria-current={isIn(route, view) ? 'page' : undefined}>{title}</a></li>)}</ul></nav>
          {session.user === undefined ? <Fragment /> : <div class='who'><span class='name'>{session.user}</span><button type='button' class='quiet' onClick={() => { location.reload() }}>Log out</button></div>}
        </div>
      </header>
      <main id='main' ref={main} tabIndex={-1}><View route={route} /></main>
      <div class='unseen' role='status' aria-live='polite'>{said}</div>
      {session.wanted === undefined ? <Fragment /> : <Login session={client.session} wanted={session.wanted} />}
    </ServicesContext.Provider>
  )
}

function View ({ route }: { readonly route: Route }): ComponentChild {
  // Kept here, so that whoever comes back to the list finds it as it was.
  const [list, setList] = useState<ListState>(FIRST_LIST)
  switch (route.view) {
    case 'repositories': return <RepositoriesView list={list} onList={setList} />
    case 'repository': return <RepositoryView key={route.name} name={route.name} />
    case 'jobs': return <JobsView />
    case 'job': return <JobView key={route.id} id={route.id} />
    case 'trash': return <TrashView />
    case 'disk': return <DiskView />
  }
}

/** Whoever goes somewhere else begins to read there. */
function useArrival (route: Route, main: { readonly current: HTMLElement | null }): void {
  const before = useRef<string | undefined>(undefined)
  const place = hrefOf(route)
  useEffect(() => {
    document.title = `${titleOf(route)} – Delgate`
    if (before.current !== undefined && before.current !== place) {
      scrollTo(0, 0)
      main.current?.querySelector<HTMLElement>('h1')?.focus()
    }
    before.current = place
  }, [place])
}

function titleOf (route: Route): string {
  if (route.view === 'repository') return route.name
  if (route.view === 'job') return 'Job'
  return PLACES.find(([view]) => view === route.view)![1]
}

const isIn = ({ view }: Route, place: string): boolean =>
  view === place || (view === 'repository' && place === 'repositories') || (view === 'job' && place === 'jobs')
