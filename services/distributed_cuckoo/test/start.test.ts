/** How the built service starts, and whom it lets in. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { type ServiceProcess, spawnService } from '@cuckoo-distributed/testing'
import { curl, member, refused } from './curl.js'
import { makeFront } from './front.js'

const REQUIRED = ['--samples-directory', 'a/samples', '--report-formats', 'json', '--reports-directory', 'b/c/reports']

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'start-'))
  t.after(() => rm(folder, { recursive: true, maxRetries: 10 }))
  return folder
}

async function ends(service: ServiceProcess): Promise<{ readonly code: number | null; readonly output: string }> {
  const { code } = await service.exit
  return { code, output: service.output.join('\n') }
}

async function listening(service: ServiceProcess): Promise<string> {
  const { host, port } = await service.waitForLog('listening', { deadlineMs: 30_000 })
  return `http://${host}:${port}`
}

describe('the command line', () => {
  const run = async (t: TestContext, ...args: string[]) => ends(await spawnService(t, 'distributed_cuckoo', { args }))

  test('without what is required ends with exit code 2 and says what is missing', async t => {
    const { code, output } = await run(t)
    assert.equal(code, 2)
    assert.match(output, /usage/)
    for (const option of ['--samples-directory', '--report-formats', '--reports-directory']) {
      assert.match(output, new RegExp(`${option} is missing`))
    }
  })

  test('has every option of the original, and says so', async t => {
    const { code, output } = await run(t, '-h')
    assert.equal(code, 0)
    const options = ['-d', '--debug', '--db', '--samples-directory', '--uptime-logfile', '--report-formats']
    for (const name of [...options, '--reports-directory', 'host', 'port']) assert(output.includes(name), name)
  })

  test('refuses what it does not understand with exit code 2', async t => {
    for (const wrong of [
      ['127.0.0.1', 'x'],
      ['--report-formats', ','],
      ['--report-formats', '../x'],
      ['--report-formats', 'a..b'],
      ['--unknown'],
      ['--node-token', 'x'],
      ['--token-file', 'missing'],
      ['--token-file', '/dev/null'],
    ]) {
      const { code, output } = await run(t, ...REQUIRED, ...wrong)
      assert.equal(code, 2, `${wrong}: ${output}`)
    }
  })

  test('makes missing directories and takes abbreviated options, with values either way', async t => {
    const cwd = await folderOf(t)
    const args = [
      '--samples-d',
      'a/samples',
      '--report-f= json, html ,',
      '--reports=b/c/reports',
      '-d',
      '127.0.0.1',
      '0',
    ]
    const service = await spawnService(t, 'distributed_cuckoo', { cwd, args })
    assert.equal((await curl(`${await listening(service)}/task`)).status, 200)
    for (const path of ['a/samples', 'b/c/reports', 'dist.db']) assert(existsSync(join(cwd, path)), path)
    assert.equal((await service.stop()).code, 0)
  })

  test('goes before the configuration file', async t => {
    const folder = await folderOf(t)
    const config = {
      SamplesDirectory: join(folder, 's'),
      ReportsDirectory: join(folder, 'r'),
      ReportFormats: ['json'],
      Database: 'mysql://nothing',
      Port: 0,
    }
    const database = join(folder, 'x.db')
    const service = await spawnService(t, 'distributed_cuckoo', { config, args: ['--db', database] })
    await listening(service)
    assert(existsSync(database))
  })

  test('names a database that cannot be used', async t => {
    const { code, output } = await run(t, ...REQUIRED, '--db', 'mysql://user:secret@host/x')
    assert.equal(code, 2)
    assert.match(output, /mysql:\/\/ is not supported/)
    assert.doesNotMatch(output, /secret/)
  })
})

test('a second process with the same SQLite file, and one with another database’s directories, do not start', async t => {
  const cwd = await folderOf(t)
  const first = await spawnService(t, 'distributed_cuckoo', { cwd, args: [...REQUIRED, '127.0.0.1', '0'] })
  await listening(first)
  const second = await ends(await spawnService(t, 'distributed_cuckoo', { cwd, args: [...REQUIRED, '127.0.0.1', '0'] }))
  assert.equal(second.code, 1)
  assert.match(second.output, /used by another process/)
  const args = [...REQUIRED, '--db', 'other.db', '127.0.0.1', '0']
  const third = await ends(await spawnService(t, 'distributed_cuckoo', { cwd, args }))
  assert.equal(third.code, 2)
  assert.match(third.output, /belongs to another database/)
})

describe('a server with a token', () => {
  test('lets in who has it, as a bearer or as the password of a URL, and nobody else', async t => {
    const front = await makeFront(t, { ApiToken: 'open sesame' })
    await front.start()
    const { url } = front
    const sample = join(front.folder, 's.exe')
    await writeFile(sample, 'MZ')
    for (const args of [
      [`${url}/task`],
      [`${url}/status`, '-H', 'Authorization: Bearer wrong'],
      [`${url}/nope`],
      [`${url}/task`, '-F', `file=@${sample}`],
      [`${url}/tasks/list`, '-u', 'x:wrong'],
    ]) {
      refused(await curl(...args), 401, /Unauthorized/)
    }
    assert.match((await curl(`${url}/task`, '-i')).text, /www-authenticate: Bearer/i)
    assert.equal((await curl(`${url}/`)).status, 200, 'the page itself holds no data')
    assert.equal((await curl(`${url}/task`, '-u', 'x:open sesame')).status, 200)
  })

  test('may have it in a file', async t => {
    const cwd = await folderOf(t)
    await writeFile(join(cwd, 'token'), 'open sesame\n')
    const args = [...REQUIRED, '--token-file', 'token', '127.0.0.1', '0']
    const url = await listening(await spawnService(t, 'distributed_cuckoo', { cwd, args }))
    refused(await curl(`${url}/task`), 401)
    assert.equal((await curl(`${url}/task`, '-H', 'Authorization: Bearer open sesame')).status, 200)
  })

  test('is warned about when it has none and everybody can reach it', async t => {
    const front = await makeFront(t, { Host: '0.0.0.0' })
    await front.start()
    await front.process.waitForLog(/everybody who reaches this address/)
    const closed = await makeFront(t, { Host: '0.0.0.0', ApiToken: 'x' })
    await closed.start()
    assert(!closed.process.output.some(line => line.includes('everybody')))
  })
})

test('the examples of the documentation work as they are printed', async t => {
  const front = await makeFront(t)
  await front.start()
  const sample = join(front.folder, 'sample.exe')
  await writeFile(sample, 'MZ')
  const { url } = front
  refused(await curl(`${url}/node`, '-F', 'name=localhost', '-F', 'url=http://localhost:1/'), 404, /localhost/)
  assert.deepEqual((await curl(`${url}/task`, '-F', `file=@${sample}`)).json, { task_id: 1 })
  refused(await curl(`${url}/report/1`), 404, /not finished/)
  refused(await curl(`${url}/report/1/maec`, '-H', 'Accept: application/xml'), 404)
  refused(await curl('-XDELETE', `${url}/node/localhost`), 404)
  assert.equal(member((await curl(`${url}/status`)).json, 'tasks', 'pending'), 1)
})
