// The page of a running overseer, by HTTP: whom it refuses, and what it does with dumps.
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { spawnService, waitFor } from '@cuckoo-distributed/testing'
import { scene } from './scene.js'
import { API_KEY, dumpNames, taskBody, wrapped } from './support.js'

const TOKEN = 'a-token-that-is-long-enough'

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
}

interface Ask {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
}

/** By node:http, which lets a test say any Host. */
function ask(url: string, path: string, { method = 'GET', headers = {}, body }: Ask = {}): Promise<Answer> {
  const own = { authorization: `Bearer ${TOKEN}`, ...(body !== undefined && { 'content-type': 'application/json' }) }
  return new Promise((resolve, reject) => {
    const asked = request(new URL(path, url), { method, headers: { ...own, ...headers } }, async response => {
      let text = ''
      for await (const part of response.setEncoding('utf8')) text += String(part)
      resolve({ status: response.statusCode ?? 0, headers: response.headers, text })
    })
    asked.on('error', reject)
    asked.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

const linesOf = ({ text }: Answer) =>
  text
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))

async function adminScene(t: TestContext) {
  const base = await scene(t)
  const overseer = await base.start({ AdminListen: '0', AdminToken: TOKEN })
  const url = String((await overseer.waitForLog('the page is served')).url)
  const dump = async (name: string, body: string | Buffer = wrapped(base.work, taskBody(name))) => {
    await writeFile(join(base.dumpDir, name), body)
    return name
  }
  return { ...base, overseer, url, dump }
}

test('whoever has no token, another Host, or another origin is refused, and nothing is told', async t => {
  const { url, dump, overseer } = await adminScene(t)
  await dump('1437000000_1')
  const refused: [string, Ask, number][] = [
    ['/api/dumps', { headers: { authorization: '' } }, 401],
    ['/api/dumps', { headers: { authorization: 'Bearer a-token-that-is-long-enougH' } }, 401],
    ['/api/overview', { headers: { authorization: '' } }, 401],
    ['/nowhere', { headers: { authorization: '' } }, 401],
    ['/', { headers: { host: 'page.evil.example' } }, 403],
    ['/api/dumps', { headers: { host: 'page.evil.example:9120' } }, 403],
    ['/api/dumps', { headers: { origin: 'http://evil.example' } }, 403],
    ['/api/dumps', { headers: { origin: 'null' } }, 403],
    ['/api/dumps', { headers: { 'sec-fetch-site': 'cross-site' } }, 403],
    ['/api/dumps', { headers: { 'sec-fetch-site': 'same-site' } }, 403],
    [
      '/api/delete',
      { method: 'POST', headers: { 'content-type': 'text/plain' }, body: { names: ['1437000000_1'] } },
      415,
    ],
    ['/api/delete', { method: 'POST', body: { names: [] } }, 400],
    ['/api/delete', { method: 'POST', body: { names: ['../1437000000_1'] } }, 400],
    ['/api/dumps/..%2fservice.conf.json', {}, 404],
    ['/api/dumps/%', {}, 404],
    ['/api/delete', {}, 404],
  ]
  for (const [path, options, status] of refused) {
    const { status: is, text } = await ask(url, path, options)
    assert.equal(is, status, `${path} ${JSON.stringify(options)}`)
    assert.doesNotMatch(text, /HTTP_TIMEOUT|<html/)
  }
  const page = await ask(url, '/', { headers: { authorization: '' } })
  assert.equal(page.status, 200)
  assert.match(
    String(page.headers['content-security-policy']),
    /default-src 'none'.*require-trusted-types-for 'script'/,
  )
  assert.ok(!page.text.includes(TOKEN) && !overseer.output.join().includes(TOKEN))
  assert.equal((await ask(url, '/api/dumps')).status, 200)
})

test('dumps are listed by cause and shown without keys, sent, deleted, and changed beside a running overseer', async t => {
  const { url, dump, work, broker, dumpDir } = await adminScene(t)
  const names = [await dump('1437000000_1'), await dump('1437000000_2'), await dump('1437000000_3')]
  const [one = '', two = '', three = ''] = names
  const [cause] = JSON.parse((await ask(url, '/api/dumps')).text)
  assert.deepEqual([cause.code, cause.dumps.map(({ name }: { name: string }) => name)], ['HTTP_TIMEOUT', names])
  assert.deepEqual(JSON.parse((await ask(url, '/api/dumps?code=OTHER')).text), [])
  assert.equal((await ask(url, '/api/dumps?newer=soon')).status, 400)
  const details = await ask(url, `/api/dumps/${one}`)
  assert.equal(JSON.parse(details.text).analysis.analysisId, one)
  assert.ok(!details.text.includes(API_KEY))
  assert.equal((await ask(url, '/api/dumps/1437000000_9')).status, 404)

  const text = JSON.parse((await ask(url, `/api/dumps/${one}/text`)).text)
  assert.ok(!text.text.includes(API_KEY))
  const changed = { ...text, text: text.text.replace('cuckoo.invalid', 'cuckoo.example') }
  const edit = (body: unknown) => ask(url, `/api/dumps/${one}/text`, { method: 'PUT', body })
  assert.equal((await edit({ ...text, text: '{' })).status, 422)
  assert.deepEqual(JSON.parse((await edit(changed)).text), { isChanged: true })
  assert.equal((await edit(changed)).status, 409, 'somebody has changed it meanwhile')

  const sent = await ask(url, '/api/resubmit', { method: 'POST', body: { names: [one, 'none', two] } })
  assert.equal(sent.status, 400, 'a name that no dump can have')
  const results = linesOf(await ask(url, '/api/resubmit', { method: 'POST', body: { names: [one, '1437000000_9'] } }))
  assert.deepEqual(results, [
    { name: one, isDone: true, text: `sent to ${work}` },
    { name: '1437000000_9', isDone: false, text: 'left: in use by another process, or gone' },
  ])
  const message = await broker.expectMessage(work)
  assert.equal(message.body.toString(), taskBody(one).replace('cuckoo.invalid', 'cuckoo.example'))
  assert.match(JSON.parse(String(message.headers['x-resubmitted'])).last[0].by, /^the page of /)
  const deleted = linesOf(await ask(url, '/api/delete', { method: 'POST', body: { names: [two] } }))
  assert.deepEqual(deleted, [{ name: two, isDone: true, text: 'deleted' }])
  assert.deepEqual(await dumpNames(dumpDir), [three])
})

test('a page that is read-only changes nothing, and is served without an overseer and without a broker', async t => {
  const { config, dump, dumpDir, overseer, work } = await adminScene(t)
  const name = await dump('1437000000_1')
  await overseer.stop()
  const gone = { ...config, Amqp: 'amqp://127.0.0.1:1', AdminToken: TOKEN }
  const page = await spawnService(t, 'overseer', { config: gone, args: ['admin', '--read-only', '--listen', '0'] })
  const line = await waitFor(() => page.output.find(each => each.startsWith('http://')), { describe: 'the address' })
  const [url = ''] = line.split(' ')
  assert.ok(!line.includes(TOKEN))
  const before = await readFile(join(dumpDir, name))
  for (const [method, path, body] of [
    ['POST', '/api/resubmit', { names: [name] }],
    ['POST', '/api/delete', { names: [name] }],
    ['PUT', `/api/dumps/${name}/text`, { text: '', version: '' }],
  ] as const) {
    assert.equal((await ask(url, path, { method, body })).status, 403, path)
  }
  assert.deepEqual(await readFile(join(dumpDir, name)), before)
  assert.deepEqual(await dumpNames(dumpDir), [name])
  assert.equal(JSON.parse((await ask(url, '/api/dumps')).text)[0].dumps[0].queue, work)
  const found = JSON.parse((await ask(url, '/api/samples?what=1')).text)
  assert.match(found.remarks.join(), /the broker cannot be asked/)
  assert.equal((await page.stop()).code, 0)
})

test('a page with a token of its own says where it is, and not on the network', async t => {
  const { config } = await scene(t)
  const start = (...args: string[]) => spawnService(t, 'overseer', { config, args: ['admin', ...args] })
  const page = await start('--listen', '[::1]:0')
  const line = await waitFor(() => page.output.find(each => each.startsWith('http://')), { describe: 'the address' })
  const [url = '', token = ''] = line.split('#token=')
  assert.match(token, /^[\w-]{32}$/)
  assert.equal((await ask(url, '/api/dumps', { headers: { authorization: `Bearer ${token}` } })).status, 200)
  assert.equal((await ask(url, '/api/dumps')).status, 401)
  const other = await start('--listen', '0.0.0.0:0')
  assert.equal((await other.exit).code, 2)
  assert.match(other.output.join(), /an address of loopback/)
})
