// What an operator sees of a process: its exit code, its output, its log file, and what it does at signals.
import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, readlink, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { spawnService, waitFor } from '@cuckoo-distributed/testing'

const program = fileURLToPath(new URL('./waiting-process.js', import.meta.url))

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'process-'))
  t.after(() => rm(path, { recursive: true }))
  return path
}

async function run(t: TestContext, config: object, ...args: string[]) {
  const service = await spawnService(t, program, { config, args })
  const { code } = await service.exit
  return { code, output: service.output.join('\n') }
}

test('--check-config accepts what a start accepts, and warns', async t => {
  const { code, output } = await run(t, {}, '--check-config')
  assert.equal(code, 0)
  assert.match(output, /^warning: "Fail" is empty$/m)
  assert.match(output, /: ok$/)
})

test('--check-config and a start refuse the same, with exit code 2', async t => {
  const dir = await folder(t)
  await writeFile(join(dir, 'file'), '')
  for (const [config, problem] of [
    [{ Refused: 'is a placeholder' }, /"Refused": is a placeholder/],
    [{ Unknown: 1 }, /"Unknown" is unknown/],
    [{ LogFile: dir }, /"LogFile": .* is a directory/],
    [{ LogFile: join(dir, 'file', 'log') }, /"LogFile": .* is in no directory/],
  ] as const) {
    for (const args of [['--check-config'], []]) {
      const { code, output } = await run(t, config, ...args)
      assert.equal(code, 2, output)
      assert.match(output, problem)
    }
  }
})

test('a value that nobody has filled in is told as such, and nothing else about it', async t => {
  const { code, output } = await run(t, { Refused: '/folder/to/dump/failed/messages' }, '--check-config')
  assert.equal(code, 2)
  assert.match(output, /^ {2}"Refused" is still the placeholder of the example$/m)
  assert.equal(output.match(/"Refused"/g)?.length, 1)
})

test('a check makes no log file', async t => {
  const LogFile = join(await folder(t), 'a', 'log')
  assert.equal((await run(t, { LogFile }, '--check-config')).code, 0)
  await assert.rejects(stat(LogFile), { code: 'ENOENT' })
})

test('what ends a process is in its log file, which only its user may read', async t => {
  const LogFile = join(await folder(t), 'a', 'log')
  const { code, output } = await run(t, { LogFile, Fail: 'the broker amqp://u:s3cret@h refuses' })
  assert.equal(code, 1)
  assert.doesNotMatch(output, /s3cret/)
  assert.match(output, /^waiting: the broker amqp:\/\/\[hidden\]@h refuses$/m)
  const logged = await readFile(LogFile, 'utf8')
  assert.match(logged, /"level":"fatal".*"code":"FAILED".*"msg":"ended by an error"/)
  assert.match(logged, /"url":"the broker amqp:\/\/\[hidden\]@h refuses","token":"\[hidden\]","msg":"failing"/)
  assert.doesNotMatch(logged, /s3cret/)
  assert.equal((await stat(LogFile)).mode & 0o777, 0o600)
})

test('SIGHUP opens the log file anew, as often as it comes, and SIGUSR1 opens no debugger', async t => {
  const dir = await folder(t)
  const LogFile = join(dir, 'log')
  const service = await spawnService(t, program, { config: { LogFile } })
  await service.waitForLog('running')
  for (const old of ['log.1', 'log.2']) {
    await rename(LogFile, join(dir, old))
    service.signal('SIGHUP')
    await waitFor(
      () =>
        readFile(LogFile, 'utf8').then(
          text => text.includes('LogFile was reopened'),
          () => false,
        ),
      {
        describe: 'a new log file',
      },
    )
    assert.equal((await stat(LogFile)).mode & 0o777, 0o600)
    const open = await Promise.all(
      (await readdir(`/proc/${service.pid}/fd`)).map(fd => readlink(`/proc/${service.pid}/fd/${fd}`).catch(() => '')),
    )
    assert.deepEqual(
      open.filter(path => path.startsWith(dir)),
      [LogFile],
      'the old file is closed',
    )
    assert.doesNotMatch(await readFile(join(dir, old), 'utf8'), old === 'log.1' ? /reopened/ : /stopped/)
  }
  service.signal('SIGUSR1')
  service.signal('SIGTERM')
  assert.deepEqual(await service.exit, { code: 0, signal: null })
  assert.doesNotMatch(service.output.join('\n'), /[Dd]ebugger/)
  assert.match(await readFile(LogFile, 'utf8'), /"msg":"stopped"/)
})

test('a log file that cannot be opened anew is gone on with', async t => {
  const dir = await folder(t)
  const inner = join(dir, 'inner')
  const LogFile = join(inner, 'log')
  const service = await spawnService(t, program, { config: { LogFile } })
  await service.waitForLog('running')
  await rename(inner, join(dir, 'moved'))
  service.signal('SIGHUP')
  await service.waitForLog('LogFile cannot be reopened; continuing with the old one')
  service.signal('SIGTERM')
  assert.equal((await service.exit).code, 0)
  assert.match(await readFile(join(dir, 'moved', 'log'), 'utf8'), /"msg":"stopped"/)
})

test('SIGHUP without a log file, and before the process runs, does no harm', async t => {
  const service = await spawnService(t, program, { config: {} })
  await service.waitForLog('running')
  service.signal('SIGHUP')
  await service.waitForLog(/SIGHUP/)
  service.signal('SIGTERM')
  assert.equal((await service.exit).code, 0)
})

test('a command says what it says on standard output, and nothing but warnings beside it', async t => {
  const { code, output } = await run(t, {}, 'say', 'a', 'b', '--to', 'you')
  assert.equal(code, 0)
  assert.match(output, /^\[\["a","b"\],"you"\]$/m)
  assert.match(output, /"msg":"saying"/)
  assert.doesNotMatch(output, /not shown/)
  assert.equal((await run(t, {}, 'count', 'up')).code, 1)
})

test('what is no command, or too little of one, is refused with exit code 2', async t => {
  for (const [args, problem] of [
    [['tell'], /Unknown argument: tell/],
    [['say'], /an argument is missing/],
    [['say', 'a', '--fast'], /Unknown argument: fast/],
    [['count'], /name one of: up/],
    [['--connect'], /--connect goes with --check-config only/],
    [['--config'], /--config needs a value/],
  ] as const) {
    const { code, output } = await run(t, {}, ...args)
    assert.equal(code, 2, output)
    assert.match(output, problem)
  }
})
