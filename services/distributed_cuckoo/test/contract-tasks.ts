/** How tasks are submitted, shown and listed. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { waitFor } from '@cuckoo-distributed/testing'
import { fakeNode, type Serve, sampleFile, samplesIn } from './contract-scene.js'
import { curl, member, refused } from './curl.js'

const DOCUMENTED = [
  ...[
    'task_id',
    'path',
    'package',
    'timeout',
    'priority',
    'options',
    'machine',
    'platform',
    'tags',
    'custom',
    'memory',
  ],
  ...['clock', 'enforce_timeout'],
]

export function testTasks(serve: Serve): void {
  test('a task has the documented members, and everything that was sent', async t => {
    const { url: server, folder } = await serve(t)
    const sample = await sampleFile(t, 's.exe')
    assert.deepEqual((await curl(`${server}/task`)).json, { tasks: {} })
    const created = await curl(`${server}/task`, '-F', `file=@${sample}`)
    assert.deepEqual([created.status, created.json], [200, { task_id: 1 }])
    const task = member((await curl(`${server}/task/01`)).json, 'tasks', '1')
    for (const name of DOCUMENTED) assert(name in Object(task), name)
    const values = Object.fromEntries(DOCUMENTED.map(name => [name, member(task, name)]))
    const { path, ...rest } = values
    assert.equal(await readFile(join(folder, 'samples', String(path)), 'utf8'), 'MZ sample')
    const nulls = ['package', 'timeout', 'options', 'machine', 'tags', 'custom', 'memory', 'clock', 'enforce_timeout']
    assert.deepEqual(rest, {
      task_id: 1,
      priority: 1,
      platform: 'windows',
      ...Object.fromEntries(nulls.map(name => [name, null])),
    })
    const fields = {
      package: 'exe',
      timeout: 90,
      priority: -2,
      options: 'free=yes,a=b',
      machine: 'm1',
      platform: 'linux',
      tags: 'xp, office',
      custom: 'héllo',
      memory: 'yes',
      clock: '10-01-2014 12:00:00',
      enforce_timeout: '1',
      owner: 'me',
    }
    const form = Object.entries(fields).flatMap(([name, value]) => ['-F', `${name}=${value}`])
    await curl(`${server}/task?package=q`, ...form, '-F', `file=@${sample}`)
    const full = member((await curl(`${server}/task/2`)).json, 'tasks', '2')
    for (const [name, value] of Object.entries({ ...fields, package: 'q' }))
      assert.equal(member(full, name), value, name)
  })

  test('a submission that is wrong leaves nothing behind', async t => {
    const { url: server, folder } = await serve(t, { MaxUpload: 100_000 })
    const sample = await sampleFile(t, 's.exe')
    const large = await sampleFile(t, 'large.exe', 'x'.repeat(100_001))
    const enormous = await sampleFile(t, 'enormous.exe', 'x'.repeat(10_000_000))
    const empty = await sampleFile(t, 'empty', '')
    const file = ['-F', `file=@${sample}`]
    for (const wrong of [
      'timeout=abc',
      'timeout=',
      'timeout=-1',
      'priority=x',
      'clock=now',
      'memory=maybe',
      'enforce_timeout=2',
      `tags=${randomBytes(5000).toString('hex')}`,
    ]) {
      refused(await curl(`${server}/task`, ...file, '-F', wrong), 400)
    }
    refused(
      await curl(`${server}/task`, '-F', 'timeout=abc', ...file),
      400,
      /invalid literal for int\(\) with base 10: 'abc'/,
    )
    refused(await curl(`${server}/task`, '-F', 'file=text'), 400)
    refused(await curl('-XPOST', `${server}/task`), 400)
    refused(await curl(`${server}/task`, '-H', 'Content-Type: application/json', '-d', '{"file": "x"}'), 400)
    refused(await curl(`${server}/task`, '-H', 'Content-Type: multipart/form-data', '-d', 'x'), 400)
    refused(await curl(`${server}/task`, '-H', 'Content-Type: multipart/form-data; boundary=b', '-d', '--b\r\nx'), 400)
    refused(await curl(`${server}/task`, ...file, '-F', 'url=http://h/'), 400)
    refused(await curl(`${server}/task`, ...file, '-F', `file=@${sample}`), 400)
    refused(await curl(`${server}/task`, '-F', `file=@${empty}`), 400)
    refused(await curl(`${server}/task`, '-F', `file=@${large}`), 413)
    refused(await curl(`${server}/task`, '-F', `file=@${enormous}`), 413)
    refused(await curl(`${server}/task`, ...file, '-F', `custom=${'x'.repeat(70_000)}`), 413)
    assert.deepEqual((await curl(`${server}/task`)).json, { tasks: {} })
    assert.deepEqual(await samplesIn(folder), [])
  })

  test('lists are filtered before they are paged, and wrong filters are refused', async t => {
    const front = await serve(t)
    const { url: server } = front
    for (let i = 0; i < 3; i += 1) await front.submit(`MZ ${i}`, i === 1 ? { owner: 'me', priority: '7' } : {})
    const ids = async (query: string) =>
      Object.keys(Object(member((await curl(`${server}/task?${query}`)).json, 'tasks')))
    assert.deepEqual(await ids('limit=1&offset=1'), ['2'])
    assert.deepEqual(await ids('finished=0'), ['1', '2', '3'])
    assert.deepEqual(await ids('finished=1'), [])
    assert.deepEqual(await ids('status=pending&owner=me'), ['2'])
    assert.deepEqual(await ids('priority=7'), ['2'])
    assert.deepEqual(await ids('limit=-1'), ['1', '2', '3'])
    for (const query of [
      'limit=x',
      'offset=-1',
      'limit=-2',
      'finished=maybe',
      'status=done',
      'status=pending&finished=1',
    ]) {
      refused(await curl(`${server}/task?${query}`), 400)
    }
  })

  test('a node gets what the client sent: names, texts and switches', async t => {
    const node = await fakeNode(t)
    const { url: server } = await serve(t)
    await curl(`${server}/node`, '-d', `name=n&url=${node.url}`)
    const sample = await sampleFile(t, 'späm.exe')
    const created = (custom: string) => node.calls.find(call => call.fields.get('custom') === custom)
    const send = async (custom: string, ...args: string[]) => {
      await curl(`${server}/task`, ...args, '-F', `custom=${custom}`)
      return waitFor(() => created(custom), { describe: `the node to get ${custom}` })
    }
    const named = await send('héllo', '--form-escape', '-F', `file=@${sample};filename=C:\\dir\\späm "x".exe`)
    // Quotes are sent as browsers send them; the name itself keeps them.
    assert.deepEqual([named.path, named.fields.get('file')], ['/tasks/create/file', 'späm %22x%22.exe'])
    assert.equal(member((await curl(`${server}/task/1`)).json, 'tasks', '1', 'filename'), 'späm "x".exe')
    const off = await send('off', '-F', `file=@${sample}`, '-F', 'memory=0', '-F', 'enforce_timeout=false')
    assert.deepEqual([off.fields.has('memory'), off.fields.has('enforce_timeout')], [false, false])
    const on = await send('on', '-F', `file=@${sample}`, '-F', 'memory=1', '-F', 'enforce_timeout=1')
    assert.deepEqual([on.fields.get('memory'), on.fields.get('enforce_timeout')], ['1', '1'])
    const clock = await send('clock', '-F', `file=@${sample}`, '-F', 'clock=10-01-2014 12:00:00')
    assert.equal(clock.fields.get('clock'), '10-01-2014 12:00:00')
    const epoch = await send('epoch', '-F', `file=@${sample}`, '-F', 'clock=1412164800')
    assert.match(epoch.fields.get('clock') ?? '', /^10-01-2014 \d\d:00:00$/)
    const visited = await send('visit', '-F', 'url=http://example.com/a?b')
    assert.deepEqual([visited.path, visited.fields.get('url')], ['/tasks/create/url', 'http://example.com/a?b'])
  })

  test('a full disk refuses new tasks and keeps the old', async t => {
    const front = await serve(t, { MinFreeSpace: 2 ** 60 })
    const sample = await sampleFile(t, 's.exe')
    refused(await curl(`${front.url}/task`, '-F', `file=@${sample}`), 507)
    assert.equal((await curl(`${front.url}/task`, '-F', 'url=http://h/')).status, 507)
    assert.deepEqual(await samplesIn(front.folder), [])
  })
}
