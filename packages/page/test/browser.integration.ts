/** The browser side of events, in a real browser. */
import assert from 'node:assert/strict'
import { after, type TestContext, test } from 'node:test'
import { EventClients, embedPage, guardPage, isPage } from '@cuckoo-distributed/page'
import { browserForTests, waitFor } from '@cuckoo-distributed/testing'
import { build, stop } from 'esbuild'
import { listening } from './listening.js'

const openTab = browserForTests()
after(stop)

const SOURCE = `
import { followEvents, html, pageHeader, progress, render, Session } from '@cuckoo-distributed/page/browser'
const taken = []
const draw = () => queueMicrotask(() => render(html\`\${pageHeader({ title: 'A page', session, onToken: () => {} })}
  <main>\${progress('seen', { done: taken.length, total: 3 })}<p id="taken">\${JSON.stringify(taken)}</p></main>\`, document.getElementById('page')))
const session = new Session(draw)
const take = (name, data) => { taken.push([name, data]); draw() }
const controller = new AbortController()
globalThis.leave = () => controller.abort()
followEvents(session, { path: 'events', signal: controller.signal, take })
`

async function serve(t: TestContext) {
  const { outputFiles } = await build({
    stdin: { contents: SOURCE, resolveDir: import.meta.dirname },
    write: false,
    bundle: true,
    minify: true,
    format: 'iife',
    platform: 'browser',
  })
  const page = embedPage('A page', { script: outputFiles[0]?.text ?? '', style: 'body { color: #111 }' })
  const refusalOf = guardPage({ token: 's3cret', hosts: [] })
  const clients = new EventClients()
  const { server, url } = await listening(t, clients, (request, response) => {
    const refusal = refusalOf(request)
    if (refusal !== undefined) response.writeHead(refusal.status).end()
    else if (isPage(request)) response.writeHead(200, page.headers).end(page.html)
    else clients.add(response, { first: [{ name: 'state', data: 'as it is' }] })
  })
  return { clients, server, url }
}

test('a page follows events once its token is right, and again after each cut, until it leaves', async t => {
  const { clients, server, url } = await serve(t)
  const tab = await openTab(t, url)
  await tab.shows(/token wanted/, '#connection')
  await tab.tabTo('[name=token]')
  await tab.type('nonsense')
  await tab.press('Enter')
  await tab.shows(/rejects this token/)
  assert.equal(clients.size, 0)
  await tab.type('s3cret')
  await tab.press('Enter')
  await tab.shows(/\[\["state","as it is"\]\]/, '#taken')
  clients.send({ name: 'dump', data: { text: '<b>ü\n' } })
  await tab.shows(/,\["dump",\{"text":"<b>ü\\n"\}\]\]/, '#taken')
  server.closeAllConnections()
  await tab.shows(/,\["state","as it is"\]\]$/, '#taken')
  await tab.shows(/seen: 3 of 3/)
  await tab.evaluate('leave()')
  await waitFor(() => clients.size === 0, { describe: 'the page to leave' })
  assert.deepEqual([await tab.accessibilityProblems(), tab.problems], [[], []])
})

test('a text can become markup by way of lit-html only', async t => {
  const { url } = await serve(t)
  const tab = await openTab(t, url)
  await tab.shows(/token wanted/, '#connection')
  for (const way of [
    'document.body.innerHTML = "<b>x</b>"',
    'document.write("<b>x</b>")',
    'trustedTypes.createPolicy("other", { createHTML: text => text })',
    'trustedTypes.createPolicy("lit-html", { createHTML: text => text })',
  ]) {
    assert.equal(await tab.evaluate(`(() => { try { ${way} } catch { return 'refused' } })()`), 'refused', way)
  }
})
