/** Globs as all rules of the configuration have them. */
import picomatch from 'picomatch'

/**
 * Whether one of the patterns fits a whole name.
 * @param patterns `*` within a segment of a name, `**` across segments
 */
export function glob (patterns: readonly string[]): (name: string) => boolean {
  const matchers = patterns.map(pattern => picomatch(pattern, { dot: true, nonegate: true }))
  return name => matchers.some(matches => matches(name))
}
