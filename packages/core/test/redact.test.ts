import assert from 'node:assert/strict'
import { test } from 'node:test'
import { redactFields, redactText } from '../src/redact.js'

const SECRET = 's3cR3t-0123'

test('values under secret keys are hidden at any depth, in lists too, and whatever the case of the key', () => {
  const line = {
    a: { b: { c: [{ d: { api_key: SECRET, fine: 1 } }] } },
    Amqp: [SECRET],
    list: [{ PASSWORD: SECRET }, { Authorization: SECRET }, { apiKey: SECRET }, { Token: SECRET }],
    crits: { Msg: { inner: SECRET }, MsgBase64: SECRET, data: SECRET, Body: SECRET },
  }
  const shown = JSON.stringify(redactFields(line))
  assert.doesNotMatch(shown, new RegExp(SECRET))
  assert.match(shown, /"fine":1/)
})

test('what refers to itself ends', () => {
  const loop: Record<string, unknown> = { ok: true }
  loop.self = loop
  assert.match(JSON.stringify(redactFields(loop)), /\[too deep\]/)
})

test('eight containers in each other are shown below a line, a ninth is not', () => {
  const lists = (depth: number): unknown => (depth === 0 ? 'x' : [lists(depth - 1)])
  const objects = (depth: number): unknown => (depth === 0 ? 'x' : { a: objects(depth - 1) })
  for (const nested of [lists, objects]) {
    assert.deepEqual(redactFields({ in: nested(8) }), { in: nested(8) })
    const shown = JSON.stringify(redactFields({ in: nested(9) }))
    assert.equal(shown, JSON.stringify({ in: nested(9) }).replace(/\["x"\]|\{"a":"x"\}/, '"[too deep]"'))
  }
})

test('errors, numbers and texts without secrets stay as they are', () => {
  const error = new Error('no')
  const fields = { err: error, n: 1, no: null, yes: true, text: 'http://cuckoo:8090/tasks/view/7: status 500' }
  assert.deepEqual(redactFields(fields), fields)
})

for (const text of [
  `Get http://crits/api/v1/samples/?api_key=${SECRET}&username=alice: dial tcp: no such host`,
  `Get http://crits/api/v1/samples/?username=alice&api_key=${SECRET}`,
  `parse http://operator:${SECRET}@cuckoo:8090: bad`,
  `dial amqp://guest:${SECRET}/x@y#z?@10.0.0.1:5672/: refused`,
  `dial amqp://guest:12#${SECRET}@10.0.0.1:5672/: refused`,
  `{"crits_data":{"api_key":"${SECRET}","username":"alice"}}`,
  `{\\"api_key\\": \\"${SECRET}\\", \\"md5\\": \\"\\"}`,
  `map[api_key:${SECRET} username:alice]`,
  `&{CritsUrl: ApiKey:${SECRET} Username:alice}`,
  `Authorization: ApiKey alice:${SECRET}`,
  `header "Authorization: Bearer ${SECRET}" refused`,
  `password = ${SECRET}`,
  `next=%2Fapi%3Fapi_key%3D${SECRET}`,
]) {
  test(`no secret is left in: ${text.replaceAll(SECRET, '…')}`, () => {
    const shown = redactText(text)
    assert.doesNotMatch(shown, new RegExp(SECRET))
    assert.match(shown, /\[hidden\]/)
    assert.equal(redactText(shown), shown)
  })
}

test('what is no secret can still be read', () => {
  const said = redactText(`Get http://u:${SECRET}@crits:8080/api/v1/?api_key=${SECRET}&username=alice: refused`)
  assert.equal(said, 'Get http://[hidden]@crits:8080/api/v1/?api_key=[hidden]&username=alice: refused')
})
