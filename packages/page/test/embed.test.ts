import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { embedPage } from '@cuckoo-distributed/page'

const hashOf = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`

test('a page may run its own script, ask its own server, and nothing else', () => {
  const [script, style] = ['console.log("ü")', 'body { color: red }']
  const { html, headers } = embedPage('A <b> & c', { script, style })
  assert.deepEqual(headers['content-security-policy']?.split('; ').sort(), [
    "base-uri 'none'",
    "connect-src 'self'",
    "default-src 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    `script-src ${hashOf(script)}`,
    `style-src ${hashOf(style)}`,
    'trusted-types lit-html',
  ])
  assert.deepEqual(
    [headers['x-content-type-options'], headers['referrer-policy'], headers['content-type']],
    ['nosniff', 'no-referrer', 'text/html; charset=utf-8'],
  )
  assert.match(html, /<title>A &lt;b> &amp; c<\/title>/)
})

test('what would end the script or the style early is refused', () => {
  for (const script of ['"</script>"', '"</SCRIPT "', '"<!--"']) {
    assert.throws(() => embedPage('x', { script, style: '' }), RangeError)
  }
  assert.throws(() => embedPage('x', { script: '', style: '</style>' }), RangeError)
})
