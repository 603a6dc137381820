import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { linkedController } from '../src/index.js'

test('the first source that is aborted aborts it, with its reason', () => {
  const first = new AbortController()
  const second = new AbortController()
  const { controller } = linkedController(first.signal, second.signal)
  second.abort('second')
  first.abort('first')
  assert.equal(controller.signal.reason, 'second')
})

test('a source that was aborted before aborts it at once', () => {
  assert.equal(linkedController(AbortSignal.abort('before')).controller.signal.reason, 'before')
})

test('its own abort does not reach the sources', () => {
  const source = new AbortController()
  linkedController(source.signal).controller.abort()
  assert.equal(source.signal.aborted, false)
})

test('once disposed it follows no source and leaves no listener', () => {
  const source = new AbortController()
  const linked = linkedController(source.signal)
  linked[Symbol.dispose]()
  source.abort()
  assert.equal(linked.controller.signal.aborted, false)
  assert.equal(getEventListeners(source.signal, 'abort').length, 0)
})
