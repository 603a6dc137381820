// What stands in a log, and what never does.
import assert from 'node:assert/strict'
import {
  closeSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createLogger, LogFile, type LogLevel, logAvailability, openLogFile } from '../src/logger.js'
import { logOf } from './fake-broker.js'

function scene(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'logger-'))
  t.after(() => {
    // A process keeps its log file to its end; this one goes on.
    for (const fd of readdirSync('/proc/self/fd')) if (isIn(folder, fd)) closeSync(Number(fd))
    rmSync(folder, { recursive: true })
  })
  const path = join(folder, 'new', 'log')
  /** Nothing of it is to be seen on the screen. */
  const open = (LogLevel: LogLevel = 'info') => createLogger('svc', { LogFile: path, LogLevel }, undefined, 'stderr')
  const lines = (file = path) =>
    readFileSync(file, 'utf8')
      .split('\n')
      .filter(line => line !== '')
      .map(line => JSON.parse(line))
  return { folder, path, open, lines }
}

function isIn(folder: string, fd: string): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`).startsWith(folder)
  } catch {
    return false // the one that has read the list
  }
}

test('a line has its time, level, service and process, beside what is said', t => {
  const { open, lines } = scene(t)
  open().info({ a: 1 }, 'said')
  const [{ time, ...rest }] = lines()
  assert.deepEqual(rest, { level: 'info', service: 'svc', pid: process.pid, a: 1, msg: 'said' })
  assert.equal(new Date(time).toISOString(), time)
})

test('what is below the level is not there, in children neither', t => {
  for (const [level, shown] of [
    ['debug', ['debug', 'info']],
    ['info', ['info']],
    ['warning', []],
  ] as const) {
    const { open, lines } = scene(t)
    const log = open(level)
    log.debug('x')
    log.child({ a: 1 }).info('x')
    assert.deepEqual(
      lines().map(line => line.level),
      shown,
    )
  }
})

test('no secret is written, wherever it stands: fields, bindings of children and their children, errors and their causes', t => {
  const { open, lines, path } = scene(t)
  const url = 'amqp://u:s3cret@h'
  const log = open()
  const error = Object.assign(new Error(`lost ${url}`, { cause: new Error(`api_key=s3cret`) }), { code: 'LOST' })
  log.info({ token: 's3cret', url, deep: [{ api_key: 's3cret' }], err: error }, 'a')
  const child = log.child({ password: 's3cret', url })
  child.child({ Authorization: 's3cret', list: [url] }).info({ body: 's3cret' }, 'b')
  log.info({ err: `thrown ${url}` }, 'c')
  assert.doesNotMatch(readFileSync(path, 'utf8'), /s3cret/)
  const [first, second, third] = lines()
  const hidden = 'amqp://[hidden]@h'
  assert.deepEqual([first.token, first.url, first.deep], ['[hidden]', hidden, [{ api_key: '[hidden]' }]])
  const { type, code, message, stack } = first.err
  assert.deepEqual([type, code, message], ['Error', 'LOST', `lost ${hidden}: api_key=[hidden]`])
  assert.match(stack, /lost amqp:\/\/\[hidden\]@h\n\s+at /)
  assert.deepEqual([second.password, second.Authorization, second.url], ['[hidden]', '[hidden]', hidden])
  assert.deepEqual([second.list, second.body], [[hidden], '[hidden]'])
  assert.equal(third.err.message, `thrown ${hidden}`)
})

test('a log file and its folder are made, for its user alone, and appended to', t => {
  const { open, lines, path } = scene(t)
  open().info('first')
  open().info('second')
  assert.deepEqual(
    lines().map(({ msg }) => msg),
    ['first', 'second'],
  )
  assert.equal(statSync(path).mode & 0o777, 0o600)
  assert.equal(openLogFile({ LogFile: '' }), undefined)
})

test('a file that was renamed is followed by a new one when it is opened again; one that cannot be is gone on with', t => {
  const { folder, path } = scene(t)
  const file = new LogFile(path)
  file.write('1')
  renameSync(path, join(folder, 'old'))
  file.write('2')
  file.reopen()
  file.write('3')
  assert.equal(readdirSync('/proc/self/fd').filter(fd => isIn(folder, fd)).length, 1, 'the old one is closed')
  assert.deepEqual([readFileSync(join(folder, 'old'), 'utf8'), readFileSync(path, 'utf8')], ['12', '3'])
  assert.equal(statSync(path).mode & 0o777, 0o600)
  renameSync(join(folder, 'new'), join(folder, 'moved'))
  assert.throws(() => file.reopen(), { code: 'ENOENT' })
  file.write('4')
  assert.equal(readFileSync(join(folder, 'moved', 'log'), 'utf8'), '34')
})

test('a log file that cannot be made is a fault of the configuration', t => {
  const { folder } = scene(t)
  writeFileSync(join(folder, 'file'), '')
  assert.throws(() => new LogFile(join(folder, 'file', 'log')), {
    code: 'CONFIG',
    message: /"LogFile": .* cannot be opened for writing/,
  })
})

test('lines that cannot be written are dropped, and that is said once until one is written again', t => {
  const { path } = scene(t)
  const said: unknown[] = []
  const file = new LogFile(path)
  let isFull = true
  t.mock.method(file, 'write', () => {
    if (isFull) throw new Error('no space')
  })
  const log = createLogger('svc', { LogFile: path, LogLevel: 'info' }, file, 'stderr')
  t.mock.method(process.stderr, 'write', (text: unknown) => {
    said.push(text)
    return true
  })
  log.info('1')
  log.info('2')
  isFull = false
  log.info('3')
  isFull = true
  log.info('4')
  t.mock.reset()
  const line = `log lines cannot be written to ${path}: no space\n`
  assert.deepEqual(said, [line, line])
})

test('a server that goes away is a warning with its cause, and one that is back is none', () => {
  const { log, lines } = logOf()
  logAvailability(log, 'http://c', 'down', new Error('refused'))
  logAvailability(log, 'http://c', 'up', undefined)
  assert.deepEqual(
    lines.map(({ level, server, cause, msg }) => [level, server, cause, msg]),
    [
      [40, 'http://c', 'refused', 'the server is unavailable; waiting for it'],
      [30, 'http://c', undefined, 'the server answers again'],
    ],
  )
})
