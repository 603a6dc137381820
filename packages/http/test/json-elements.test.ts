import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { JsonError } from '@cuckoo-distributed/json-scanner'
import { jsonElements } from '../src/json-elements.js'
import { clientFor, serve } from './server.js'

async function* cut(text: string, size: number): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function read(text: string, size = 1000, limit = 1000): Promise<unknown[]> {
  const elements: unknown[] = []
  for await (const element of jsonElements(cut(text, size), 'tasks', { elementLimit: limit })) elements.push(element)
  return elements
}

const hard = {
  näme: '}]{["\\',
  tasks: [
    { id: 1, text: 'a"\\"]}{[', tags: ['x', { y: [] }] },
    {},
    { id: 2, custom: 'ü€😀\ud800', sample: { n: { m: 1 } } },
  ],
  after: [1, 'two', null, [3]],
}

describe('jsonElements', () => {
  for (const indent of [0, 4]) {
    test(`yields what JSON.parse finds, wherever the input is cut (indent ${indent})`, async () => {
      const text = JSON.stringify(hard, undefined, indent)
      for (let size = 1; size <= Buffer.byteLength(text); size += 1) {
        assert.deepEqual(await read(text, size), hard.tasks, `chunks of ${size} bytes`)
      }
    })
  }

  test('the objects of another list never stand for what is no object in this one', async () => {
    await assert.rejects(read('{"tasks": [0, {}], "other": [{}]}'), JsonError)
  })

  test('an empty list has no elements', async () => assert.deepEqual(await read('{"tasks": []}'), []))

  test('every document that is cut short is refused', async () => {
    const text = JSON.stringify(hard)
    const bytes = Buffer.from(text)
    for (let length = 0; length < bytes.length; length += 1) {
      await assert.rejects(read(bytes.subarray(0, length).toString('latin1')), { code: 'truncated' }, `${length} bytes`)
    }
  })

  for (const text of [
    '',
    'null',
    '[]',
    '{}',
    '{"tasks": null}',
    '{"tasks": [1]}',
    '{"tasks": {"a": {}}}',
    '{"tasks": [{}}}',
    '{"tasks": [{]]}',
    '{"tasks": [{} {}]}',
    '{"tasks": []} x',
    '{"tasks": [], "tasks": [{}]}',
    '{"tasks": [], "more": {]}',
    '{"tasks": [], "more": tru}',
    '{"tasks": [{"id": 1, "x": "\\q"}]}',
    '<html><style>h {background-color: #eee}</style></html>',
    '{"task": {"id": 1}}',
  ]) {
    test(`${JSON.stringify(text)} is refused`, () => assert.rejects(read(text), JsonError))
  }

  for (const size of [1, 7, 1000]) {
    test(`an element that cannot be read is left out and told (chunks of ${size} bytes)`, async () => {
      const rows = `{"id": 1}, null, {"id": tru}, "x", {"id": 2, "x": "${'y'.repeat(60)}"}, ${'['.repeat(70)}${']'.repeat(70)}, [{}], {"id": NaN}`
      const codes: string[] = []
      const ids: unknown[] = []
      const onUnreadable = (error: JsonError) => codes.push(error.code)
      const options = { elementLimit: 50, onUnreadable }
      for await (const element of jsonElements(cut(`{"tasks": [${rows}]}`, size), 'tasks', options))
        ids.push(element.id)
      assert.deepEqual(ids, [1, null])
      assert.deepEqual(codes, ['syntax', 'syntax', 'syntax', 'too-large', 'too-large', 'syntax'])
    })
  }

  test('lists beside it are passed over', async () => {
    assert.deepEqual(await read('{"a": [{}, 1], "tasks": [{"id": 1}], "more": [{"id": 2}]}'), [{ id: 1 }])
  })

  test('an element over the limit is refused, one of exactly the limit is not', async () => {
    const element = (length: number) => `{"tasks": [{"a": "${'x'.repeat(length)}"}]}`
    for (const size of [1, 10, 1000]) {
      assert.equal((await read(element(11), size, 20)).length, 1)
      await assert.rejects(read(element(12), size, 20), { code: 'too-large' })
    }
  })
})

test('a response whose list is no JSON is a NotJsonError with the begin of the page', async t => {
  const url = await serve(t, (_request, response) => response.end('<h1>Bad gateway</h1>{"tasks": []}'))
  const { signal } = new AbortController()
  const response = await clientFor(t, url).request({ method: 'GET', path: '/', signal })
  await assert.rejects(
    async () => {
      for await (const _element of response.jsonElements('tasks', 1000)) assert.fail('there is no element')
    },
    { code: 'HTTP_NOT_JSON', status: 200, excerpt: 'Bad gateway {"tasks": []}' },
  )
})
