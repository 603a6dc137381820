import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { startCape, startCuckoo } from '@cuckoo-distributed/testing'
import { sandboxLooks } from '../src/index.js'
import { KEY, signal } from './cape-scene.js'
import { type Answer, stub } from './stub.js'

async function problemsOf(url: string, options: Partial<Parameters<typeof sandboxLooks>[1]> = {}): Promise<string> {
  const [look] = sandboxLooks([url], { verifySsl: true, apiTokens: {}, ...options })
  const problems = await look?.problems(signal)
  return problems?.join() ?? 'nobody looked'
}

const ROOT: Answer = { status: 404, type: 'text/html' }
const STATUS = { version: '1.2', tasks: { pending: 1, running: 0, completed: 0, reported: 0, total: 1 } }

describe('a sandbox that is looked at for an administrator', () => {
  test('nothing is wrong with a Cuckoo, nor with a CAPE, and no task is made', async () => {
    for (const version of ['1.2', '2.0'] as const) {
      await using cuckoo = await startCuckoo({ version })
      assert.equal(await problemsOf(cuckoo.url), '')
      const asked = cuckoo.journal.map(({ method, path }) => `${method} ${path}`).join()
      for (const call of ['status', 'tasks/list', 'tasks/view/2147483647', 'tasks/report/2147483647'])
        assert.match(asked, new RegExp(`GET /(v1/)?(cuckoo/)?${call}`))
      assert.equal(cuckoo.tasks.size, 0)
    }
    await using cape = await startCape()
    assert.equal(await problemsOf(cape.url), '')
  })

  test('a URL is looked at once, however it is spelled', () => {
    const looks = sandboxLooks(['http://a:1', 'http://a:1/', 'http://b:1'], { verifySsl: true, apiTokens: {} })
    assert.deepEqual(
      looks.map(({ what }) => what),
      ['sandbox http://a:1', 'sandbox http://b:1'],
    )
  })

  test('one that does not answer at all is asked no more', async () => {
    const cuckoo = await startCuckoo()
    await cuckoo[Symbol.asyncDispose]()
    assert.match(await problemsOf(cuckoo.url), /^nobody listens there/)
  })

  test('one that wants a token says under which key it is looked for', async () => {
    await using cuckoo = await startCuckoo({ version: '2.0', apiToken: KEY })
    assert.match(await problemsOf(cuckoo.url), /requires a token, and rejects the one in "CuckooTokens"/)
    assert.match(await problemsOf(cuckoo.url, { tokenKey: 'Nodes' }), /rejects the one in "Nodes"/)
    assert.equal(await problemsOf(cuckoo.url, { apiTokens: { [cuckoo.url]: KEY } }), '')
  })

  test('one whose database fails, and one whose lists, tasks or reports do', async t => {
    const nothing = { version: '1.2', tasks: {} }
    assert.match(await problemsOf((await stub(t, ROOT, { body: nothing })).url), /counts neither tasks nor machines/)
    const good = [ROOT, { body: STATUS }, { body: { tasks: [] } }, { status: 404 }, { status: 404 }]
    for (const nth of [2, 3, 4]) {
      const { url } = await stub(t, ...good.slice(0, nth), { status: 503 })
      assert.match(
        await problemsOf(url, { kind: 'cuckoo' }),
        /^status 503: a proxy answers.*"Sandbox" says that it is cuckoo$/,
      )
    }
    assert.equal(await problemsOf((await stub(t, ...good)).url), '')
  })

  test('what is no sandbox is told from one that fails', async t => {
    const other = { body: { hello: 1 } }
    const { url } = await stub(t, ROOT, other, other, other, other)
    assert.match(await problemsOf(url), /^this is not the API of a sandbox that is known here: /)
    const failing = await stub(t, ROOT, { status: 500 })
    assert.match(await problemsOf(failing.url, { kind: 'cuckoo' }), /^GET .*status 500/)
  })

  test('an abort rejects with its reason', async t => {
    const abort = new AbortController()
    const { url } = await stub(t, ROOT, { body: STATUS })
    const [look] = sandboxLooks([url], { verifySsl: true, apiTokens: {} })
    abort.abort(new Error('enough'))
    await assert.rejects(look?.problems(abort.signal) ?? Promise.resolve(), /^Error: enough$/)
  })
})
