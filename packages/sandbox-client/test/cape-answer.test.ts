import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  failureIn,
  isUnknownTask,
  readCapeStatus,
  readCapeTasks,
  reasonsIn,
  refusalOf,
  taskIdsIn,
} from '../src/cape-answer.js'

const URL = 'http://cape/apiv2'

test('what counts as a failure, and the words for it', () => {
  for (const answer of [{}, { error: false }, { error: [] }, { error: '' }, { error: 1 }, 'text', null])
    assert.equal(failureIn(answer), undefined)
  assert.equal(failureIn({ error: true }), 'no reason given')
  assert.equal(failureIn({ error: ['x'] }), 'no reason given')
  assert.equal(failureIn({ error: 'said here' }), 'said here')
  assert.equal(failureIn({ error: true, error_value: '', failed: 'f', detail: 'd' }), 'f')
  assert.equal(failureIn({ error: true, detail: 'd' }), 'd')
})

test('a switched off section is told from any other refusal', () => {
  const off = refusalOf(URL, '/tasks/view/1/', 'Task view API is disabled')
  assert.deepEqual([Object(off).code, Object(off).section], ['CUCKOO_ENDPOINT_OFF', 'taskview'])
  assert.equal(Object(refusalOf(URL, '/tasks/view/1/', 'disabled by law')).code, 'CUCKOO_CALL_REFUSED')
  assert.equal(Object(refusalOf(URL, '/tasks/other/', 'it is disabled')).code, 'CUCKOO_CALL_REFUSED')
  assert.deepEqual(['Task does not exist', 'task not found', 'x Task not found'].map(isUnknownTask), [
    true,
    true,
    false,
  ])
})

test('a status whose counters are missing counts nothing; one that has others is none', () => {
  const status = (data: unknown) => readCapeStatus({ data }, URL)
  const { tasksKnown, version, pending, freeBytes } = status({ tasks: {} })
  assert.deepEqual([tasksKnown, version, pending, freeBytes], [false, '', 0, undefined])
  for (const name of ['pending', 'running', 'completed', 'reported', 'total'])
    assert.equal(status({ tasks: { [name]: 1 } }).tasksKnown, true, name)
  assert.equal(status({ tasks: {}, machines: { total: 1 } }).tasksKnown, true)
  assert.equal(status({ tasks: {}, server: { storage: { free: 3 } } }).freeBytes, 3 * 2 ** 30)
  assert.throws(() => status({}), { code: 'CUCKOO_UNEXPECTED_ANSWER', message: /"data.tasks"/ })
  assert.throws(() => status({ tasks: { running: 'many' } }), { message: /"data.tasks.running" .* a number/ })
})

test('a row that cannot be read says nothing about the others; no list is no answer', () => {
  const rows = readCapeTasks({ data: [{ id: 'x' }, null, { id: 7, status: 'reported' }] }, URL)
  assert.deepEqual(
    rows.map(({ id, mayBeMember }) => [id, mayBeMember]),
    [[7, true]],
  )
  assert.throws(() => readCapeTasks({ data: {} }, URL), { code: 'CUCKOO_UNEXPECTED_ANSWER' })
})

test('the ids and the reasons of an upload', () => {
  assert.deepEqual(taskIdsIn({ data: { task_ids: [1, [2, [3]], 0, -1, 1.5, '4', null] } }), [1, 2, 3])
  assert.deepEqual(taskIdsIn({ data: {} }), [])
  assert.deepEqual(reasonsIn({ errors: [{ a: 'text', b: { error: 'inside' } }, { c: [1] }] }), [
    { kind: 'a', text: 'text' },
    { kind: 'b', text: 'inside' },
    { kind: 'c', text: '[1]' },
  ])
  assert.equal(reasonsIn({ errors: [{ c: ['x'.repeat(400)] }] })[0]?.text.length, 300)
  assert.deepEqual(reasonsIn({}), [])
})
