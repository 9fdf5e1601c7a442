/** Samples over time as lines of a picture. Pure. */
import type { Sample } from '../api/types.js'

export interface Series {
  /** What an SVG polyline takes, for each line. */
  readonly stored: string
  readonly used: string
  readonly trash: string
  /** The largest size in the picture, bytes. */
  readonly maximum: number
}

/** The lines of a picture so wide and high; the lower left corner is the first sample and nothing stored. */
export function seriesOf (samples: readonly Sample[], width: number, height: number): Series {
  const times = samples.map(({ at }) => Date.parse(at))
  const [first = 0, last = 0] = [times[0], times.at(-1)]
  const maximum = Math.max(1, ...samples.map(({ storedBytes, usedBytes }) => Math.max(storedBytes, usedBytes)))
  const x = (at: number): number => last === first ? width : (times[at]! - first) / (last - first) * width
  const line = (size: (sample: Sample) => number): string =>
    samples.map((sample, at) => `${x(at).toFixed(1)},${(height - size(sample) / maximum * height).toFixed(1)}`).join(' ')
  return { stored: line(sample => sample.storedBytes), used: line(sample => sample.usedBytes), trash: line(sample => sample.trashBytes), maximum }
}
