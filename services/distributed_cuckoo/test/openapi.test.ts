import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLogger } from '@cuckoo-distributed/core'
import { apis } from '../src/apis.js'
import { Janitor } from '../src/files/janitor.js'
import { createServer } from '../src/server/server.js'
import { makeScene } from './dispatch-scene.js'

test('the OpenAPI document names exactly the routes of the server', async t => {
  const { config, store, files } = await makeScene(t)
  const log = createLogger('test', { LogFile: '', LogLevel: 'warning' })
  const closing = new AbortController().signal
  const janitor = new Janitor({ store, files, log })
  const { app, routes } = createServer({ config, store, files, janitor, log, closing, wake: () => {} }, apis)
  t.after(() => app.close())
  const document: unknown = (await app.inject('/openapi.json')).json()
  assert(typeof document === 'object' && document !== null && 'paths' in document)
  const described = Object.entries(Object(document.paths)).flatMap(([path, item]) => {
    const methods = Object.keys(Object(item)).filter(key => key !== 'parameters')
    return methods.map(method => `${method.toUpperCase()} ${path}`)
  })
  const served = [...routes].flatMap(([path, methods]) => {
    const template = path.replace(/:(\w+)/g, '{$1}')
    return [...methods].filter(method => method !== 'HEAD').map(method => `${method} ${template}`)
  })
  assert.deepEqual(described.sort(), served.sort())
})
