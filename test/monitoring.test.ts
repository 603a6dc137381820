// Alerts and the dashboard name what there is: the table in docs/operations.md, which a test compares with the services.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Metrics } from '@cuckoo-distributed/core'
import { parse } from 'yaml'
import { at, read, readJson, sectionOf, tableIn } from './project.js'

const ALERTS = 'deploy/prometheus/alerts.yml'
const DASHBOARD = 'deploy/grafana/cuckoo_distributed.json'
const CASES = 'test/fixtures/alerts.test.yml'

/** By name its labels. */
const documented = new Map(
  tableIn(sectionOf(read('docs/operations.md'), '### What is measured')).map(([name = '', labels = '']) => [
    name.replaceAll('`', ''),
    labels
      .replaceAll('`', '')
      .split(', ')
      .filter(label => label !== ''),
  ]),
)

/** Those of every process, and of a histogram its parts. */
async function knownNames(): Promise<Set<string>> {
  using metrics = new Metrics('1')
  const types = [...(await metrics.text()).matchAll(/^# TYPE (\w+) (\w+)$/gm)]
  const parts = types.flatMap(([, name = '', type]) => {
    return type === 'histogram' ? ['_bucket', '_sum', '_count'].map(part => `${name}${part}`) : [name]
  })
  const histograms = new Set(types.filter(([, , type]) => type === 'histogram').map(([, name = '']) => name))
  return new Set([...parts, ...[...documented.keys()].filter(name => !histograms.has(name))])
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}

function rules(): { readonly alert: string; readonly expr: string }[] {
  const groups = list(at(parse(read(ALERTS)), 'groups'))
  return groups
    .flatMap(group => list(at(group, 'rules')))
    .map(rule => ({ alert: String(at(rule, 'alert')), expr: String(at(rule, 'expr')) }))
}

function panels(): { readonly title: string; readonly exprs: readonly string[] }[] {
  return list(readJson(DASHBOARD).panels).map(panel => ({
    title: String(at(panel, 'title')),
    exprs: list(Object(panel).targets).map(target => String(at(target, 'expr'))),
  }))
}

function namesIn(expr: string): string[] {
  return [...expr.matchAll(/\b(?:cuckoo_distributed|process|nodejs)_\w+/g)].map(([name]) => name)
}

test('alerts and the dashboard name metrics that exist', async () => {
  const known = await knownNames()
  const exprs = [...rules().map(({ expr }) => expr), ...panels().flatMap(panel => panel.exprs)]
  const names = exprs.flatMap(namesIn).filter(name => name !== 'cuckoo_distributed')
  assert.ok(names.length > 30)
  assert.deepEqual(
    names.filter(name => !known.has(name)),
    [],
  )
})

test('alerts and the dashboard select and group by labels that these metrics have', () => {
  const ofPrometheus = ['instance', 'job', 'le']
  const exprs = [...rules().map(({ expr }) => expr), ...panels().flatMap(panel => panel.exprs)]
  for (const expr of exprs) {
    const names = namesIn(expr).map(name => name.replace(/_(bucket|sum|count)$/, ''))
    const has = new Set([...ofPrometheus, ...names.flatMap(name => documented.get(name) ?? [])])
    const grouped = [...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, labels = '']) => labels.split(/,\s*/))
    const selected = [...expr.matchAll(/\{([^}]*)\}/g)].flatMap(([, matchers = '']) =>
      [...matchers.matchAll(/(\w+)\s*[=!]/g)].map(([, label = '']) => label),
    )
    assert.deepEqual(
      [...grouped, ...selected].filter(label => !has.has(label)),
      [],
      expr,
    )
  }
})

test('each metric of the project is shown or watched somewhere', () => {
  const shown = new Set(
    [...rules().map(({ expr }) => expr), ...panels().flatMap(panel => panel.exprs)].flatMap(namesIn),
  )
  const unseen = [...documented.keys()].filter(
    name => !['', '_bucket'].some(part => shown.has(`${name}${part}`)) && !name.endsWith('_build_info'),
  )
  assert.deepEqual(unseen, [])
})

test('each alert has a case in which it fires', () => {
  const cases = list(at(parse(read(CASES)), 'tests'))
  const fired = cases.flatMap(one => [...JSON.stringify(one).matchAll(/alertname=\\+"(\w+)/g)].map(([, name]) => name))
  const alerts = rules().map(({ alert }) => alert)
  assert.ok(alerts.length > 0)
  assert.deepEqual(
    alerts.filter(alert => !fired.includes(alert)),
    [],
  )
  const job = at(list(at(parse(read('deploy/prometheus/prometheus.yml')), 'scrape_configs'))[0], 'job_name')
  const jobs = [...read(ALERTS).matchAll(/job="([^"]*)"/g), ...read(DASHBOARD).matchAll(/job=\\"([^"\\]*)/g)]
  assert.ok(jobs.length > 0)
  assert.deepEqual([...new Set(jobs.map(([, name]) => name))], [job])
})
