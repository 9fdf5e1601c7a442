/** All repositories, searched, sorted and paged. */
import { h, Fragment } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { areMeasured, type RepositoryPage, type Repository } from '../../interface/catalog.js'
import { count, formatBytes } from '../model/format.js'
import { hrefOf } from '../model/route.js'
import { searchGlob } from '../model/search.js'
import { useLoad } from '../state/load.js'
import { FIRST_PAGE, nextPage, previousPage, queryOf, type Pages } from '../state/pages.js'
import { useServices } from '../state/services.js'
import { Ago, Incomplete, Pager, Problem, Share, ShareKey, Title } from './parts.js'
import { Search } from './search.js'

export interface ListState extends Pages {
  readonly typed: string
  readonly sort: 'name' | 'bytes'
}

export const FIRST_LIST: ListState = { ...FIRST_PAGE, typed: '', sort: 'name' }

/** Rows of one page. */
const ROWS = 50
/** How soon to look again while Delgate still reads or measures what is stored, milliseconds. */
const SOON = 1500

export function RepositoriesView ({ list, onList }: { readonly list: ListState, readonly onList: (list: ListState) => void }) {
  const { client, announce } = useServices()
  const { typed, sort, lasts } = list
  const query = queryOf({ match: searchGlob(typed.toLowerCase()), n: ROWS, sort, last: lasts.at(-1) })
  const { value, problem, reload } = useLoad(async signal => await client.json<RepositoryPage>('GET', `v1/repositories${query}`, signal), [query], page => page.complete && areMeasured(page.repositories) ? undefined : SOON)
  const [searched, setSearched] = useState(false)
  useEffect(() => { if (searched && value !== undefined) announce(`${count(value.repositories.length, 'repository', 'repositories')} shown`) }, [value])
  return (
    <Fragment>
      <Title>Repositories</Title>
      <div class='tools'>
        <Search label='Search repositories' example='team/**' typed={typed} onType={text => { setSearched(true); onList({ ...FIRST_PAGE, typed: text, sort }) }} />
        <label class='inline'>Sort by<select value={sort} onChange={event => { onList({ ...FIRST_PAGE, typed, sort: event.currentTarget.value as ListState['sort'] }) }}><option value='name'>name</option><option value='bytes'>size</option></select></label>
      </div>
      <Problem text={problem} onAgain={reload} />
      <Incomplete complete={value?.complete} measured={areMeasured(value?.repositories ?? [])} />
      {value === undefined ? <Fragment /> : <Table repositories={value.repositories} isSearch={typed.trim() !== ''} isMore={lasts.length > 0} />}
      <ShareKey own='only here' shared='shared with other repositories' />
      <Pager what='repositories' onPrevious={lasts.length === 0 ? undefined : () => { onList({ ...list, ...previousPage(list) }) }} onNext={value?.next === undefined ? undefined : () => { onList({ ...list, ...nextPage(list, value.next!) }) }} />
    </Fragment>
  )
}

function Table ({ repositories, isSearch, isMore }: { readonly repositories: readonly Repository[], readonly isSearch: boolean, readonly isMore: boolean }) {
  if (repositories.length === 0) return <p class='empty'>{isSearch ? 'No repository matches.' : isMore ? 'There are no more.' : 'There is no repository in which you could delete.'}</p>
  const most = Math.max(...repositories.map(({ bytes }) => bytes))
  return (
    <table>
      <thead><tr><th scope='col'>Repository</th><th scope='col' class='number wide'>Tags</th><th scope='col' class='number'>Size</th><th scope='col' class='number wide'>Only here</th><th scope='col' class='wide'>Pushed</th><th scope='col' class='wide'>Pulled</th></tr></thead>
      <tbody>
        {repositories.map(({ name, tags, bytes, ownBytes, pushedAt, pulledAt }) => (
          <tr key={name}>
            <th scope='row'><a href={hrefOf({ view: 'repository', name })}>{name}</a><span class='meta'>{count(tags, 'tag')}, {formatBytes(ownBytes)} only here, pushed <Ago at={pushedAt} never='at an unknown time' /></span></th>
            <td class='number wide'>{tags.toLocaleString('en')}</td>
            <td class='number'>{formatBytes(bytes)}<Share own={ownBytes} bytes={bytes} most={most} /></td>
            <td class='number wide'>{formatBytes(ownBytes)}</td>
            <td class='wide'><Ago at={pushedAt} /></td>
            <td class='wide'><Ago at={pulledAt} never='never seen' /></td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
