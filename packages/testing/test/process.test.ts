import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { ServiceEndedError, spawnService, waitFor } from '@cuckoo-distributed/testing'

/** A stand-in for a built service, made of one piece of JavaScript. */
async function serviceFile(t: TestContext, source: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'process-test-'))
  t.after(() => rm(folder, { recursive: true }))
  const file = join(folder, 'service.mjs')
  await writeFile(
    file,
    `const log = (msg, more) => console.log(JSON.stringify({ level: 'info', msg, ...more }))\n${source}`,
  )
  return file
}

/** A killed process that nobody has waited for keeps its number, but has no command line any more. */
function isAlive(pid: number): boolean {
  const commandLine = `/proc/${pid}/cmdline`
  return existsSync(commandLine) && readFileSync(commandLine, 'utf8') !== ''
}

const stays = 'setInterval(() => {}, 1000)'

test('a service gets its config in a file that only its user can read', async t => {
  const file = await serviceFile(
    t,
    `import { readFileSync, statSync } from 'node:fs'
    const [flag, path, more] = process.argv.slice(2)
    log('config', { flag, more, mode: statSync(path).mode & 0o777, config: JSON.parse(readFileSync(path, 'utf8')), extra: process.env.EXTRA })`,
  )
  const config = { Amqp: 'amqp://localhost' }
  const service = await spawnService(t, file, { config, args: ['--check'], env: { EXTRA: 'yes' } })
  const line = await service.waitForLog('config')
  assert.deepEqual(
    [line.flag, line.more, line.mode, line.config, line.extra],
    ['-config', '--check', 0o600, config, 'yes'],
  )
  assert.deepEqual(await service.exit, { code: 0, signal: null })
})

test('log lines are found by message, pattern and look; other output is kept apart', async t => {
  const file = await serviceFile(
    t,
    `console.log('{ not a log line'); console.error('warned'); log('ready', { queue: 'a' }); ${stays}`,
  )
  const service = await spawnService(t, file)
  assert.equal((await service.waitForLog(/^rea/)).queue, 'a')
  assert.equal((await service.waitForLog(line => line.queue === 'a')).msg, 'ready')
  await waitFor(() => service.output.includes('warned'), { describe: 'the line on standard error' })
  assert.deepEqual(service.log, [{ level: 'info', msg: 'ready', queue: 'a' }])
  assert.ok(service.output.includes('{ not a log line'))
})

test('a service that ends before its log line came fails the wait with its last output', async t => {
  const service = await spawnService(t, await serviceFile(t, `console.error('no such queue'); process.exitCode = 3`))
  await assert.rejects(service.waitForLog('ready'), (error: unknown) => {
    assert.ok(error instanceof ServiceEndedError)
    assert.match(error.message, /exit code 3.*before it logged ready:\nno such queue$/s)
    return true
  })
  assert.throws(() => service.signal('SIGTERM'), ServiceEndedError)
})

test('a service that cannot be started rejects with the error of the system', async t => {
  await assert.rejects(spawnService(t, await serviceFile(t, ''), { cwd: '/no/such/folder' }), { code: 'ENOENT' })
})

test('stop lets a service end by itself and tells how it ended', async t => {
  const file = await serviceFile(
    t,
    `process.on('SIGTERM', () => { log('bye'); process.exit(7) }); log('ready'); ${stays}`,
  )
  const service = await spawnService(t, file)
  await service.waitForLog('ready')
  assert.deepEqual(await service.stop(), { code: 7, signal: null })
  assert.equal(service.log.at(-1)?.msg, 'bye')
  assert.deepEqual(await service.stop(), { code: 7, signal: null })
})

test('stop kills a service that does not listen', async t => {
  const service = await spawnService(t, await serviceFile(t, `process.on('SIGTERM', () => {}); log('ready'); ${stays}`))
  await service.waitForLog('ready')
  assert.deepEqual(await service.stop({ deadlineMs: 10 }), { code: null, signal: 'SIGKILL' })
})

test('memory and processor time are those of the service', async t => {
  const file = await serviceFile(
    t,
    `let held = Buffer.alloc(64 << 20, 1); log('full', { held: held.length }); ${stays}`,
  )
  const service = await spawnService(t, file)
  await service.waitForLog('full')
  const { current, peak } = await service.rss()
  assert.ok(current > 64 << 20, `resident: ${current}`)
  assert.ok(peak >= current, `peak: ${peak}`)
  assert.ok((await service.cpu()) > 0)
})

test('a service and its folder go when the process that started it is killed', async t => {
  const file = await serviceFile(t, `log('ready', { folder: process.cwd() }); ${stays}`)
  const library = new URL('../src/process.js', import.meta.url).href
  const starter = spawn(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `import { startService } from ${JSON.stringify(library)}
      const service = await startService(${JSON.stringify(file)})
      const { folder } = await service.waitForLog('ready')
      console.log(JSON.stringify({ pid: service.pid, folder }))`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const [text] = await once(createInterface({ input: starter.stdout }), 'line')
  const { pid, folder } = JSON.parse(text)
  assert.ok(isAlive(pid) && existsSync(folder))
  starter.kill('SIGKILL')
  await waitFor(() => !existsSync(folder), { describe: `${folder} to be removed` })
  assert.equal(isAlive(pid), false)
})
