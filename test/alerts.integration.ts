// Prometheus' own tool reads the rules, and fires each alert.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { root } from './project.js'

function promtool(...args: string[]): void {
  const { status, stdout, stderr, error } = spawnSync('promtool', args, { cwd: root, encoding: 'utf8' })
  assert.equal(status, 0, `${error?.message ?? ''}${stdout}${stderr}`)
}

test('promtool takes the rules and the example of a configuration', () => {
  promtool('check', 'config', 'deploy/prometheus/prometheus.yml')
})

test('each alert fires when it should, alone, and none while all is well', () => {
  promtool('test', 'rules', 'test/fixtures/alerts.test.yml')
})
