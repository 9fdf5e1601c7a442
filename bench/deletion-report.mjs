// The table of the deletion cases: ratios first, since only they are a claim; absolute numbers show the scale.

const FIRST = 52
const WIDTH = 15
const cell = (text) => String(text).padEnd(WIDTH)

const show = (value, text) => value === undefined || Number.isNaN(value) ? '-' : text(value)
/** A difference of two starts may be within the noise: nothing is claimed of it then. */
const times = (value) => show(value > 0 && Number.isFinite(value) ? value : undefined, (it) => `${it >= 100 ? Math.round(it) : it.toFixed(it >= 10 ? 1 : 2)} x`)
const seconds = (value) => show(value, (it) => it < 1 ? `${(it * 1000).toFixed(1)} ms` : `${it.toFixed(it < 10 ? 2 : 1)} s`)
const bytes = (value) => show(value, (it) => `${Math.round(it)} B`)
const milliseconds = (value) => show(value, (it) => `${it.toFixed(1)} ms`)

/** @param results one per size: `{ images, collected, gates }` */
export function deletionTable (results) {
  const columns = results.flatMap(({ images, collected, gates }) => gates.map((gate) => ({
    images,
    gate,
    own: collected.find(({ line }) => line === gate.line),
    real: Math.min(...collected.map(({ real }) => real)),
    dry: Math.min(...collected.map(({ dry }) => dry)),
    smallest: results[0].gates.find(({ line }) => line === gate.line)
  })))
  const row = (name, of, aim = '') => `${name.padEnd(FIRST)}${columns.map((column) => cell(of(column))).join('')}${aim}`.trimEnd()
  return ['',
    row('manifests', ({ images }) => images.toLocaleString('en'), 'aim'),
    row('registry', ({ gate }) => gate.line),
    row('collector + freshness', ({ gate }) => `${gate.collector ?? '-'}+${gate.freshness ?? '-'}`),
    '',
    'Ratios, from this run ("faster": of the two versions)',
    row('faster garbage-collect / first tag in a repository', ({ real, gate }) => times(real / gate.single.over), '10,000: at least 100 x'),
    row('faster garbage-collect / next tag in it', ({ real, gate }) => times(real / gate.next.over), '10,000: at least 100 x'),
    row('one tag deleted / the same on the smallest registry', ({ gate, smallest }) => times(gate.single.over / smallest.single.over), 'nearly flat'),
    row('faster --dry-run / start without a saved index', ({ dry, gate }) => times(dry / gate.cold), 'above 1'),
    row('faster --dry-run / start with a saved index', ({ dry, gate }) => times(dry / gate.saved)),
    row('faster --dry-run / index alone, not saved', ({ dry, gate }) => times(dry / (gate.cold - gate.empty))),
    row('faster garbage-collect / each of many, spread', ({ real, gate }) => times(real * gate.count / gate.spread.total)),
    row('faster garbage-collect / each of many, in order', ({ real, gate }) => times(real * gate.count / gate.ordered.total)),
    '',
    'Memory and waiting',
    row('index, for each manifest', ({ gate, images }) => bytes(gate.index?.bytes / (gate.index?.manifests ?? images)), 'under 1,024 B'),
    row('resident memory, for each manifest', ({ gate }) => bytes(gate.residentGrowth)),
    row('longest wait of a claim for a sweep', ({ gate }) => milliseconds(gate.claims.longestWaitMs), 'at most 50 ms'),
    row('slowest HEAD blob of the pushing clients', ({ gate }) => seconds(gate.claims.slowest)),
    '',
    'Scale: absolute numbers, of this machine',
    row('garbage-collect of that version', ({ own }) => seconds(own?.real)),
    row('garbage-collect --dry-run of that version', ({ own }) => seconds(own?.dry)),
    row('start without a saved index', ({ gate }) => seconds(gate.cold)),
    row('start with a saved index', ({ gate }) => seconds(gate.saved)),
    row('start on a registry with one image', ({ gate }) => seconds(gate.empty)),
    row('first tag: blobs gone (median)', ({ gate }) => seconds(gate.single.gone)),
    row('first tag: job done and a push safe (median)', ({ gate }) => seconds(gate.single.over)),
    row('next tag: job done and a push safe (median)', ({ gate }) => seconds(gate.next.over)),
    row('many tags, how many', ({ gate }) => gate.count),
    row('many tags, spread: until the last 202', ({ gate }) => seconds(gate.spread.accepted)),
    row('many tags, spread: all over', ({ gate }) => seconds(gate.spread.total)),
    row('many tags, in order: all over', ({ gate }) => seconds(gate.ordered.total)),
    row('pushes beside deletions', ({ gate }) => gate.claims.pushes)
  ].join('\n')
}
