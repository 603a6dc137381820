/** The status page, as it is sent; `page.integration.ts` looks at it with a browser. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { serveScene } from './api-scene.js'
import { makeScene } from './dispatch-scene.js'

test('the page may run its own script and nothing else, and may not be framed', async t => {
  const { app } = await serveScene(t, await makeScene(t))
  const { body, headers } = await app.inject('/')
  const digestOf = (element: string) => {
    const [, text = ''] = new RegExp(`<${element}>(.*?)</${element}>`, 's').exec(body) ?? []
    assert(text.length > 0, element)
    return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
  }
  assert.deepEqual(String(headers['content-security-policy']).split('; '), [
    "default-src 'none'",
    "connect-src 'self'",
    `style-src ${digestOf('style')}`,
    `script-src ${digestOf('script')}`,
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ])
  assert.deepEqual(
    [headers['content-type'], headers['x-content-type-options'], headers['referrer-policy']],
    ['text/html; charset=utf-8', 'nosniff', 'no-referrer'],
  )
  // Whatever nodes and clients say is put in as text.
  assert.doesNotMatch(body, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\bon[a-z]+=/)
})
