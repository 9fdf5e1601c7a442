/** What `/metrics` says, read as Prometheus reads it. */
import { expectStatus, request, type RequestOptions } from './http.js'

export interface Scraped {
  readonly text: string
  /** Type of each metric that is served, by name, also of those without a sample yet. */
  readonly types: ReadonlyMap<string, string>
  readonly samples: ReadonlyArray<{ readonly name: string, readonly labels: Readonly<Record<string, string>>, readonly value: number }>
  /** The sample with these labels, whatever others it has; 0 when there is none. Several are added up. */
  value (name: string, labels?: Readonly<Record<string, string>>): number
}

export async function scrape (base: string, options: RequestOptions = {}): Promise<Scraped> {
  return parse(expectStatus(await request(base, 'GET', '/metrics', options), 200, 'GET /metrics').body.toString('utf8'))
}

/** Reads the text format; throws on a line that does not belong there. */
export function parse (text: string): Scraped {
  const types = new Map<string, string>()
  const samples: Array<Scraped['samples'][number]> = []
  for (const line of text.split('\n').filter(line => line !== '')) {
    const type = /^# TYPE (\S+) (counter|gauge|histogram|summary)$/.exec(line)
    const sample = /^([a-z_:][\w:]*)(?:\{(.*)\})? (-?[\d.e+-]+|NaN|[+-]Inf)$/i.exec(line)
    if (type !== null) types.set(type[1]!, type[2]!)
    else if (sample !== null) samples.push({ name: sample[1]!, labels: labelsOf(sample[2] ?? ''), value: Number(sample[3]) })
    else if (!line.startsWith('# HELP ')) throw new Error(`not a line of the text format: ${line}`)
  }
  const value = (name: string, labels: Readonly<Record<string, string>> = {}): number => samples
    .filter(sample => sample.name === name && Object.entries(labels).every(([label, wanted]) => sample.labels[label] === wanted))
    .reduce((sum, { value }) => sum + value, 0)
  return { text, types, samples, value }
}

const labelsOf = (text: string): Record<string, string> => Object.fromEntries([...text.matchAll(/(\w+)="([^"]*)"/g)].map(([, label, value]) => [label!, value!]))
