/** One shape of errors, whoever finds them: the resources, the framework, Node's HTTP parser. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StoreLostError } from '../src/store/errors.js'
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

test('JSON has one type on all routes', async t => {
  const scene = await makeScene(t)
  const { app } = await serveScene(t, scene)
  const id = await scene.addTask('MZ')
  const urls = [
    '/node',
    '/task',
    `/task/${id}`,
    '/status',
    '/openapi.json',
    '/cuckoo/status',
    '/machines/list',
    '/nope',
    '/node/%zz',
  ]
  for (const url of [...urls, '/tasks/list', `/tasks/view/${id}`, '/task?limit=x']) {
    assert.equal((await app.inject(url)).headers['content-type'], 'application/json', url)
  }
  assert.equal((await app.inject({ method: 'DELETE', url: `/task/${id}` })).headers['content-type'], 'application/json')
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
  isPlain(await answerOf(new StoreLostError(secret)), 503, /^The database does not answer$/)
  for (const code of ['ENOSPC', 'EDQUOT', 'SQLITE_FULL', '53100']) {
    isPlain(await answerOf(Object.assign(new Error(secret), { code })), 507, /^Insufficient Storage$/)
  }
  isPlain(await answerOf(Object.assign(new Error(secret), { code: 'EIO' })), 500)
})
