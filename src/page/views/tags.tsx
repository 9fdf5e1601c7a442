/** The tags of a repository, searched and paged. */
import { h, Fragment } from 'preact'
import { useState } from 'preact/hooks'
import { areMeasured, type Tag, type TagPage } from '../../interface/catalog.js'
import { formatBytes, shortDigest } from '../model/format.js'
import { repositoryPath } from '../model/paths.js'
import { searchGlob } from '../model/search.js'
import { useLoad } from '../state/load.js'
import { FIRST_PAGE, nextPage, previousPage, queryOf } from '../state/pages.js'
import { useServices } from '../state/services.js'
import { Ago, Incomplete, Pager, Problem, Share, ShareKey } from './parts.js'
import { Search } from './search.js'

const ROWS = 50
const SOON = 1500

export function TagList ({ name, version, onDelete }: { readonly name: string, readonly version: number, readonly onDelete: (tag: string) => void }) {
  const { client } = useServices()
  const [list, setList] = useState({ ...FIRST_PAGE, typed: '' })
  const query = queryOf({ match: searchGlob(list.typed), n: ROWS, last: list.lasts.at(-1) })
  const { value, problem, reload } = useLoad(async signal => await client.json<TagPage>('GET', `${repositoryPath(name)}/tags${query}`, signal), [name, query, version], page => page.complete && areMeasured(page.tags) ? undefined : SOON)
  return (
    <section aria-labelledby='tags'>
      <h2 id='tags'>Tags</h2>
      <div class='tools'><Search label='Search tags' example='1.*' typed={list.typed} onType={typed => { setList({ ...FIRST_PAGE, typed }) }} /></div>
      <Problem text={problem} onAgain={reload} />
      <Incomplete complete={value?.complete} measured={areMeasured(value?.tags ?? [])} />
      {value === undefined ? <Fragment /> : <Table tags={value.tags} isSearch={list.typed.trim() !== ''} onDelete={onDelete} />}
      <ShareKey own='only this tag' shared='also used by others' />
      <Pager what='tags' onPrevious={list.lasts.length === 0 ? undefined : () => { setList({ ...list, ...previousPage(list) }) }} onNext={value?.next === undefined ? undefined : () => { setList({ ...list, ...nextPage(list, value.next!) }) }} />
    </section>
  )
}

function Table ({ tags, isSearch, onDelete }: { readonly tags: readonly Tag[], readonly isSearch: boolean, readonly onDelete: (tag: string) => void }) {
  if (tags.length === 0) return <p class='empty'>{isSearch ? 'No tag matches.' : 'There are no tags.'}</p>
  const most = Math.max(...tags.map(({ bytes = 0 }) => bytes))
  return (
    <table>
      <thead><tr><th scope='col'>Tag</th><th scope='col' class='wide'>Platforms</th><th scope='col' class='number'>Size</th><th scope='col' class='number wide'>Only this tag</th><th scope='col' class='wide'>Created</th><th scope='col' class='wide'>Pushed</th><th scope='col' class='wide'>Pulled</th><th scope='col'><span class='unseen'>Actions</span></th></tr></thead>
      <tbody>{tags.map(tag => <Row key={tag.tag} tag={tag} most={most} onDelete={onDelete} />)}</tbody>
    </table>
  )
}

function Row ({ tag: { tag, digest, platforms = [], bytes = 0, ownBytes = 0, createdAt, pushedAt, pulledAt, problem }, most, onDelete }: { readonly tag: Tag, readonly most: number, readonly onDelete: (tag: string) => void }) {
  return (
    <tr>
      <th scope='row'>
        {tag}
        {digest === undefined ? <Fragment /> : <code class='digest' title={digest}>{shortDigest(digest)}</code>}
        {problem === undefined ? <Fragment /> : <span class='bad'>{problem}</span>}
        <span class='meta'>{platforms.join(', ')}</span>
        <span class='meta'>only here {formatBytes(ownBytes)}</span>
        <span class='meta'>pushed <Ago at={pushedAt} never='at an unknown time' /></span>
      </th>
      <td class='wide'>{platforms.join(', ')}</td>
      <td class='number'>{formatBytes(bytes)}<Share own={ownBytes} bytes={bytes} most={most} /></td>
      <td class='number wide'>{formatBytes(ownBytes)}</td>
      <td class='wide'><Ago at={createdAt} /></td>
      <td class='wide'><Ago at={pushedAt} /></td>
      <td class='wide'><Ago at={pulledAt} never='never seen' /></td>
      <td class='action'><button type='button' class='quiet danger' aria-label={`Delete tag ${tag}`} onClick={() => { onDelete(tag) }}>Delete…</button></td>
    </tr>
  )
}
