/** How the built service starts, and whom it lets in. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
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
  const { host, port } = await service.waitForLog('listening')
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
    for (const [said, ...wrong] of [
      ['port must be a whole number from 0 to 65535', '127.0.0.1', 'x'],
      ['port must be a whole number from 0 to 65535', '127.0.0.1', '70000'],
      ['--report-formats must be names separated by commas', '--report-formats', ','],
      ['--report-formats must be names separated by commas', '--report-formats', '../x'],
      ['--report-formats must be names separated by commas', '--report-formats', 'a..b'],
      ['--interval must be a number of seconds, 0.05 or more', '--interval', 'often'],
      ['--threshold must be a whole number, 1 or more', '--threshold', '0'],
      ['--max-upload must be a whole number of bytes', '--max-upload', '1.5'],
      ['--allowed-hosts must be names and addresses without port', '--allowed-hosts', 'a/b'],
      ['--samples-directory must be a text that is not empty', '--samples-directory', ''],
      ['Unknown argument: unknown', '--unknown'],
      ['--node-token must be URL=FILE', '--node-token', 'x'],
      ['the token file missing cannot be read', '--token-file', 'missing'],
      ['the token file /dev/null is empty', '--token-file', '/dev/null'],
    ] as const) {
      const { code, output } = await run(t, ...REQUIRED, ...wrong)
      assert.equal(code, 2, `${wrong}: ${output}`)
      assert(output.includes(said), `${wrong}: ${output}`)
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

describe('what cannot be used', () => {
  const startsNot = async (t: TestContext, cwd: string, ...args: string[]) => {
    const { code, output } = await ends(await spawnService(t, 'distributed_cuckoo', { cwd, args }))
    assert.equal(code, 2, output)
    return output
  }

  test('is said in a sentence: a directory as database, a port that is taken, an address of others', async t => {
    const cwd = await folderOf(t)
    await mkdir(join(cwd, 'folder'))
    const asDatabase = await startsNot(t, cwd, ...REQUIRED, '--db', 'folder', '127.0.0.1', '0')
    assert.match(asDatabase, /folder cannot be used: it is a directory/)
    const taken = createServer().listen(0, '127.0.0.1')
    t.after(() => taken.close())
    await once(taken, 'listening')
    const address = taken.address()
    assert(typeof address === 'object' && address !== null)
    const inUse = await startsNot(t, cwd, ...REQUIRED, '127.0.0.1', String(address.port))
    assert.match(inUse, /cannot listen on port \d+ of 127\.0\.0\.1: another process listens there/)
    const foreign = await startsNot(t, cwd, ...REQUIRED, '192.0.2.1', '0')
    assert.match(foreign, /cannot listen on port 0 of 192\.0\.2\.1: this machine has no such address/)
  })

  test('is said of libsql.node, which only SQLite needs', async t => {
    const cwd = await folderOf(t)
    const alone = join(cwd, 'alone.mjs')
    await copyFile(join(import.meta.dirname, '../../dist/distributed_cuckoo.mjs'), alone)
    const { code, output } = await ends(await spawnService(t, alone, { cwd, args: [...REQUIRED, '127.0.0.1', '0'] }))
    assert.deepEqual([code, /libsql\.node, which belongs beside .*, cannot be loaded/.test(output)], [2, true], output)
    assert.match((await ends(await spawnService(t, alone, { cwd, args: ['--version'] }))).output, /\d/)
    const args = [...REQUIRED, '--db', 'postgres://u@127.0.0.1:1/x', '127.0.0.1', '0']
    const other = await spawnService(t, alone, { cwd, args })
    await other.waitForLog('the database does not answer; waiting for it')
    assert.equal((await other.stop()).code, 0)
  })

  test('but may come back is waited for: a PostgreSQL that does not answer', async t => {
    const cwd = await folderOf(t)
    const args = [...REQUIRED, '--db', 'postgres://u:secret@127.0.0.1:1/x', '127.0.0.1', '0']
    const service = await spawnService(t, 'distributed_cuckoo', { cwd, args })
    await service.waitForLog('the database does not answer; waiting for it')
    assert.equal((await service.stop()).code, 0)
    assert.doesNotMatch(service.output.join('\n'), /secret/)
  })
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
