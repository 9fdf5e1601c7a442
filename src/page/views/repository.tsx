/** One repository: its tags, what shares with it, and its deletion. */
import { h, Fragment } from 'preact'
import { useState } from 'preact/hooks'
import type { Repository } from '../../interface/catalog.js'
import type { Shares } from '../api/types.js'
import { count, formatBytes } from '../model/format.js'
import { repositoryPath, type Doomed } from '../model/paths.js'
import { hrefOf } from '../model/route.js'
import { useLoad } from '../state/load.js'
import { useServices } from '../state/services.js'
import { DeleteDialog } from './delete.js'
import { Ago, Fact, Incomplete, Problem, Share, Title } from './parts.js'
import { TagList } from './tags.js'

const SOON = 1500

export function RepositoryView ({ name }: { readonly name: string }) {
  const { client } = useServices()
  const [doomed, setDoomed] = useState<Doomed>()
  const [version, setVersion] = useState(0)
  const { value, problem, reload } = useLoad(async signal => {
    await client.session.about(name)
    return await client.json<Repository>('GET', repositoryPath(name), signal)
  }, [name, version], ({ measured }) => measured ? undefined : SOON)
  return (
    <Fragment>
      <p class='back'><a href={hrefOf({ view: 'repositories' })}>← Repositories</a></p>
      <div class='heading'>
        <Title>{name}</Title>
        {problem !== undefined
          ? <Fragment />
          : (
            <div class='actions'>
              <button type='button' onClick={() => { setDoomed({ type: 'tags', repository: name }) }}>Delete all tags…</button>
              <button type='button' class='danger' onClick={() => { setDoomed({ type: 'repository', repository: name }) }}>Delete repository…</button>
            </div>
            )}
      </div>
      <Problem text={problem} onAgain={reload} />
      {value === undefined || problem !== undefined
        ? <Fragment />
        : (
          <Fragment>
            <Facts repository={value} />
            <TagList name={name} version={version} onDelete={tag => { setDoomed({ type: 'tag', repository: name, tag }) }} />
            <SharesWith name={name} version={version} measured={value.measured} />
          </Fragment>
          )}
      {doomed === undefined ? <Fragment /> : <DeleteDialog doomed={doomed} onClose={changed => { setDoomed(undefined); if (changed) setVersion(version + 1) }} />}
    </Fragment>
  )
}

function Facts ({ repository: { tags, manifests, bytes, ownBytes, pushedAt, pulledAt } }: { readonly repository: Repository }) {
  return (
    <dl class='facts'>
      <Fact name='Size'>{formatBytes(bytes)}</Fact>
      <Fact name='Only here'>{formatBytes(ownBytes)}</Fact>
      <Fact name='Holds'>{count(tags, 'tag')}, {count(manifests, 'manifest')}</Fact>
      <Fact name='Pushed'><Ago at={pushedAt} /></Fact>
      <Fact name='Pulled'><Ago at={pulledAt} never='never seen' /></Fact>
    </dl>
  )
}

/** @param measured whether all sizes are known: once they are, it is asked again */
function SharesWith ({ name, version, measured }: { readonly name: string, readonly version: number, readonly measured: boolean }) {
  const { client } = useServices()
  const { value, problem, reload } = useLoad(async signal => await client.json<Shares & { complete?: boolean }>('GET', `${repositoryPath(name)}/shares`, signal), [name, version, measured], ({ complete }) => complete === false ? SOON : undefined)
  const most = Math.max(1, ...value?.with.map(({ bytes }) => bytes) ?? [])
  return (
    <section aria-labelledby='shares'>
      <h2 id='shares'>Shares layers with</h2>
      <Problem text={problem} onAgain={reload} />
      <Incomplete complete={value?.complete} />
      {value?.with.length === 0 ? <p class='empty'>No other repository that you may see is known to use what is stored here.</p> : <Fragment />}
      <ul class='bars'>
        {value?.with.map(({ repository, bytes }) => <li key={repository}><a href={hrefOf({ view: 'repository', name: repository })}>{repository}</a><span class='number'>{formatBytes(bytes)}</span><Share own={0} bytes={bytes} most={most} /></li>)}
      </ul>
    </section>
  )
}
