/** config/grafana-dashboard.json, config/prometheus-alerts.yml and docs/metrics.md against what `/metrics` really serves. */
import { execFileSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { parser } from '@prometheus-io/lezer-promql'
import t from 'tap'
import { parse } from 'yaml'
import { startGate } from '../support/delgate.js'
import { scrape, type Scraped } from '../support/metrics.js'
import { eachRegistry } from '../support/tools.js'

interface Expression { readonly where: string, readonly text: string }
interface Selector { readonly metric: string, readonly matchers: ReadonlyArray<{ readonly label: string, readonly operator: string, readonly value: string }> }
interface Panel { readonly id: number, readonly type: string, readonly title: string, readonly targets?: ReadonlyArray<{ readonly expr: string }> }
interface Rule { readonly alert: string, readonly expr: string, readonly labels: { readonly severity: string }, readonly annotations: { readonly summary: string } }

const file = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url))
const ALERTS = file('config/prometheus-alerts.yml')
const { panels } = JSON.parse(await readFile(file('config/grafana-dashboard.json'), 'utf8')) as { panels: Panel[] }
const { groups } = parse(await readFile(ALERTS, 'utf8')) as { groups: Array<{ rules: Rule[] }> }
const rules = groups.flatMap(({ rules }) => rules)

/** Grafana puts a length of time there. */
const filledIn = (expr: string): string => expr.replaceAll('$__rate_interval', '5m')
const expressions: Expression[] = [
  ...panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ where: `panel ${title}`, text: filledIn(expr) }))),
  ...rules.map(({ alert, expr }) => ({ where: `alert ${alert}`, text: expr }))
]

/** Labels that Prometheus or Grafana adds. */
const ADDED = ['job', 'instance', 'le']
/** What Prometheus notes of each scrape. */
const SYNTHETIC = ['up']
/** Their values are those of requests that have been made. */
const OF_REQUESTS = ['code', 'route']

/** What an expression selects, and the labels that it groups by. */
function read ({ where, text }: Expression): { selectors: Selector[], groupings: string[] } {
  const selectors: Array<{ metric: string, matchers: Array<Selector['matchers'][number]> }> = []
  const groupings: string[] = []
  parser.parse(text).iterate({
    enter: ({ name, type, from, to, node }) => {
      if (type.isError) throw new Error(`${where}: not PromQL at ${from}: ${text}`)
      const said = text.slice(from, to)
      if (name === 'VectorSelector') selectors.push({ metric: text.slice(node.firstChild!.from, node.firstChild!.to), matchers: [] })
      if (name === 'LabelName' && node.parent?.name === 'GroupingLabels') groupings.push(said)
      const matcher = name === 'UnquotedLabelMatcher' ? /^(\w+)\s*(=~|!~|!=|=)\s*"(.*)"$/.exec(said) : undefined
      if (matcher != null) selectors.at(-1)!.matchers.push({ label: matcher[1]!, operator: matcher[2]!, value: matcher[3]! })
    }
  })
  return { selectors, groupings }
}

/** The name under which a metric's type is served. */
const familyOf = (metric: string, { types }: Scraped): string => {
  const base = metric.replace(/_(?:bucket|sum|count)$/, '')
  return types.get(base) === 'histogram' && base !== metric ? base : metric
}

await eachRegistry(t, 'every metric, label and value that they name is served, and every metric is described', async (t, tool) => {
  const endpoints = [{ name: 'scanner', url: 'http://127.0.0.1:9/', header: 'Authorization', timeoutSeconds: 1 }]
  const gate = await startGate(t, tool, { settings: { notifications: { endpoints } } })
  await scrape(gate.url)
  const served = await scrape(gate.url)
  const labelsOf = (metric: string): Set<string> => new Set(served.samples.filter(({ name }) => name === metric).flatMap(({ labels }) => Object.keys(labels)))

  for (const expression of expressions) {
    const { selectors, groupings } = read(expression)
    t.ok(selectors.length > 0, `${expression.where} asks for something`)
    for (const { metric, matchers } of selectors.filter(({ metric }) => !SYNTHETIC.includes(metric))) {
      const family = familyOf(metric, served)
      t.ok(served.types.has(family), `${expression.where}: ${metric} is served`)
      t.equal(served.types.get(family) === 'histogram', family !== metric, `${expression.where}: ${metric} is asked for as its type is`)
      for (const { label, value } of matchers.filter(({ label }) => !ADDED.includes(label))) {
        t.ok(labelsOf(metric).has(label), `${expression.where}: ${metric} has ${label}`)
        if (OF_REQUESTS.includes(label)) continue
        for (const one of value.split('|')) t.ok(served.samples.some(({ name, labels }) => name === metric && labels[label] === one), `${expression.where}: ${metric} has ${label}="${one}"`)
      }
    }
    const known = new Set([...ADDED, ...selectors.flatMap(({ metric }) => [...labelsOf(metric)])])
    t.same(groupings.filter(label => !known.has(label)), [], `${expression.where}: it is grouped by labels that are there`)
  }

  const own = [...served.types.keys()].filter(name => name.startsWith('delgate_'))
  const described = new Set([...(await readFile(file('docs/metrics.md'), 'utf8')).matchAll(/`(delgate_\w+)`/g)].map(([, name]) => name!))
  t.same(own.filter(name => !described.has(name)), [], 'docs/metrics.md describes each')
  t.same([...described].filter(name => !own.includes(name)), [], 'and no other')
})

t.test('rates are of what counts up, and nothing else', async t => {
  for (const { where, text } of expressions) {
    for (const [, inner] of text.matchAll(/(?:rate|increase)\((\w+)/g)) t.match(inner, /_(?:total|bucket|sum|count)$/, where)
  }
})

t.test('each alert says how bad it is and what it is about; each panel has its number', async t => {
  for (const { alert, labels, annotations } of rules) {
    t.match(alert, /^Delgate[A-Z]/)
    t.match(labels.severity, /^(?:warning|critical)$/, alert)
    t.match(annotations.summary, /\{\{ \$labels\.instance \}\}/, alert)
  }
  t.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length)
  t.equal(new Set(panels.map(({ id }) => id)).size, panels.length)
  for (const { type, title, targets } of panels) t.ok(type === 'row' || targets!.length > 0, title)
})

if (hasPromtool()) {
  t.test('promtool takes the alerts', async t => {
    t.match(execFileSync('promtool', ['check', 'rules', ALERTS], { encoding: 'utf8' }), /SUCCESS/)
  })
}

function hasPromtool (): boolean {
  try {
    execFileSync('promtool', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
