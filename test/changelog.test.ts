import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { root } from './project.js'

test('a change that users see without a line in CHANGELOG.md is named', t => {
  const folder = mkdtempSync(join(tmpdir(), 'changelog-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const git = (...args: string[]) => {
    const who = ['-c', 'user.name=t', '-c', 'user.email=t@t', '-c', 'commit.gpgsign=false']
    const { status, stderr } = spawnSync('git', [...who, ...args], { cwd: folder, encoding: 'utf8' })
    assert.equal(status, 0, stderr)
  }
  let count = 0
  const commit = (message: string, ...paths: string[]) => {
    count += 1
    for (const path of paths) {
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      writeFileSync(join(folder, path), String(count))
    }
    git('add', '-A')
    git('commit', '-qm', message)
  }
  const run = (...args: string[]) => {
    const script = join(root, 'scripts/changelog.mjs')
    const { status, stdout } = spawnSync(process.execPath, [script, ...args], { cwd: folder, encoding: 'utf8' })
    return { status, named: [...stdout.matchAll(/CHANGELOG\.md: \S+ (.*)/g)].map(([, subject]) => subject) }
  }
  git('init', '-q', '-b', 'main')
  commit('feat: the beginning', 'services/a/src/main.ts')
  git('checkout', '-qb', 'work')
  assert.deepEqual(run(), { status: 0, named: [] })
  commit('feat: told', 'services/a/src/main.ts', 'CHANGELOG.md')
  commit('fix(a): excused\n\nWhy.\n\nNo changelog: nobody saw it', 'services/a/src/main.ts')
  commit('refactor: inside', 'packages/core/src/a.ts')
  commit('fix: a test', 'services/a/test/main.test.ts')
  commit('feat(testing): a stand-in', 'packages/testing/src/a.ts')
  assert.deepEqual(run(), { status: 0, named: [] })
  commit('fix(a): not told', 'services/a/src/inner/main.ts')
  commit('refactor!: other keys', 'configs/a.example')
  commit('feat: no excuse\n\nNo changelog:', 'packages/core/src/a.ts')
  const named = ['feat: no excuse', 'refactor!: other keys', 'fix(a): not told']
  assert.deepEqual(run('main'), { status: 1, named })
  assert.equal(run('no-such-base').status, 2)
})
