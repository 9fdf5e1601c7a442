/** Disk use over time: a picture, and its numbers for those who do not see it. */
import { h, Fragment } from 'preact'
import type { Sample } from '../api/types.js'
import { formatBytes } from '../model/format.js'
import { seriesOf } from '../model/series.js'
import { useLoad } from '../state/load.js'
import { useServices } from '../state/services.js'
import { Problem } from './parts.js'

const WIDTH = 600
const HEIGHT = 160
/** Rows of the table below. */
const ROWS = 30

export function History () {
  const { client } = useServices()
  const { value, problem, reload } = useLoad(async signal => await client.json<{ samples: Sample[] }>('GET', 'v1/usage/history', signal), [])
  const samples = value?.samples ?? []
  return (
    <section aria-labelledby='history'>
      <h2 id='history'>Over time</h2>
      <Problem text={problem} onAgain={reload} />
      {value !== undefined && samples.length < 2 ? <p class='empty'>Delgate notes once an hour what is stored; the picture begins with the second time.</p> : <Fragment />}
      {samples.length < 2 ? <Fragment /> : <Chart samples={samples} />}
    </section>
  )
}

function Chart ({ samples }: { readonly samples: readonly Sample[] }) {
  const { stored, used, trash, maximum } = seriesOf(samples, WIDTH, HEIGHT)
  const day = (at: string): string => new Date(at).toLocaleDateString(undefined, { day: 'numeric', month: 'short' })
  const last = samples.at(-1)!
  return (
    <Fragment>
      <figure>
        <svg class='chart' viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio='none' role='img' aria-label={`Stored: ${formatBytes(samples[0]!.storedBytes)} on ${day(samples[0]!.at)}, ${formatBytes(last.storedBytes)} on ${day(last.at)}; at most ${formatBytes(maximum)}`}>
          <polygon class='area-stored' points={`0,${HEIGHT} ${stored} ${WIDTH},${HEIGHT}`} />
          <polyline class='line-stored' points={stored} />
          <polyline class='line-used' points={used} />
          <polyline class='line-trash' points={trash} />
        </svg>
        <figcaption><span>{day(samples[0]!.at)}</span><span>at most {formatBytes(maximum)}</span><span>{day(last.at)}</span></figcaption>
      </figure>
      <ul class='legend'><li><span class='line-key stored' />stored</li><li><span class='line-key used' />used</li><li><span class='line-key trash' />in the trash</li></ul>
      <details>
        <summary>The last numbers</summary>
        <table><thead><tr><th scope='col'>When</th><th scope='col' class='number'>Stored</th><th scope='col' class='number'>Used</th><th scope='col' class='number'>Trash</th></tr></thead>
          <tbody>{samples.slice(-ROWS).reverse().map(({ at, storedBytes, usedBytes, trashBytes }) => <tr key={at}><th scope='row'>{new Date(at).toLocaleString()}</th><td class='number'>{formatBytes(storedBytes)}</td><td class='number'>{formatBytes(usedBytes)}</td><td class='number'>{formatBytes(trashBytes)}</td></tr>)}</tbody>
        </table>
      </details>
    </Fragment>
  )
}
