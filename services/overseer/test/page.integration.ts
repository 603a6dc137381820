// The page with dumps that somebody else has made: chosen, edited, deleted; texts that are no markup; the token; nothing to change.
import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { browserForTests, isReadable, spawnService, TcpProxy, waitFor } from '@cuckoo-distributed/testing'
import { scene } from './scene.js'
import { API_KEY, dumpNames, taskBody, wrapped } from './support.js'

const openTab = browserForTests()

const TOKEN = 'a-token-that-is-long-enough'
const HOSTILE = `<img src=x onerror="document.body.dataset.hacked=1">${'a-word-without-any-blank.'.repeat(20)}`

/** The page beside a running overseer, and nothing else. `proxy` is between the page and the broker. */
async function emptyScene(t: TestContext, ...args: string[]) {
  const base = await scene(t)
  await base.start()
  const proxy = await TcpProxy.start({ port: Number(new URL(base.broker.url).port) })
  t.after(() => proxy.close())
  const config = { ...base.config, Amqp: proxy.through(base.broker.url), AdminToken: TOKEN }
  const page = await spawnService(t, 'overseer', { config, args: ['admin', '--listen', '0', ...args] })
  const line = await waitFor(() => page.output.find(each => each.startsWith('http://')), { describe: 'the address' })
  const [url = ''] = line.split(' ')
  return { ...base, proxy, page, url, tab: await openTab(t, `${url}#token=${TOKEN}`) }
}

async function pageScene(t: TestContext, ...args: string[]) {
  const base = await emptyScene(t, ...args)
  for (const number of [1, 2, 3]) {
    const failed = { error: HOSTILE, desc: number === 3 ? 'OTHER' : 'HTTP_TIMEOUT' }
    await writeFile(join(base.dumpDir, `1437000000_${number}`), wrapped(base.work, taskBody(String(number)), failed))
  }
  return base
}

test('dumps are chosen, edited, sent elsewhere and deleted, and their texts are no markup', async t => {
  const { tab, dumpDir, broker, work, failed } = await pageScene(t)
  await tab.click('a[href="#/dumps"]')
  await tab.shows(/2 × HTTP_TIMEOUT.*1 × OTHER/s)
  await tab.shows(/<img src=x/, '.cause')
  await isReadable(tab)

  await tab.click('[data-code=OTHER] tbody a')
  await tab.shows(/Each try/)
  await tab.pressOn('#edit')
  await tab.hasFocus('textarea')
  await isReadable(tab)
  await tab.evaluate(`document.querySelector('textarea').value = '{'`)
  await tab.pressOn('.editor .primary')
  await tab.shows(/JSON/, '[role=alert]:not([hidden])')
  await tab.hasFocus('textarea[aria-invalid=true]')
  await isReadable(tab)
  await tab.pressOn('.editor button:not(.primary)', ' ')
  await tab.waitFor('document.querySelector("textarea") === null')
  await tab.hasFocus('#edit')
  await tab.press('Enter')
  await tab.hasFocus('textarea')
  await tab.evaluate(
    `document.querySelector('textarea').value = document.querySelector('textarea').value.replace('cuckoo.invalid', 'cuckoo.example')`,
  )
  await tab.pressOn('.editor .primary')
  await tab.shows(/Changed/, 'main > [role=status]')
  await tab.hasFocus('#edit')
  assert.match(await readFile(join(dumpDir, '1437000000_3'), 'utf8'), /cuckoo\.example/)
  await tab.click('main .buttons .primary')
  await tab.tabTo('dialog input')
  await tab.type(failed.replace(/failed$/, 'work'))
  await tab.click('dialog .primary')
  await tab.shows(/1 sent, 0 left/, '#done')
  assert.match((await broker.expectMessage(work)).body.toString(), /cuckoo\.example/)

  await tab.click('a[href="#/dumps"]')
  await tab.click('input[type=checkbox]')
  await tab.shows(/1 dump chosen/, '.chosen')
  await tab.click('.chosen .final')
  await tab.click('dialog .final')
  await tab.shows(/1 deleted, 0 left/, '#done')
  assert.equal((await dumpNames(dumpDir)).length, 1)
  await tab.shows(/1 × HTTP_TIMEOUT/, '.cause')
  await tab.tabTo('input[name=text]')
  await tab.type('nowhere')
  await tab.press('Enter')
  await tab.shows(/No dumps/, '#no-dumps')
  assert.equal(await tab.evaluate('document.body.dataset.hacked ?? ""'), '')
  assert.deepEqual(tab.problems, [])
})

test('where nothing is, and when the server is gone, the page says so', async t => {
  const { tab, page } = await emptyScene(t)
  const md5 = 'f'.repeat(32)
  await tab.shows(/0 samples under way/, '#open')
  await isReadable(tab)
  await tab.pressOn('nav a[href="#/dumps"]')
  await tab.shows(/No dumps/, '#no-dumps')
  await isReadable(tab)
  await tab.pressOn('nav a[href="#/samples"]')
  await tab.hasFocus('main h2')
  await tab.tabTo('input[name=what]')
  await tab.type(md5)
  await tab.press('Enter')
  await tab.shows(new RegExp(`${md5}.*never seen`), '#not-found')
  await isReadable(tab)
  await page.kill()
  await tab.shows(/the server does not answer/, '#connection')
  await tab.shows(/The server does not answer/, 'main [role=alert]')
  await tab.pressOn('nav a[href="#/"]')
  await tab.shows(/under way/, '#open')
  await isReadable(tab)
  await tab.pressOn('nav a[href="#/dumps"]')
  await tab.shows(/The server does not answer/, 'main [role=alert]:not([hidden])')
  await isReadable(tab)
})

test('many dumps that are sent one by one show how far they are, and the focus stays with them', async t => {
  const { broker, tab, dumpDir, work, proxy } = await emptyScene(t)
  for (let number = 1; number <= 12; number += 1)
    await writeFile(join(dumpDir, `1437000000_${number}`), wrapped(work, taskBody(String(number))))
  await tab.pressOn('nav a[href="#/dumps"]')
  await tab.pressOn('.cause button')
  await tab.pressOn('dialog button.primary')
  await tab.hasFocus('#work')
  await tab.shows(/Resubmitting: [1-9] of 12/, '.progress')
  proxy.stall()
  await isReadable(tab)
  await tab.shows(/Resubmitting: \d+ of 12/, '.progress')
  proxy.resume()
  await tab.shows(/12 sent, 0 left/, '#done')
  await tab.shows(/No dumps/, '#no-dumps')
  await tab.hasFocus('#work')
  assert.equal(await broker.depth(work), 12)
})

test('what has the focus and is taken away gives it to the next one', async t => {
  const { tab, dumpDir } = await pageScene(t)
  await tab.pressOn('nav a[href="#/dumps"]')
  const row = (number: number) => `tr[data-key="1437000000_${number}"] a`
  await tab.waitFor(`document.querySelector('${row(1)}')`)
  await tab.tabTo(row(1))
  await rm(join(dumpDir, '1437000000_1'))
  await tab.hasFocus(row(2))
  await rm(join(dumpDir, '1437000000_2'))
  await tab.waitFor('document.querySelectorAll(".cause").length === 1')
  await tab.hasFocus('main h2')
})

test('which sandboxes have room, as their feeders tell it', async t => {
  const { tab, broker, failed } = await pageScene(t, '--read-only')
  const tell = (seq: number, sandbox: string, room: object) => {
    const event = { at: Date.now(), service: 'feed_cuckoo', instance: 'i', seq, event: 'room', sandbox, room }
    return broker.publish(`${failed}.events`, JSON.stringify(event))
  }
  await tell(1, 'http://one:8090', {
    state: 'full',
    maxPending: 4,
    pending: 4,
    freeBytes: 2.5 * 1024 ** 3,
    asOf: Date.now(),
  })
  await tell(2, 'http://two:8090', { state: 'room', maxPending: 9, pending: 3, asOf: Date.now() })
  await tell(3, 'http://three:8090', { state: 'unknown', maxPending: 7 })
  await tell(4, 'http://old:8090', { state: 'room', maxPending: 6, pending: 1, asOf: Date.now() - 3 * 3_600_000 })
  await tab.shows(/one:8090.*full.*4 of 4.*2\.5 GiB.* s ago/s, '#rooms')
  await tab.shows(/two:8090.*room.*3 of 9/s, '#rooms')
  await tab.shows(/three:8090.*unknown.*\? of 7/s, '#rooms')
  await tab.shows(/old:8090.*unknown.*1 of 6.*3 h ago/s, '#rooms')
  await tab.shows(/1 of 4 with room/)
  await isReadable(tab)
  await tell(5, 'http://one:8090', { state: 'room', maxPending: 4, pending: 0, asOf: Date.now() })
  await tab.shows(/one:8090.*room.*0 of 4/s, '#rooms')
  assert.deepEqual(tab.problems, [])
})

test('dumps of another host are there to be looked at, and to be worked on where they are', async t => {
  const { tab, url, dumpDir, start, work } = await pageScene(t)
  const away = join(dumpDir, '..', 'away')
  await mkdir(away, { mode: 0o700 })
  const failed = { error: HOSTILE, desc: 'CRITS_AUTH' }
  await writeFile(join(away, '1437000009_1'), wrapped(work, taskBody('9'), failed))
  await start({ DumpDir: away })
  const headers = { authorization: `Bearer ${TOKEN}` }
  const elsewhere = async () => await (await fetch(`${url}api/elsewhere`, { headers })).text()
  await waitFor(async () => (await elsewhere()).includes('CRITS_AUTH'), { describe: 'an answer of the other host' })
  await tab.click('a[href="#/dumps"]')
  await tab.shows(/away: 1 dump.*CRITS_AUTH in check_results/s, '#elsewhere')
  assert.equal(await tab.evaluate('document.querySelectorAll("#elsewhere button, #elsewhere input").length'), 0)
  await isReadable(tab)
  await tab.click('#elsewhere tbody a')
  await tab.shows(/"analysis_id": "9"/, 'pre')
  assert.doesNotMatch(await tab.text(), new RegExp(API_KEY))
  assert.equal(await tab.evaluate('document.querySelectorAll("main button").length'), 0)
  await isReadable(tab)
  assert.equal(await tab.evaluate('document.body.dataset.hacked ?? ""'), '')
  assert.deepEqual(tab.problems, [])
})

test('read-only there is nothing to press, and a wrong token says so', async t => {
  const { tab, url, dumpDir } = await pageScene(t, '--read-only')
  await tab.shows(/3 dumps, most of them HTTP_TIMEOUT/, '#alarms')
  await tab.click('a[href="#/dumps"]')
  await tab.shows(/HTTP_TIMEOUT/, '.cause') // the overview has the same words
  assert.equal(
    await tab.evaluate('document.querySelectorAll("main button, main [type=checkbox]").length'),
    1,
    'the filter',
  )
  await tab.click('.cause tbody a')
  await tab.shows(/Each try/)
  assert.equal(await tab.evaluate('document.querySelectorAll("main button").length'), 0)
  const other = await openTab(t, `${url}#token=wrong`)
  await other.shows(/The server rejects this token/)
  assert.doesNotMatch(await other.text(), /HTTP_TIMEOUT|message/)
  await isReadable(other)
  await other.tabTo('input[name=token]')
  await other.type(TOKEN)
  await other.press('Enter')
  await other.shows(/connected/, '#connection')
  await other.shows(/3 dumps, most of them HTTP_TIMEOUT/, '#alarms')
  assert.equal((await readdir(dumpDir)).filter(name => name.startsWith('1437')).length, 3)
})
