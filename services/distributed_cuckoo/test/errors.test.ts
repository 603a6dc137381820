/** One shape of errors, whoever finds them: the resources, the framework, Node's HTTP parser. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLogger } from '@cuckoo-distributed/core'
import { DirectoryAwayError } from '../src/files/shared-directory.js'
import { ApiError, clientErrorHandler, errorBody, errorHandler } from '../src/server/errors.js'
import { NameTakenError, StoreFullError, StoreLostError } from '../src/store/errors.js'
import { type RawAnswer, sendRaw, serveScene } from './api-scene.js'
import { makeScene } from './dispatch-scene.js'

/** The answer is an error as clients are promised it: JSON that repeats its status, says something, and has nothing of the framework's. */
function isPlain(answer: Pick<RawAnswer, 'status' | 'body'>, status: number, message: RegExp = /./): void {
  assert.equal(answer.status, status, answer.body)
  const { status: said, message: text, ...rest } = JSON.parse(answer.body)
  assert.deepEqual([said, rest], [status, {}])
  assert.match(text, message)
}

const get = (path: string, headers = '') =>
  `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${headers}\r\n`

test('what the framework and the HTTP parser refuse has the shape of all errors', async t => {
  const { url } = await serveScene(t, await makeScene(t))
  isPlain(await sendRaw(url, get('/node/%zz')), 400, /^Bad Request$/)
  isPlain(await sendRaw(url, get(`/node/${'a'.repeat(300)}`)), 414, /^URI Too Long$/)
  isPlain(await sendRaw(url, get('/node', `X-A: ${'a'.repeat(20_000)}\r\n`)), 431, /^Request Header Fields Too Large$/)
  isPlain(await sendRaw(url, 'nonsense\r\n\r\n'), 400)
  isPlain(await sendRaw(url, 'GET /node HTTP/1.1\r\nConnection: close\r\n\r\n'), 400, /Host/)
  assert.equal((await sendRaw(url, 'GET /node HTTP/1.0\r\n\r\n')).status, 200)
  isPlain(await sendRaw(url, get('/nope')), 404, /^Not Found$/)
  const post = (type: string, body: string) => {
    const head = `Host: localhost\r\nConnection: close\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}`
    return sendRaw(url, `POST /node HTTP/1.1\r\n${head}\r\n\r\n${body}`)
  }
  isPlain(await post('text/xml', '<a/>'), 415, /form/)
  isPlain(await post('application/json', '{'), 400, /not JSON/)
  isPlain(await post('application/json', '[1]'), 400, /JSON object/)
  isPlain(await post('application/json', 'null'), 400, /Missing required parameter name/)
  isPlain(await post('application/json', `"${'x'.repeat(2 ** 20)}"`), 413, /^Payload Too Large$/)
  isPlain(await post('application/x-www-form-urlencoded', 'x'.repeat(2 ** 20 + 1)), 413)
  isPlain(await post('application/x-www-form-urlencoded', 'x'.repeat(2 ** 20)), 400, /Missing required parameter name/)
  isPlain(await post('nonsense', 'x'), 415)
})

test('JSON has one type on all routes, and so have refusals', async t => {
  const scene = await makeScene(t)
  const { app } = await serveScene(t, scene)
  const id = await scene.addTask('MZ')
  await scene.addNode('n1', 'http://127.0.0.1:1/')
  const { sha256, md5 } = (await scene.store.tasks.get(id)) ?? {}
  const values: Record<string, unknown> = { id, format: 'json', name: 'n1', limit: 1, offset: 0, priority: 1 }
  const documented: { paths: Record<string, object> } = (await app.inject('/openapi.json')).json()
  const paths = Object.entries(documented.paths).filter(
    ([path, methods]) => 'get' in methods && path !== '/' && !path.includes('/files/get'),
  )
  assert(paths.length > 60, `${paths.length} paths`)
  const urls = paths.map(([path]) => {
    const digest = path.includes('md5') ? md5 : sha256
    return path.replace(/\{(\w+)\}/g, (_, name: string) => String(name === 'digest' ? digest : (values[name] ?? 'x')))
  })
  const answers = new Set<number>()
  for (const url of [...urls, '/nope', '/node/%zz', '/task?limit=x', '/api/nope', '/v1/nope']) {
    const answer = await app.inject(url)
    answers.add(answer.statusCode)
    assert.equal(answer.headers['content-type'], 'application/json', url)
    answer.json()
  }
  assert(answers.has(200) && answers.has(404) && answers.has(400), [...answers].join())
  assert.equal((await app.inject({ method: 'DELETE', url: `/task/${id}` })).headers['content-type'], 'application/json')
})

test('a method that a resource does not have is refused with those that it has', async t => {
  const { app } = await serveScene(t, await makeScene(t))
  for (const [method, url, allow] of [
    ['PATCH', '/node', 'GET, HEAD, POST, OPTIONS'],
    ['HEAD', '/tasks/delete/1', 'GET, OPTIONS'],
    ['GET', '/tasks/create/file', 'POST, OPTIONS'],
  ] as const) {
    const refused = await app.inject({ method, url })
    assert.deepEqual([refused.statusCode, refused.headers.allow], [405, allow], url)
    const asked = await app.inject({ method: 'OPTIONS', url })
    assert.deepEqual([asked.statusCode, asked.headers.allow], [200, allow], url)
  }
})

test('a request without a body may name any type of it', async t => {
  const scene = await makeScene(t)
  const { app } = await serveScene(t, scene)
  for (const type of ['application/json', 'text/xml', 'multipart/form-data; boundary=b', 'application/octet-stream']) {
    const id = await scene.addTask('MZ')
    const answer = await app.inject({ method: 'DELETE', url: `/task/${id}`, headers: { 'content-type': type } })
    assert.deepEqual([answer.statusCode, answer.body], [200, 'null'], type)
    assert.equal(await scene.store.tasks.get(id), undefined)
  }
  const { url } = await serveScene(t, scene)
  const id = await scene.addTask('MZ')
  const head = 'Host: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 0'
  assert.equal((await sendRaw(url, `DELETE /task/${id} HTTP/1.1\r\n${head}\r\n\r\n`)).body, 'null')
})

test('what goes wrong inside is not told', async t => {
  const scene = await makeScene(t)
  const secret = 'connect to postgres://cuckoo:hunter2@db.example failed'
  const failing = (error: Error) => {
    const tasks = Object.create(scene.store.tasks, { get: { value: () => Promise.reject(error) } })
    return { store: Object.create(scene.store, { tasks: { value: tasks } }) }
  }
  const answerOf = async (error: Error) => {
    const { app } = await serveScene(t, scene, failing(error))
    const { statusCode, body } = await app.inject('/task/1')
    assert.doesNotMatch(body, /hunter2|example|stack|cause/)
    return { status: statusCode, body }
  }
  isPlain(await answerOf(new Error(secret)), 500, /^Internal Server Error$/)
  isPlain(await answerOf(new TypeError(secret, { cause: new Error(secret) })), 500, /^Internal Server Error$/)
  isPlain(await answerOf(Object.assign(new Error(secret), { statusCode: 502 })), 500, /^Internal Server Error$/)
  isPlain(await answerOf(Object.assign(new Error(secret), { statusCode: 'x' })), 500, /^Internal Server Error$/)
  isPlain(await answerOf(new StoreLostError(secret, { isDoubtful: false })), 503, /^The database does not answer$/)
  isPlain(await answerOf(new StoreFullError(secret, { isDoubtful: false })), 503, /^The database has no room$/)
  for (const code of ['ENOSPC', 'EDQUOT', 'SQLITE_FULL']) {
    isPlain(await answerOf(Object.assign(new Error(secret), { code })), 507, /^Insufficient Storage$/)
  }
  isPlain(await answerOf(Object.assign(new Error(secret), { code: 'EIO' })), 500)
})

/** What a handler answers and logs, without a server around it. */
function handled() {
  const lines: unknown[] = []
  const log = {
    ...createLogger('test', { LogFile: '', LogLevel: 'warning' }),
    error: (line: unknown) => lines.push(line),
  }
  const handle = errorHandler(log)
  const answerTo = (error: unknown) => {
    const reply = {
      status: 0,
      body: '',
      code: (status: number) => Object.assign(reply, { status }),
      header: () => reply,
      send: (body: Buffer) => Object.assign(reply, { body: String(body) }),
    }
    handle(
      error,
      Object.assign(Object.create(null), { method: 'GET', url: '/x' }),
      Object.assign(Object.create(null), reply, reply),
    )
    return lines.length
  }
  return { answerTo, lines }
}

test('faults and what fails every request are logged once a minute for each cause, refusals and outages never', t => {
  let now = 1000
  t.mock.method(performance, 'now', () => now)
  const { answerTo } = handled()
  const full = () => answerTo(Object.assign(new Error('x'), { code: 'ENOSPC' }))
  for (const status of [404, 500, 501]) assert.equal(answerTo(new ApiError(status, 'x')), 0)
  assert.equal(answerTo(new StoreLostError('x', { isDoubtful: false })), 0)
  assert.equal(answerTo(new DirectoryAwayError('DIRECTORY_AWAY', 'x')), 0)
  assert.deepEqual([answerTo(new Error('a 1')), answerTo(new Error('a 2')), answerTo(new Error('b'))], [1, 1, 2])
  assert.deepEqual([full(), full()], [3, 3])
  now += 59_999
  assert.deepEqual([full(), answerTo(new Error('b'))], [3, 3])
  now += 1
  assert.deepEqual([full(), full(), answerTo(new Error('b'))], [4, 4, 5])
  const unread = () => answerTo(new ApiError(503, 'The report cannot be read'))
  assert.deepEqual([unread(), unread()], [6, 6])
})

test('a name or a URL that is taken is a conflict', () => {
  assert.deepEqual(errorBody(new NameTakenError('taken')), { status: 409, message: 'taken' })
  assert.deepEqual(errorBody(new ApiError(404, 'x', { details: { state: 'pending' } })), {
    status: 404,
    message: 'x',
    state: 'pending',
  })
  for (const odd of ['text', undefined, null, 42, {}]) {
    assert.deepEqual(errorBody(odd), { status: 500, message: 'Internal Server Error' })
  }
})

test('on a socket each failure has its status, and a lost one gets nothing', () => {
  const written = (code: string | undefined, writable = true) => {
    const chunks: string[] = []
    let destroyed = 0
    const socket = {
      writable,
      write: (chunk: string) => chunks.push(chunk),
      destroy: () => {
        destroyed += 1
      },
    }
    clientErrorHandler(Object.assign(new Error('x'), { code }), Object.assign(Object.create(null), socket))
    return [chunks.join('').split('\r\n')[0], destroyed]
  }
  assert.deepEqual(written('ERR_HTTP_REQUEST_TIMEOUT'), ['HTTP/1.1 408 Request Timeout', 1])
  assert.deepEqual(written('HPE_HEADER_OVERFLOW'), ['HTTP/1.1 431 Request Header Fields Too Large', 1])
  assert.deepEqual(written('HPE_INVALID_METHOD'), ['HTTP/1.1 400 Bad Request', 1])
  assert.deepEqual(written(undefined), ['HTTP/1.1 400 Bad Request', 1])
  assert.deepEqual(
    [written('ECONNRESET'), written(undefined, false)],
    [
      ['', 1],
      ['', 1],
    ],
  )
})
