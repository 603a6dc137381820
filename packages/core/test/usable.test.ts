// Files and directories that a configuration names, looked at before they are needed.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { directoryProblems, existingPart, fileProblems, placeholders, spaceLook } from '../src/usable.js'

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'usable-'))
  t.after(() => rmSync(path, { recursive: true }))
  writeFileSync(join(path, 'file'), '')
  mkdirSync(join(path, 'directory'))
  return path
}

test('a directory must be there and be one; each that is not is told with its key', t => {
  const at = (name: string) => join(folder(t), name)
  const [fine, file, missing] = [at('directory'), at('file'), at('missing')]
  assert.deepEqual(directoryProblems({ A: fine, B: file, C: missing, D: join(file, 'x') }), [
    `"B": ${file} is not a directory`,
    `"C": ${missing} does not exist`,
    `"D": ${join(file, 'x')} cannot be written to: ENOTDIR: not a directory, stat '${join(file, 'x')}'`,
  ])
})

test('a file to append to may be missing with its directories, and be neither a directory nor below a file', t => {
  const path = folder(t)
  const fine = { A: '', B: join(path, 'file'), C: join(path, 'new'), D: join(path, 'a', 'b', 'c') }
  assert.deepEqual(fileProblems(fine), [])
  const [directory, below] = [join(path, 'directory'), join(path, 'file', 'log')]
  assert.deepEqual(fileProblems({ E: directory, F: below }), [
    `"E": ${directory} is a directory`,
    `"F": ${below} is in no directory`,
  ])
  assert.deepEqual(readdirSync(path).sort(), ['directory', 'file'], 'nothing was made')
  assert.equal(existingPart(join(path, 'a', 'b')), path)
})

test('space is looked at where the directory is or will be, and no file stays', async t => {
  const path = folder(t)
  const { signal } = new AbortController()
  const problems = (bytes: number, at = path) => spaceLook('TmpDir', at, bytes).problems(signal)
  assert.equal(spaceLook('TmpDir', path, 1).what, `TmpDir ${path}`)
  assert.deepEqual([await problems(0), await problems(1, join(path, 'a', 'b'))], [[], []])
  const { bavail, bsize } = statfsSync(path)
  const [problem = ''] = await problems(bavail * bsize * 1024)
  const [, free, needed] = /^(\d+) MiB are free, (\d+) MiB may be needed$/.exec(problem) ?? []
  assert.equal(Number(needed), Math.floor((bavail * bsize) / 1024))
  assert.ok(Number(free) > 0 && Number(free) < Number(needed))
  assert.match((await problems(0, join(path, 'file')))[0] ?? '', /^no file can be made in it: ENOTDIR/)
  assert.deepEqual(readdirSync(path).sort(), ['directory', 'file'])
})

test('what the examples hold in place of a value is known, in lists too', () => {
  const config = {
    Amqp: 'amqp://USER:PASSWORD@HOST:PORT',
    Urls: ['http://fine', 'http://cuckoo.your.network:PORT'],
    DumpDir: '/folder/to/dump',
    Tmp: '/folder/for/files',
    LogFile: '/var/log/x',
    Count: 5,
    Other: '/a/folder/to/x',
  }
  assert.deepEqual(placeholders(config), ['Amqp', 'Urls', 'DumpDir', 'Tmp'])
})
