// Medians, ratios, and the table.

export function median (numbers) {
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

const WIDTHS = [36, 16, 17, 16, 20]
const row = (cells) => cells.map((cell, index) => String(cell).padEnd(WIDTHS[index] ?? 0)).join('').trimEnd()
const ratio = (value) => Number.isFinite(value) ? value.toFixed(2) : '–'

export const heading = row(['', 'Delgate/nginx', 'Delgate/direct', 'nginx/direct', 'CPU nginx/Delgate', 'raw: direct, nginx, Delgate'])

/** One line of the table. @param results by target's name, the measurements in order */
export function line (name, unit, results) {
  const of = (target, key) => results.has(target) ? median(results.get(target).map((one) => one[key])) : NaN
  const [direct, nginx, delgate] = ['direct', 'nginx', 'Delgate'].map((target) => of(target, 'rate'))
  const raw = [direct, nginx, delgate].filter(Number.isFinite).map((value) => Math.round(value)).join(', ')
  return row([name, ratio(delgate / nginx), ratio(delgate / direct), ratio(nginx / direct), ratio(of('nginx', 'cpu') / of('Delgate', 'cpu')), `${raw} ${unit}`])
}
